#include "tests/support/fake_workloads.h"

#include <algorithm>
#include <vector>

#include "base/json_full.h"
#include "base/strings.h"
#include "operator/kube/resource.h"

namespace deepseek::kube {
namespace {

constexpr char kRevisionLabel[] = "serving.deepseek-operator.io/revision";
constexpr char kThen[] = "2023-11-15T00:00:00Z";
// Before the clock of any test.
constexpr char kBefore[] = "2020-01-01T00:00:00Z";

std::string Text(const Json& object, const char* pointer) {
  const Json::json_pointer at(pointer);
  return object.contains(at) && object.at(at).is_string() ? object.at(at).get<std::string>() : "";
}

Json OwnerOf(const Json& owner) {
  return Json::array({{{"apiVersion", owner["apiVersion"]},
                       {"kind", owner["kind"]},
                       {"name", owner["metadata"]["name"]},
                       {"uid", owner["metadata"]["uid"]},
                       {"controller", true},
                       {"blockOwnerDeletion", true}}});
}

bool OwnedBy(const Json& object, const std::string& uid) {
  const Json::json_pointer owners("/metadata/ownerReferences");
  if (!object.contains(owners)) return false;
  for (const Json& owner : object.at(owners)) {
    if (owner.value("uid", "") == uid) return true;
  }
  return false;
}

Json Condition(const char* type, bool is, const char* reason = "",
               const std::string& message = "") {
  Json out{{"type", type},
           {"status", is ? "True" : "False"},
           {"lastTransitionTime", is ? kThen : kBefore}};
  if (*reason != '\0') out["reason"] = reason;
  if (!message.empty()) out["message"] = message;
  return out;
}

bool IsReady(const Json& pod) {
  const Json::json_pointer at("/status/conditions");
  if (!pod.contains(at)) return false;
  for (const Json& condition : pod.at(at)) {
    if (condition.value("type", "") == "Ready") return condition.value("status", "") == "True";
  }
  return false;
}

}  // namespace

void FakeWorkloads::set_fate(std::string_view revision, Fate fate, std::string_view message) {
  fates_[std::string(revision)] = {fate, std::string(message)};
}

void FakeWorkloads::set_fate_of_new(std::string_view revision, Fate fate,
                                    std::string_view message) {
  kept_ = last_;
  set_fate(revision, fate, message);
}

Json FakeWorkloads::Call(std::string_view method, const std::string& path, const Json& body) {
  HttpRequest request{
      .method = std::string(method),
      .path = path + (path.find('?') == std::string::npos ? "?" : "&") +
              "fieldManager=kube-controller-manager",
      .headers = {{"Content-Type",
                   method == "PATCH" ? "application/merge-patch+json" : "application/json"}},
      .body = body.dump()};
  const HttpResponse response = server_->SendAsController(request);
  return Json::parse(response.body, nullptr, /*allow_exceptions=*/false);
}

bool FakeWorkloads::ScalePods(const Json& deployment) {
  const std::string ns = Text(deployment, "/metadata/namespace");
  const std::string set_name = Text(deployment, "/metadata/name") + "-rs";
  StoredObject set = server_->Find(resources::kReplicaSet, ns, set_name);
  if (set != nullptr && !OwnedBy(*set, Text(deployment, "/metadata/uid"))) set = nullptr;
  const Json& pod_template = deployment["spec"]["template"];
  if (set == nullptr) {
    Call("POST", CollectionPath(resources::kReplicaSet, ns),
         {{"apiVersion", "apps/v1"},
          {"kind", "ReplicaSet"},
          {"metadata",
           {{"name", set_name},
            {"namespace", ns},
            {"labels", pod_template["metadata"].value("labels", Json::object())},
            {"ownerReferences", OwnerOf(deployment)}}},
          {"spec", {{"template", pod_template}}}});
    return true;
  }
  std::vector<StoredObject> pods;
  bool changed = false;
  for (const StoredObject& pod : server_->All(resources::kPod, ns)) {
    if (!OwnedBy(*pod, Text(*set, "/metadata/uid"))) continue;
    // A changed template replaces its pods, all at once: rolling is not what is tested here.
    if (Text(*pod, "/metadata/annotations/fake-template") != pod_template.dump()) {
      Call("DELETE", ObjectPath(resources::kPod, ns, Text(*pod, "/metadata/name")), Json::object());
      changed = true;
    } else {
      pods.push_back(pod);
    }
  }
  const auto wanted = static_cast<size_t>(deployment["spec"].value("replicas", 1));
  // Pods that are not ready go first, as the ReplicaSet controller does.
  std::stable_sort(pods.begin(), pods.end(), [](const StoredObject& a, const StoredObject& b) {
    return IsReady(*a) && !IsReady(*b);
  });
  for (; pods.size() > wanted; changed = true) {
    Call("DELETE", ObjectPath(resources::kPod, ns, Text(*pods.back(), "/metadata/name")),
         Json::object());
    pods.pop_back();
  }
  for (size_t i = pods.size(); i < wanted; ++i, changed = true) {
    Json pod{{"apiVersion", "v1"}, {"kind", "Pod"}, {"metadata", Json::object()}};
    if (pod_template.contains("metadata")) pod["metadata"] = pod_template["metadata"];
    pod["metadata"]["name"] = StrCat(set_name, "-", ++pods_);
    pod["metadata"]["namespace"] = ns;
    pod["metadata"]["annotations"]["fake-template"] = pod_template.dump();
    pod["metadata"]["ownerReferences"] = OwnerOf(*set);
    pod["spec"] = pod_template["spec"];
    ++made_[pod.value(Json::json_pointer("/metadata/labels") / std::string(kRevisionLabel), "")];
    Call("POST", CollectionPath(resources::kPod, ns), pod);
  }
  return changed;
}

bool FakeWorkloads::MovePod(const Json& pod) {
  const std::string revision =
      pod.value(Json::json_pointer("/metadata/labels") / std::string(kRevisionLabel), "");
  const auto found = fates_.find(revision);
  const std::string uid = pod.value(Json::json_pointer("/metadata/uid"), "");
  const auto kept = kept_.find(uid);
  const FateOf fate = kept != kept_.end()     ? kept->second
                      : found != fates_.end() ? found->second
                                              : fates_[""];
  last_[uid] = fate;
  const bool scheduled = fate.fate != Fate::kUnschedulable && fate.fate != Fate::kPending;
  const bool ready = fate.fate == Fate::kReady;
  const bool runs = ready || fate.fate == Fate::kNotReady;

  Json status{{"phase", runs || fate.fate == Fate::kFails ? "Running" : "Pending"},
              {"conditions", Json::array()}};
  if (fate.fate != Fate::kPending) {
    status["conditions"].push_back(
        scheduled ? Condition("PodScheduled", true)
                  : Condition("PodScheduled", false, "Unschedulable", fate.message));
  }
  status["conditions"].push_back(Condition("Ready", ready, ready ? "" : "ContainersNotReady"));
  if (scheduled) {
    Json container{{"name", Text(pod, "/spec/containers/0/name")},
                   {"image", Text(pod, "/spec/containers/0/image")},
                   {"ready", ready},
                   {"restartCount", fate.fate == Fate::kFails ? 1 : 0}};
    if (runs) {
      container["state"]["running"]["startedAt"] = kThen;
    } else if (fate.fate == Fate::kImagePull) {
      container["state"]["waiting"] = {{"reason", "ImagePullBackOff"}, {"message", fate.message}};
    } else {
      container["state"]["waiting"] = {{"reason", "CrashLoopBackOff"},
                                       {"message", "back-off restarting failed container"}};
      container["lastState"]["terminated"] = {
          {"exitCode", 2}, {"reason", "Error"}, {"message", fate.message}, {"finishedAt", kThen}};
    }
    status["containerStatuses"] = Json::array({container});
  }
  if (pod.value("status", Json()) == status) return false;
  Json next = pod;
  next["status"] = status;
  Call("PUT",
       ObjectPath(resources::kPod, Text(pod, "/metadata/namespace"), Text(pod, "/metadata/name"),
                  "status"),
       next);
  return true;
}

bool FakeWorkloads::ReportStatus(const Json& deployment) {
  const std::string ns = Text(deployment, "/metadata/namespace");
  const std::string name = Text(deployment, "/metadata/name");
  const StoredObject set = server_->Find(resources::kReplicaSet, ns, name + "-rs");
  int replicas = 0, ready = 0;
  for (const StoredObject& pod : server_->All(resources::kPod, ns)) {
    if (set == nullptr || !OwnedBy(*pod, Text(*set, "/metadata/uid"))) continue;
    ++replicas;
    ready += IsReady(*pod) ? 1 : 0;
  }
  const int wanted = deployment["spec"].value("replicas", 1);
  Json status{{"observedGeneration", deployment["metadata"]["generation"]},
              {"replicas", replicas},
              {"updatedReplicas", replicas},
              {"readyReplicas", ready},
              {"availableReplicas", ready},
              {"unavailableReplicas", std::max(0, wanted - ready)},
              {"conditions", Json::array({Condition("Available", ready >= wanted)})}};
  if (deployment.value("status", Json()) == status) return false;
  Json next = deployment;
  next["status"] = status;
  Call("PUT", ObjectPath(resources::kDeployment, ns, name, "status"), next);
  return true;
}

bool FakeWorkloads::Step() {
  bool changed = false;
  for (const StoredObject& d : server_->All(resources::kDeployment)) changed |= ScalePods(*d);
  for (const StoredObject& pod : server_->All(resources::kPod)) changed |= MovePod(*pod);
  for (const StoredObject& d : server_->All(resources::kDeployment)) changed |= ReportStatus(*d);
  return changed;
}

void FakeWorkloads::Settle() {
  while (Step()) {
  }
}

}  // namespace deepseek::kube
