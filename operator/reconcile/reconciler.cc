#include "operator/reconcile/reconciler.h"

#include <algorithm>
#include <utility>

#include "base/json_full.h"
#include "base/log.h"
#include "base/status.h"
#include "base/strings.h"
#include "operator/api/names.h"
#include "operator/decide/decide.h"
#include "operator/decide/json_read.h"
#include "operator/decide/reasons.h"
#include "operator/decide/resolve.h"
#include "operator/kube/api_error.h"
#include "operator/reconcile/apply.h"
#include "operator/reconcile/observe.h"
#include "operator/render/render.h"

namespace deepseek::reconcile {
namespace {

using decide::TextAt;
using kube::resources::kDeepSeekDeployment;

// A refused write is tried again this often: quotas are raised and permissions granted without our
// being told.
constexpr absl::Duration kAfterRefusal = absl::Seconds(30);
// Failures in a row after which the caches are no longer trusted.
constexpr int kDistrust = 2;
// While a change is under way everything is read after 5 s, 10 s, ... 5 min.
constexpr absl::Duration kFirstLook = absl::Seconds(5), kMostQuiet = absl::Minutes(5);
// Of all objects one at a time: where a thousand are under way, nobody's event need be lost for
// that.
constexpr absl::Duration kBetweenLooks = absl::Seconds(1);
// And else before the controller's resync of ten hours.
constexpr absl::Duration kLookWhenSettled = absl::Hours(9);
// A pass that wrote is followed by another one: at once by the events of what came of it, else
// soon. Where that does not end (somebody changes what we write each time), ever later.
constexpr int kPassesSoon = 4;
constexpr absl::Duration kSoon = absl::Milliseconds(500), kMostWait = absl::Minutes(5);

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

absl::Duration WaitAfterWriting(int passes) {
  return std::min(kMostWait, kSoon * (1 << std::clamp(passes - kPassesSoon, 0, 12)));
}

// Is this the object that was judged, with the spec that was judged?
bool IsSameWish(const Json& a, const Json& b) {
  return TextAt(a, "/metadata/uid") == TextAt(b, "/metadata/uid") &&
         decide::IntegerAt(a, "/metadata/generation") ==
             decide::IntegerAt(b, "/metadata/generation") &&
         (decide::Find(a, "/metadata/deletionTimestamp") == nullptr) ==
             (decide::Find(b, "/metadata/deletionTimestamp") == nullptr);
}

// A note at a revision that is there starts, stops and changes nothing, and says what was, not what
// is wanted: an old wish can do no harm by it.
bool CarriesOutAWish(const Changes& changes) {
  return !changes.deletions.empty() ||
         std::any_of(changes.writes.begin(), changes.writes.end(), [](const Write& write) {
           return write.observed == nullptr ||
                  write.resource->kind != kube::resources::kControllerRevision.kind;
         });
}

// A template with the user's own parts in it, or that old pods are stopped for, becomes a revision
// only if the API server would take it.
absl::Status TryNewTemplate(kube::Client& client, const decide::Plan& plan) {
  const decide::Object trial = render::RenderTrial(plan);
  if (trial == nullptr) return absl::OkStatus();
  const absl::Status tried =
      client.TryCreate(kube::resources::kDeployment, plan.dsd->ns, *trial, api::kFieldManager);
  // It was valid, then, and whose it is gets found out elsewhere.
  return absl::IsAlreadyExists(tried) ? absl::OkStatus() : tried;
}

}  // namespace

Reconciler::Reconciler(kube::Client& client, kube::Caches& caches, decide::Defaults defaults,
                       std::function<absl::Time()> now, Hooks hooks)
    : client_(client),
      caches_(caches),
      defaults_(std::move(defaults)),
      now_(std::move(now)),
      hooks_(std::move(hooks)),
      events_(client),
      gpu_exporter_(client),
      warnings_(client, now_) {}

absl::StatusOr<absl::Duration> Reconciler::Reconcile(std::string_view ns, std::string_view name) {
  const std::string key = kube::KeyOf(ns, name);
  Memory memory;
  {
    const std::lock_guard lock(mutex_);
    if (const auto it = memories_.find(key); it != memories_.end()) memory = std::move(it->second);
  }
  absl::StatusOr<absl::Duration> next = Pass(ns, name, &memory);
  memory.failures = next.ok() ? 0 : memory.failures + 1;
  if (absl::IsAlreadyExists(next.status())) memory.failures = std::max(memory.failures, kDistrust);
  const bool known = caches_.Known(ns, name);
  const std::lock_guard lock(mutex_);
  if (known || !next.ok()) {
    memories_[key] = std::move(memory);
  } else {
    memories_.erase(key);
  }
  return next;
}

bool Reconciler::MayLook(absl::Time now) {
  if (hooks_.busy && hooks_.busy()) return false;
  const std::lock_guard lock(mutex_);
  if (now >= looked_at_ && now - looked_at_ < kBetweenLooks) return false;
  looked_at_ = now;
  return true;
}

absl::Status Reconciler::Confirm(const Json& dsd) {
  const std::string name = TextAt(dsd, "/metadata/name"), ns = TextAt(dsd, "/metadata/namespace");
  const absl::StatusOr<kube::Object> live = client_.Get(kDeepSeekDeployment, ns, name);
  if (absl::IsNotFound(live.status())) {
    caches_.SawGone(kDeepSeekDeployment, ns, name, TextAt(dsd, "/metadata/uid"));
  } else if (!live.ok()) {
    return live.status();
  } else {
    caches_.Saw(kDeepSeekDeployment, **live);
    if (IsSameWish(**live, dsd)) return absl::OkStatus();
  }
  return absl::AbortedError(StrCat("reconcile ", ns, "/", name, ": it has changed meanwhile"));
}

absl::Status Reconciler::WriteStatus(const Json& dsd, const decide::Plan& plan) {
  if (plan.status == nullptr) return absl::OkStatus();
  const Json* before = decide::Find(dsd, "/status");
  if (before != nullptr && *before == *plan.status) return absl::OkStatus();
  const std::string name = TextAt(dsd, "/metadata/name"), ns = TextAt(dsd, "/metadata/namespace");
  // On the condition that the object is still the one that was judged.
  const Json object = {{"apiVersion", api::kApiVersion},
                       {"kind", api::kKind},
                       {"metadata",
                        {{"name", name},
                         {"namespace", ns},
                         {"resourceVersion", TextAt(dsd, "/metadata/resourceVersion")}}},
                       {"status", *plan.status}};
  ASSIGN_OR_RETURN(const kube::Object written,
                   client_.Apply(kDeepSeekDeployment, ns, name, object,
                                 {.field_manager = api::kFieldManager}, "status"));
  caches_.Saw(kDeepSeekDeployment, *written);
  return absl::OkStatus();
}

absl::StatusOr<absl::Duration> Reconciler::Pass(std::string_view ns, std::string_view name,
                                                Memory* memory) {
  const absl::Time now = now_();
  const bool due = memory->look_at != absl::InfinitePast() && now >= memory->look_at;
  const bool put_off = due && !MayLook(now);
  const bool look = memory->failures >= kDistrust || memory->in_the_way || (due && !put_off);
  if (put_off) memory->look_at = now + memory->quiet;
  if (look) RETURN_IF_ERROR(Refresh(client_, caches_, ns, name));
  std::optional<decide::Cluster> cluster = Observe(caches_, ns, name);
  if (!cluster) {
    if (hooks_.on_plan) hooks_.on_plan(ns, name, nullptr);
    return absl::InfiniteDuration();
  }
  if (look) RETURN_IF_ERROR(FindUnlabelled(client_, &*cluster));
  if (NeedsEvents(*cluster)) cluster->events = warnings_.About(cluster->pods, ns);
  if (hooks_.ask_agent) memory->agents.Hear(hooks_.ask_agent, now, &*cluster);

  decide::Observed observed = decide::Read(*cluster);
  decide::Defaults defaults = defaults_;
  if (decide::AsksWhoReportsGpus(*cluster->dsd)) {
    ASSIGN_OR_RETURN(defaults.gpus_reported, gpu_exporter_.Runs(now));
  }
  decide::Plan plan = decide::Decide(observed, defaults, now);
  ASSIGN_OR_RETURN(const Changes changes,
                   FindChanges(*cluster, render::Render(plan), plan.deletions, memory->stored));
  if (CarriesOutAWish(changes) && !look) RETURN_IF_ERROR(Confirm(*cluster->dsd));
  LogDecisions(ns, name, plan);
  absl::Status written = TryNewTemplate(client_, plan);
  if (written.ok()) written = CarryOut(changes, std::string(ns), client_, caches_, &memory->stored);
  bool refused = false;
  if (kube::IsNamespaceTerminating(written)) {
    // Nothing more is made there; the deletion of what is there is watched.
    log::Info("the namespace is being deleted, nothing is made in it any more",
              {{"namespace", ns}, {"deployment", name}});
    return absl::InfiniteDuration();
  }
  if (!written.ok()) {
    observed.refusal_reason = RefusalReason(written);
    observed.refusal_message = std::string(ToStd(written.message()));
    if (observed.refusal_reason.empty()) {
      // A webhook that is away, say: what the pods do is true all the same. After a lost race it
      // may not be. The pass is tried again for its own error, this one included.
      if (!absl::IsAborted(written) && !absl::IsAlreadyExists(written))
        WriteStatus(*cluster->dsd, plan).IgnoreError();
      return written;
    }
    log::Warn("write refused",
              {{"namespace", ns}, {"deployment", name}, {"error", written.ToString()}});
    plan = decide::Decide(observed, defaults, now);
    plan.requeue_after = kAfterRefusal;
    plan.events = plan.condition_events;
    refused = true;
  }
  if (hooks_.on_plan) hooks_.on_plan(ns, name, &plan);
  RETURN_IF_ERROR(WriteStatus(*cluster->dsd, plan));
  for (size_t i = 0; i < plan.events.size(); ++i) {
    events_.Record(*cluster->dsd, plan.events[i], now, i);
  }

  // A pass may have waited for seconds at the rate limit: the next look is that long after its end.
  const absl::Time end = now_();
  const bool settled = changes.empty() && plan.requeue_after == absl::InfiniteDuration();
  memory->in_the_way = (!plan.manage || !plan.left_out.empty()) && !settled;
  if (settled) {
    memory->quiet = kFirstLook;
    memory->look_at = end + kLookWhenSettled;
  } else if (look || memory->look_at == absl::InfinitePast()) {
    memory->quiet = look ? std::min(2 * memory->quiet, kMostQuiet) : kFirstLook;
    memory->quiet = std::max(memory->quiet, kFirstLook);
    memory->look_at = end + memory->quiet;
  } else {
    memory->look_at = std::min(memory->look_at, end + memory->quiet);
  }
  memory->writing_passes = changes.empty() || refused ? 0 : memory->writing_passes + 1;
  if (memory->writing_passes == 0) return plan.requeue_after;
  return std::min(plan.requeue_after, WaitAfterWriting(memory->writing_passes));
}

}  // namespace deepseek::reconcile
