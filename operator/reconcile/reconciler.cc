#include "operator/reconcile/reconciler.h"

#include <utility>

#include "base/json_full.h"
#include "base/log.h"
#include "base/status.h"
#include "base/strings.h"
#include "operator/api/names.h"
#include "operator/decide/agent_report.h"
#include "operator/decide/decide.h"
#include "operator/decide/json_read.h"
#include "operator/decide/reasons.h"
#include "operator/reconcile/apply.h"
#include "operator/reconcile/observe.h"
#include "operator/reconcile/report.h"
#include "operator/render/render.h"

namespace deepseek::reconcile {
namespace {

// A refused write is tried again this often: quotas are raised and permissions granted without our
// being told.
constexpr absl::Duration kAfterRefusal = absl::Seconds(30);

// The reason of a write that the API server refuses for good; empty for errors that pass.
std::string RefusalReason(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
      return decide::reason::kInvalidSpec;
    case absl::StatusCode::kResourceExhausted:
      return decide::reason::kQuotaExceeded;
    case absl::StatusCode::kPermissionDenied:
      return decide::reason::kWriteRefused;
    default:
      return "";
  }
}

void LogDecisions(std::string_view ns, std::string_view name, const decide::Plan& plan) {
  for (const decide::Decision& decision : plan.decisions) {
    log::Info(decision.message, {{"namespace", ns},
                                 {"deployment", name},
                                 {"action", decision.action},
                                 {"reason", decision.reason}});
  }
}

// Whoever does not answer is asked again at the next reconcile; nothing waits for it.
void AskAgents(const Hooks& hooks, decide::Cluster* cluster) {
  cluster->agents_asked = true;
  for (const decide::AgentAddress& agent : decide::AgentsToAsk(decide::Read(*cluster))) {
    absl::StatusOr<Json> answer = hooks.ask_agent(agent.ip);
    if (answer.ok())
      cluster->agents[agent.pod_uid] = std::make_shared<const Json>(*std::move(answer));
  }
}

// A template with the user's own parts in it becomes a revision only if the API server would take
// it.
absl::Status TryNewTemplate(kube::Client& client, const decide::Plan& plan) {
  const decide::Object trial = render::RenderTrial(plan);
  if (trial == nullptr) return absl::OkStatus();
  const absl::Status tried =
      client.TryCreate(kube::resources::kDeployment, plan.dsd->ns, *trial, api::kFieldManager);
  // It was valid, then, and whose it is gets found out elsewhere.
  return absl::IsAlreadyExists(tried) ? absl::OkStatus() : tried;
}

}  // namespace

const char kWatchSelector[] = "serving.deepseek-operator.io/deployment";

std::vector<kube::Resource> WatchedChildren() {
  std::vector<kube::Resource> kinds = ChildKinds();
  kinds.push_back(kube::resources::kPod);
  return kinds;
}

std::string OwnerName(const Json& object) {
  if (decide::TextAt(object, "/kind") == api::kKind)
    return decide::TextAt(object, "/metadata/name");
  return decide::MetadataAt(object, "labels", api::kDeploymentLabel);
}

Reconciler::Reconciler(kube::Client& client, decide::Defaults defaults,
                       std::function<absl::Time()> now, Hooks hooks)
    : client_(client),
      defaults_(std::move(defaults)),
      now_(std::move(now)),
      hooks_(std::move(hooks)) {}

absl::StatusOr<absl::Duration> Reconciler::Reconcile(std::string_view ns, std::string_view name) {
  absl::StatusOr<decide::Cluster> cluster = Observe(client_, ns, name);
  if (absl::IsNotFound(cluster.status())) {
    if (hooks_.on_plan) hooks_.on_plan(ns, name, nullptr);
    return absl::InfiniteDuration();
  }
  if (!cluster.ok()) return cluster.status();
  if (hooks_.ask_agent) AskAgents(hooks_, &*cluster);

  const absl::Time now = now_();
  decide::Observed observed = decide::Read(*cluster);
  decide::Plan plan = decide::Decide(observed, defaults_, now);
  LogDecisions(ns, name, plan);
  absl::Status written = TryNewTemplate(client_, plan);
  if (written.ok()) written = ApplyObjects(client_, *cluster, render::Render(plan));
  if (written.ok()) written = DeleteObjects(client_, std::string(ns), plan.deletions);
  if (!written.ok()) {
    observed.refusal_reason = RefusalReason(written);
    observed.refusal_message = std::string(ToStd(written.message()));
    if (observed.refusal_reason.empty()) return written;
    log::Warn("write refused",
              {{"namespace", ns}, {"deployment", name}, {"error", written.ToString()}});
    plan = decide::Decide(observed, defaults_, now);
    plan.requeue_after = kAfterRefusal;
    plan.events = plan.condition_events;
  }
  if (hooks_.on_plan) hooks_.on_plan(ns, name, &plan);
  RETURN_IF_ERROR(WriteStatus(client_, *cluster->dsd, plan));
  WriteEvents(client_, *cluster->dsd, plan.events, now);
  return plan.requeue_after;
}

}  // namespace deepseek::reconcile
