#include "tests/operator/reconcile/harness.h"

#include <gtest/gtest.h>

#include "base/strings.h"
#include "operator/api/names.h"
#include "operator/decide/json_read.h"

namespace deepseek::reconcile {

using kube::resources::kDeepSeekDeployment;
using kube::resources::kDeployment;
using kube::resources::kPod;

Json Spec(const Json& more) {
  Json spec = {{"model", {{"source", {{"builtin", "demo-v3"}}}}}, {"replicas", 1}};
  spec.merge_patch(more);
  return spec;
}

Harness::Harness() {
  Upgrade("agent:1", "0.1.0");
}

void Harness::Upgrade(const std::string& image, const std::string& version) {
  reconciler = std::make_unique<Reconciler>(
      client, decide::Defaults{image, "IfNotPresent", version}, [this] { return now; });
}

void Harness::Apply(const std::string& name, const Json& spec) {
  const bool exists = Exists(kDeepSeekDeployment, name);
  Json object = exists ? Get(kDeepSeekDeployment, name)
                       : Json{{"apiVersion", api::kApiVersion},
                              {"kind", api::kKind},
                              {"metadata", {{"name", name}, {"namespace", kNamespace}}}};
  object["spec"] = spec;
  const auto response = server->SendAsController(
      {.method = exists ? "PUT" : "POST",
       .path = exists ? kube::ObjectPath(kDeepSeekDeployment, kNamespace, name)
                      : kube::CollectionPath(kDeepSeekDeployment, kNamespace),
       .headers = {{"Content-Type", "application/json"}},
       .body = object.dump()});
  ASSERT_LT(response.code, 300) << response.body;
}

void Harness::Delete(const std::string& name) {
  server->SendAsController({.method = "DELETE",
                            .path = kube::ObjectPath(kDeepSeekDeployment, kNamespace, name),
                            .headers = {},
                            .body = ""});
}

void Harness::Reconcile(const std::string& name) {
  for (int attempt = 0; attempt < 20; ++attempt) {
    const auto result = reconciler->Reconcile(kNamespace, name);
    if (server->crashed()) return;
    if (absl::IsAborted(result.status())) continue;
    ASSERT_TRUE(result.ok()) << result.status();
    return;
  }
  FAIL() << "twenty lost races in a row";
}

void Harness::Converge(const std::string& name, const std::function<void()>& each) {
  for (int quiet = 0, round = 0; quiet < 3; ++round) {
    ASSERT_LT(round, 500) << "does not converge: " << Deployments();
    now += absl::Seconds(1);
    const auto before = server->Snapshot();
    Reconcile(name);
    if (server->crashed()) return;
    each();
    const bool moved = workloads.Step();
    each();
    quiet = moved || server->Snapshot() != before ? 0 : quiet + 1;
  }
}

Json Harness::Get(const kube::Resource& r, const std::string& name) const {
  const auto object = server->Find(r, kNamespace, name);
  return object == nullptr ? Json() : *object;
}

bool Harness::Exists(const kube::Resource& r, const std::string& name) const {
  return server->Find(r, kNamespace, name) != nullptr;
}

std::string Harness::Condition(const std::string& name, const std::string& type) const {
  const Json dsd = Get(kDeepSeekDeployment, name);
  const Json* condition = decide::FindCondition(dsd, type);
  if (condition == nullptr) return "absent";
  return StrCat(decide::TextAt(*condition, "/status"), " ", decide::TextAt(*condition, "/reason"));
}

std::string Harness::Message(const std::string& name, const std::string& type) const {
  const Json dsd = Get(kDeepSeekDeployment, name);
  const Json* condition = decide::FindCondition(dsd, type);
  return condition == nullptr ? "absent" : decide::TextAt(*condition, "/message");
}

std::string Harness::Deployments() const {
  std::string out;
  for (const auto& object : server->All(kDeployment, kNamespace)) {
    StrAppend(&out, out.empty() ? "" : " ", decide::TextAt(*object, "/metadata/name"), "=",
              decide::IntegerAt(*object, "/spec/replicas"));
  }
  return out;
}

std::vector<std::string> Harness::Pods() const {
  std::vector<std::string> names;
  for (const auto& pod : server->All(kPod, kNamespace))
    names.push_back(decide::TextAt(*pod, "/metadata/name"));
  return names;
}

int Harness::ReadyPods() const {
  int ready = 0;
  for (const auto& pod : server->All(kPod, kNamespace)) {
    const Json* condition = decide::FindCondition(*pod, "Ready");
    ready += condition != nullptr && decide::TextAt(*condition, "/status") == "True" ? 1 : 0;
  }
  return ready;
}

std::string Harness::EndState() const {
  std::string out;
  for (const kube::Resource& r : WatchedChildren()) {
    for (const auto& object : server->All(r, kNamespace)) {
      if (r.kind == "Pod") continue;
      Json copy = {{"kind", (*object)["kind"]},
                   {"name", (*object)["metadata"]["name"]},
                   {"labels", (*object)["metadata"].value("labels", Json())}};
      for (const char* part : {"spec", "data", "revision"})
        copy[part] = object->value(part, Json());
      const Json annotations = object->at("metadata").value("annotations", Json::object());
      for (const auto& [key, value] : annotations.items()) {
        const bool time = key == api::kStartedAtAnnotation || key == api::kStableSinceAnnotation ||
                          key == api::kRetriedAtAnnotation || key == api::kAppliedHashAnnotation;
        copy["annotations"][key] = time ? Json("set") : value;
      }
      StrAppend(&out, copy.dump(), "\n");
    }
  }
  for (const auto& dsd : server->All(kDeepSeekDeployment, kNamespace)) {
    Json status = dsd->value("status", Json::object());
    if (status.contains("rollout")) status["rollout"].erase("startedAt");
    if (status.contains("conditions")) {
      for (Json& condition : status["conditions"]) condition.erase("lastTransitionTime");
    }
    StrAppend(&out, status.dump(), "\n");
  }
  return out;
}

int Harness::Writes() const {
  return static_cast<int>(server->Calls().size());
}

std::vector<std::string> Harness::EventReasons() const {
  std::vector<std::string> out;
  for (const auto& event : server->All(kube::resources::kEvent, kNamespace)) {
    out.push_back(decide::TextAt(*event, "/reason"));
  }
  return out;
}

}  // namespace deepseek::reconcile
