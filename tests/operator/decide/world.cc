#include "tests/operator/decide/world.h"

#include <algorithm>

#include "base/strings.h"
#include "operator/api/names.h"
#include "operator/decide/agent_report.h"
#include "operator/decide/json_read.h"
#include "operator/render/render.h"

namespace deepseek::decide {
namespace {

std::string Time(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", time, absl::UTCTimeZone());
}

std::string Key(const std::string& kind, const std::string& name) {
  return StrCat(kind, " ", name);
}

}  // namespace

World::World() {
  Edit(Json::object());
}

void World::Edit(const Json& more) {
  spec = {{"model", {{"source", {{"builtin", "demo-v3"}}}}}, {"replicas", 1}};
  spec.merge_patch(more);
  ++generation_;
  ++version_;
  const Cluster cluster = Observe();
  for (const auto& [kind, name] : ChildNames(*cluster.dsd)) {
    if (kind == "Deployment") last_hash8 = name.substr(name.size() - 8);
  }
}

Fate World::FateOf(const std::string& hash8) const {
  const auto found = fates.find(hash8);
  return found == fates.end() ? Fate::kReady : found->second;
}

Json World::PodObject(const WorldPod& pod) const {
  const Fate fate = FateOf(pod.hash8);
  Json container = {{"name", "agent"}, {"restartCount", fate == Fate::kInvalid ? 1 : 0}};
  if (fate == Fate::kInvalid && !pod.ready) {
    container["state"]["waiting"] = {{"reason", "CrashLoopBackOff"}, {"message", "back-off"}};
    container["lastState"]["terminated"] = {
        {"exitCode", 2}, {"message", "error: bad shard: w.safetensors: truncated\n"}};
  } else if (fate == Fate::kImagePull && !pod.ready) {
    container["state"]["waiting"] = {{"reason", "ImagePullBackOff"}, {"message", "no such image"}};
  } else if (fate == Fate::kPending && !pod.ready) {
    container["state"]["waiting"] = {{"reason", "ContainerCreating"}};
  } else {
    container["state"]["running"] = Json::object();
  }
  Json ready = {{"type", "Ready"}, {"status", pod.ready ? "True" : "False"}};
  if (pod.ready) ready["lastTransitionTime"] = Time(pod.ready_since);
  Json object = {{"metadata",
                  {{"name", pod.name},
                   {"uid", pod.name},
                   {"creationTimestamp", Time(pod.created)},
                   {"labels", {{api::kDeploymentLabel, "demo"}, {api::kRevisionLabel, pod.hash8}}},
                   {"ownerReferences", Json::array({{{"kind", "ReplicaSet"},
                                                     {"name", StrCat("demo-", pod.hash8, "-rs")},
                                                     {"controller", true}}})}}},
                 {"status",
                  {{"phase", "Running"},
                   {"podIP", "10.1.2.3"},
                   {"conditions", Json::array({ready})},
                   {"containerStatuses", Json::array({container})}}}};
  if (pod.stopping) object["metadata"]["deletionTimestamp"] = Time(now);
  if (shape) shape(pod, &object);
  return object;
}

Cluster World::Observe() const {
  Cluster cluster;
  Json dsd = {{"apiVersion", api::kApiVersion},
              {"kind", api::kKind},
              {"metadata",
               {{"name", "demo"},
                {"namespace", "ns"},
                {"uid", "dsd-uid"},
                {"generation", generation_},
                {"resourceVersion", StrCat(version_)}}},
              {"spec", spec}};
  if (!status.is_null()) dsd["status"] = status;
  cluster.dsd = std::make_shared<const Json>(std::move(dsd));
  for (const auto& [key, child] : children)
    cluster.children.push_back(std::make_shared<const Json>(child));
  for (const WorldPod& pod : pods)
    cluster.pods.push_back(std::make_shared<const Json>(PodObject(pod)));
  for (const Json& event : events) cluster.events.push_back(std::make_shared<const Json>(event));
  if (answer == nullptr) return cluster;
  cluster.agents_asked = true;
  for (const AgentAddress& agent : AgentsToAsk(Read(cluster))) {
    for (const WorldPod& pod : pods) {
      Json said = pod.name == agent.pod_uid ? answer(pod) : Json();
      if (!said.is_null()) cluster.agents[pod.name] = std::make_shared<const Json>(std::move(said));
    }
  }
  return cluster;
}

void World::Put(const Json& object) {
  Json& place = children[Key(object["kind"], object["metadata"]["name"])];
  Json next = object;
  next["metadata"]["uid"] =
      place.is_null() ? StrCat("uid-", ++uids_) : place["metadata"]["uid"].get<std::string>();
  next["metadata"]["resourceVersion"] = StrCat(++version_);
  if (place.is_object() && place.contains("status")) next["status"] = place["status"];
  next["metadata"]["generation"] =
      1 + (place.is_object() ? IntegerAt(place, "/metadata/generation") : 0);
  place = std::move(next);
}

Plan World::Reconcile() {
  const Plan plan = Decide(Read(Observe()), defaults, now);
  for (const render::Rendered& rendered : render::Render(plan)) {
    const Json& object = *rendered.object;
    const auto at = children.find(Key(object["kind"], object["metadata"]["name"]));
    const std::string hash = MetadataAt(object, "annotations", api::kAppliedHashAnnotation);
    if (at != children.end() &&
        MetadataAt(at->second, "annotations", api::kAppliedHashAnnotation) == hash)
      continue;
    Put(object);
  }
  for (const Deletion& deletion : plan.deletions) {
    children.erase(Key(deletion.kind, deletion.name));
    std::erase_if(pods, [&](const WorldPod& pod) {
      return deletion.kind == "Pod" && pod.name == deletion.name;
    });
  }
  if (plan.status != nullptr) status = *plan.status;
  return plan;
}

void World::Step() {
  std::erase_if(pods, [](const WorldPod& pod) { return pod.stopping; });
  for (auto& [key, object] : children) {
    if (!key.starts_with("Deployment ")) continue;
    object["status"]["observedGeneration"] = object["metadata"]["generation"];
    const std::string hash8 = MetadataAt(object, "labels", api::kRevisionLabel);
    std::vector<WorldPod*> own;
    for (WorldPod& pod : pods) {
      if (pod.hash8 == hash8) own.push_back(&pod);
    }
    const auto want = static_cast<size_t>(object["spec"]["replicas"].get<int>());
    // Unready ones go first.
    std::stable_sort(own.begin(), own.end(),
                     [](const WorldPod* a, const WorldPod* b) { return a->ready && !b->ready; });
    for (; own.size() > want; own.pop_back()) {
      own.back()->stopping = true;
      own.back()->ready = false;
    }
    const std::string image = TextAt(object["spec"]["template"]["spec"]["containers"][0], "/image");
    object["status"].erase("conditions");
    if (!replica_failure.empty() && own.size() < want) {
      object["status"]["conditions"] = Json::array({{{"type", "ReplicaFailure"},
                                                     {"status", "True"},
                                                     {"reason", "FailedCreate"},
                                                     {"message", replica_failure}}});
      continue;
    }
    for (size_t i = own.size(); i < want; ++i) {
      pods.push_back({StrCat("pod-", ++uids_), hash8, image, false, false, now, {}});
    }
  }
  for (WorldPod& pod : pods) {
    if (pod.stopping || pod.ready || pod.created == now || FateOf(pod.hash8) != Fate::kReady)
      continue;
    pod.ready = true;
    pod.ready_since = now;
  }
  // A Deployment that is gone takes its pods with it.
  std::erase_if(pods, [&](const WorldPod& pod) {
    return !children.contains(Key("Deployment", api::RevisionName("demo", pod.hash8)));
  });
}

bool World::Settle(int rounds) {
  for (int i = 0; i < rounds; ++i) {
    const std::string before = Picture() + status.dump();
    const auto children_before = children;
    now += absl::Seconds(1);
    Reconcile();
    Step();
    const bool stopping =
        std::any_of(pods.begin(), pods.end(), [](const WorldPod& pod) { return pod.stopping; });
    if (Picture() + status.dump() == before && children == children_before && !stopping)
      return true;
  }
  return false;
}

std::string World::Condition(const std::string& type) const {
  const Json wrapped = {{"status", status}};
  const Json* condition = FindCondition(wrapped, type);
  if (condition == nullptr) return "absent";
  return StrCat(TextAt(*condition, "/status"), "/", TextAt(*condition, "/reason"));
}

std::string World::Message(const std::string& type) const {
  const Json wrapped = {{"status", status}};
  const Json* condition = FindCondition(wrapped, type);
  return condition == nullptr ? "absent" : TextAt(*condition, "/message");
}

int World::Ready() const {
  return static_cast<int>(
      std::count_if(pods.begin(), pods.end(), [](const WorldPod& pod) { return pod.ready; }));
}

int World::Wanted() const {
  int wanted = 0;
  for (const auto& [key, object] : children) {
    if (key.starts_with("Deployment ")) wanted += object["spec"]["replicas"].get<int>();
  }
  return wanted;
}

std::string World::Picture() const {
  std::string out;
  for (const Revision& revision : Read(Observe()).revisions) {
    const auto at = children.find(Key("Deployment", revision.child.name));
    if (at == children.end()) continue;
    const auto ready = std::count_if(pods.begin(), pods.end(), [&](const WorldPod& pod) {
      return pod.hash8 == revision.hash8 && pod.ready;
    });
    StrAppend(&out, out.empty() ? "" : "  ", "r", revision.number, " ", ready, "/",
              at->second["spec"]["replicas"].get<int>());
  }
  return out.empty() ? "no pods" : out;
}

}  // namespace deepseek::decide
