#include "tests/operator/reconcile/harness.h"

#include <gtest/gtest.h>
#include <utility>

#include "base/strings.h"
#include "operator/api/names.h"
#include "operator/decide/json_read.h"
#include "operator/reconcile/observe.h"

namespace deepseek::reconcile {

using kube::resources::kDeepSeekDeployment;
using kube::resources::kDeployment;
using kube::resources::kPod;

Json Spec(const Json& more) {
  Json spec = {{"model", {{"source", {{"builtin", "demo-v3"}}}}}, {"replicas", 1}};
  spec.merge_patch(more);
  return spec;
}

OperatorProcess::OperatorProcess(std::shared_ptr<kube::Transport> transport,
                                 const decide::Defaults& defaults, std::function<absl::Time()> now,
                                 Hooks hooks)
    : client(std::move(transport)),
      caches(client, Sources(), {}, now),
      reconciler(client, caches, defaults, now, std::move(hooks)),
      controller(
          caches, {},
          [this](std::string_view ns, std::string_view name) {
            return reconciler.Reconcile(ns, name);
          },
          now, [] { return 0.0; }) {}

void OperatorProcess::Pump() {
  // What fails is tried again in the next round.
  for (const auto& informer : caches.informers()) (void)informer->Pump();
}

void OperatorProcess::Work() {
  if (!caches.Synced()) return;
  for (int i = 0; controller.ProcessOne(); ++i) ASSERT_LT(i, 200) << "a busy loop";
}

Harness::Harness() {
  server->set_clock([this] { return now; });
  transport_ = std::make_shared<kube::ThrottledTransport>(
      server, kube::ThrottleOptions{.requests_per_second = 1e6, .burst = 1e6},
      kube::ThrottleWorld{.monotonic = [this] { return now; },
                          .wall = [this] { return now; },
                          .sleep = [this](absl::Duration d) { now += d; }});
  Upgrade("agent:1", "0.1.0");
}

void Harness::Upgrade(const std::string& image, const std::string& version) {
  defaults_ = {image, "IfNotPresent", version};
  Restart();
}

void Harness::Restart() {
  process = std::make_unique<OperatorProcess>(transport_, defaults_, [this] { return now; });
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
  process->Pump();
  for (int attempt = 0; attempt < 20; ++attempt) {
    const auto result = process->reconciler.Reconcile(kNamespace, name);
    if (absl::IsAborted(result.status()) || absl::IsAlreadyExists(result.status())) continue;
    ASSERT_TRUE(result.ok()) << result.status();
    return;
  }
  FAIL() << "twenty lost races in a row";
}

bool Harness::Round(const std::function<void()>& each) {
  if (before_round) before_round();
  const auto before = server->Snapshot();
  process->Pump();
  process->Work();
  if (server->crashed()) {
    server->Restart();
    Restart();
    return true;
  }
  each();
  const bool moved = workloads.Step();
  each();
  return moved || !(server->Snapshot() == before);
}

void Harness::Converge(const std::string& name, const std::function<void()>& each) {
  for (int quiet = 0, round = 0; quiet < 3; ++round) {
    ASSERT_LT(round, 500) << name << " does not converge: " << Deployments();
    now += absl::Seconds(1);
    quiet = Round(each) ? 0 : quiet + 1;
  }
}

bool Harness::Until(const std::function<bool()>& condition, const std::function<void()>& each) {
  // Longer and longer silences: backoffs, looks at what is under way, the resync.
  static const absl::Duration kSilences[] = {
      absl::Milliseconds(100), absl::Milliseconds(100), absl::Milliseconds(100), absl::Seconds(6),
      absl::Seconds(6),        absl::Seconds(70),       absl::Minutes(6),        absl::Hours(12),
      absl::Milliseconds(100), absl::Milliseconds(100)};
  size_t quiet = 0;
  for (int round = 0; round < 3000; ++round) {
    if (condition()) return true;
    if (quiet == std::size(kSilences)) return false;
    now += kSilences[quiet];
    quiet = Round(each) ? 0 : quiet + 1;
  }
  ADD_FAILURE() << "does not converge: " << Deployments();
  return false;
}

void Harness::Settle(const std::function<void()>& each) {
  Until([] { return false; }, each);
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
  for (const kube::Source& source : Sources()) {
    const kube::Resource& r = source.resource;
    if (r.kind == api::kKind) continue;
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
