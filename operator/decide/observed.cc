#include "operator/decide/observed.h"

#include <algorithm>

#include "base/json_full.h"
#include "base/strings.h"
#include "operator/api/names.h"
#include "operator/decide/agent_report.h"
#include "operator/decide/json_read.h"

namespace deepseek::decide {
namespace {

// The controller ownerReference of an object; nullptr if there is none.
const Json* Controller(const Json& object) {
  const Json* owners = Find(object, "/metadata/ownerReferences");
  if (owners == nullptr || !owners->is_array()) return nullptr;
  for (const Json& owner : *owners) {
    if (BoolAt(owner, "/controller")) return &owner;
  }
  return nullptr;
}

Ownership OwnershipOf(const Json& object, const Json& dsd) {
  const Json* owner = Controller(object);
  if (owner == nullptr || TextAt(*owner, "/kind") != api::kKind ||
      !TextAt(*owner, "/apiVersion").starts_with(std::string(api::kGroup) + "/")) {
    return Ownership::kForeign;
  }
  if (TextAt(*owner, "/uid") == TextAt(dsd, "/metadata/uid")) return Ownership::kOurs;
  const bool same_name = TextAt(*owner, "/name") == TextAt(dsd, "/metadata/name");
  return same_name ? Ownership::kFormer : Ownership::kForeign;
}

Child ReadChild(const Object& object, const Json& dsd) {
  Child child;
  child.object = object;
  child.kind = TextAt(*object, "/kind");
  child.name = TextAt(*object, "/metadata/name");
  child.uid = TextAt(*object, "/metadata/uid");
  child.resource_version = TextAt(*object, "/metadata/resourceVersion");
  child.revision = MetadataAt(*object, "labels", api::kRevisionLabel);
  child.ownership = OwnershipOf(*object, dsd);
  child.deleting = Find(*object, "/metadata/deletionTimestamp") != nullptr;
  return child;
}

// By its name, which nobody can change: a label may be taken off.
std::string HashOf(const Child& child, const std::string& deployment) {
  const std::string prefix = api::RevisionName(deployment, "");
  return child.name.starts_with(prefix) ? child.name.substr(prefix.size()) : child.revision;
}

Revision ReadRevision(const Child& child, const std::string& deployment) {
  const Json& object = *child.object;
  Revision revision;
  revision.child = child;
  revision.hash8 = HashOf(child, deployment);
  revision.number = IntegerAt(object, "/revision");
  for (const char* key :
       {api::kIntentHashAnnotation, api::kStartedAtAnnotation, api::kStableSinceAnnotation,
        api::kRetryTokenAnnotation, api::kRetriedAtAnnotation, api::kModelDigestAnnotation,
        api::kModelAnnotation}) {
    const std::string value = MetadataAt(object, "annotations", key);
    if (!value.empty()) revision.state[key] = value;
  }
  revision.intent_hash = revision.state[api::kIntentHashAnnotation];
  revision.started_at = ParseTime(revision.state[api::kStartedAtAnnotation]);
  revision.stable_since = ParseTime(revision.state[api::kStableSinceAnnotation]);
  revision.retried_at = ParseTime(revision.state[api::kRetriedAtAnnotation]);
  revision.retry_token = revision.state[api::kRetryTokenAnnotation];
  revision.model_digest = revision.state[api::kModelDigestAnnotation];
  revision.resolved = Find(object, "/data/resolved");
  revision.pod_template = Find(object, "/data/template");
  std::erase_if(revision.state, [](const auto& entry) { return entry.second.empty(); });
  return revision;
}

bool IsObject(const Json* json) {
  return json != nullptr && json->is_object();
}

Workload ReadWorkload(const Child& child, const std::string& deployment) {
  const Json& object = *child.object;
  Workload workload;
  workload.child = child;
  workload.hash8 = HashOf(child, deployment);
  workload.want = static_cast<int>(IntegerAt(object, "/spec/replicas", 1));
  workload.settled = IntegerAt(object, "/status/observedGeneration") >=
                     IntegerAt(object, "/metadata/generation", 1);
  const Json* failure = FindCondition(object, "ReplicaFailure");
  if (failure != nullptr && TextAt(*failure, "/status") == "True")
    workload.refused = TextAt(*failure, "/message");
  return workload;
}

// `unready_since`: when the pod last ceased to be ready, if it ever was.
void ReadContainer(const Json& status, std::optional<absl::Time> unready_since, Container* out) {
  out->restarts = static_cast<int>(IntegerAt(status, "/restartCount"));
  out->running = Find(status, "/state/running") != nullptr;
  out->waiting_reason = TextAt(status, "/state/waiting/reason");
  out->waiting_message = TextAt(status, "/state/waiting/message");
  // What ceased to be ready after this start was ready in this run: the past is over.
  const auto started = TimeAt(status, "/state/running/startedAt");
  if (started && unready_since && *unready_since > *started) return;
  for (const char* state : {"/state/terminated", "/lastState/terminated"}) {
    const Json* ended = Find(status, state);
    if (ended == nullptr || out->ended) continue;
    const auto from = TimeAt(*ended, "/startedAt"), to = TimeAt(*ended, "/finishedAt");
    out->ended = Ended{static_cast<int>(IntegerAt(*ended, "/exitCode")), TextAt(*ended, "/reason"),
                       TextAt(*ended, "/message"), from && to ? *to - *from : absl::ZeroDuration()};
  }
}

void ReadContainers(const Json& object, std::optional<absl::Time> unready_since, Pod* pod) {
  for (const char* list : {"/status/initContainerStatuses", "/status/containerStatuses"}) {
    const Json* statuses = Find(object, list);
    if (statuses == nullptr || !statuses->is_array()) continue;
    for (const Json& status : *statuses) {
      const Json* ready = Find(status, "/ready");
      const bool is_ready = ready != nullptr && *ready == true;
      Sidecar sidecar;
      sidecar.name = TextAt(status, "/name");
      sidecar.ready = is_ready;
      if (sidecar.name == api::kAgentContainer) {
        ReadContainer(status, unready_since, pod);
        pod->agent_ready = is_ready;
      } else {
        ReadContainer(status, unready_since, &sidecar);
        pod->sidecars.push_back(std::move(sidecar));
      }
    }
  }
}

Pod ReadPod(const Json& object) {
  Pod pod;
  pod.name = TextAt(object, "/metadata/name");
  pod.uid = TextAt(object, "/metadata/uid");
  pod.hash8 = MetadataAt(object, "labels", api::kRevisionLabel);
  pod.ip = TextAt(object, "/status/podIP");
  pod.deleting = Find(object, "/metadata/deletionTimestamp") != nullptr;
  pod.created = TimeAt(object, "/metadata/creationTimestamp").value_or(absl::InfinitePast());
  const Json* ready = FindCondition(object, "Ready");
  const auto since = ready == nullptr ? std::nullopt : TimeAt(*ready, "/lastTransitionTime");
  pod.unready_since = std::max(pod.created, since.value_or(pod.created));
  if (ready != nullptr && TextAt(*ready, "/status") == "True" && !pod.deleting) {
    pod.ready = true;
    pod.ready_since = since;
  }
  const Json* scheduled = FindCondition(object, "PodScheduled");
  if (scheduled != nullptr && TextAt(*scheduled, "/status") == "False") {
    pod.unschedulable = TextAt(*scheduled, "/message");
  }
  ReadContainers(object, pod.ready ? std::nullopt : since, &pod);
  return pod;
}

// Only pods that a ReplicaSet of one of our Deployments controls: others with our labels are not
// counted. A pod that has ended (evicted, node lost) is no longer capacity.
bool IsOurPod(const Json& pod, const std::string& deployment) {
  const Json* owner = Controller(pod);
  const std::string hash8 = MetadataAt(pod, "labels", api::kRevisionLabel);
  const std::string phase = TextAt(pod, "/status/phase");
  return owner != nullptr && TextAt(*owner, "/kind") == "ReplicaSet" && phase != "Failed" &&
         phase != "Succeeded" &&
         TextAt(*owner, "/name").starts_with(api::RevisionName(deployment, hash8) + "-");
}

Warning ReadWarning(const Json& event) {
  // An aggregated event's last occurrence is in its series, that of older writers in the deprecated
  // fields.
  const auto at = [&] {
    for (const char* field :
         {"/series/lastObservedTime", "/deprecatedLastTimestamp", "/eventTime"}) {
      if (const auto time = TimeAt(event, field)) return *time;
    }
    return TimeAt(event, "/metadata/creationTimestamp").value_or(absl::InfinitePast());
  };
  return {TextAt(event, "/regarding/uid"), TextAt(event, "/reason"), TextAt(event, "/note"), at()};
}

}  // namespace

Observed Read(const Cluster& cluster) {
  Observed out;
  out.dsd = cluster.dsd;
  out.pod_monitors_served = cluster.pod_monitors_served;
  out.refusal_reason = cluster.refusal_reason;
  out.refusal_message = cluster.refusal_message;
  const std::string name = TextAt(*cluster.dsd, "/metadata/name");
  for (const Object& object : cluster.children) {
    Child child = ReadChild(object, *cluster.dsd);
    const bool ours = child.ownership == Ownership::kOurs;
    if (ours && child.kind == "ControllerRevision") {
      Revision revision = ReadRevision(child, name);
      // Without its template a revision cannot be restored: whoever made it, it is in the way.
      if (!IsObject(revision.pod_template) || !IsObject(revision.resolved)) {
        child.ownership = Ownership::kForeign;
      } else {
        out.revisions.push_back(std::move(revision));
      }
    } else if (ours && child.kind == "Deployment") {
      out.workloads.push_back(ReadWorkload(child, name));
    }
    out.children.push_back(std::move(child));
  }
  std::sort(out.revisions.begin(), out.revisions.end(), [](const Revision& a, const Revision& b) {
    return a.number != b.number ? a.number > b.number : a.child.name < b.child.name;
  });
  std::sort(out.workloads.begin(), out.workloads.end(),
            [](const Workload& a, const Workload& b) { return a.child.name < b.child.name; });
  for (const Object& pod : cluster.pods) {
    if (!IsOurPod(*pod, name)) continue;
    out.pods.push_back(ReadPod(*pod));
    const auto answer = cluster.agents.find(out.pods.back().uid);
    if (answer != cluster.agents.end()) out.pods.back().agent = ReadAgentReport(*answer->second);
  }
  out.agents_asked = cluster.agents_asked;
  std::sort(out.pods.begin(), out.pods.end(),
            [](const Pod& a, const Pod& b) { return a.name < b.name; });
  for (const Object& event : cluster.events) out.warnings.push_back(ReadWarning(*event));
  std::stable_sort(out.warnings.begin(), out.warnings.end(),
                   [](const Warning& a, const Warning& b) { return a.at > b.at; });
  return out;
}

}  // namespace deepseek::decide
