#include "operator/reconcile/reconciler.h"

#include <utility>

#include "base/json_full.h"
#include "base/log.h"
#include "base/status.h"
#include "base/strings.h"
#include "operator/api/names.h"
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
                       std::function<absl::Time()> now)
    : client_(client), defaults_(std::move(defaults)), now_(std::move(now)) {}

absl::StatusOr<absl::Duration> Reconciler::Reconcile(std::string_view ns, std::string_view name) {
  absl::StatusOr<decide::Cluster> cluster = Observe(client_, ns, name);
  if (absl::IsNotFound(cluster.status())) return absl::InfiniteDuration();
  if (!cluster.ok()) return cluster.status();

  const absl::Time now = now_();
  decide::Observed observed = decide::Read(*cluster);
  decide::Plan plan = decide::Decide(observed, defaults_, now);
  LogDecisions(ns, name, plan);
  absl::Status written = ApplyObjects(client_, *cluster, render::Render(plan));
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
  RETURN_IF_ERROR(WriteStatus(client_, *cluster->dsd, plan));
  WriteEvents(client_, *cluster->dsd, plan.events, now);
  return plan.requeue_after;
}

}  // namespace deepseek::reconcile
