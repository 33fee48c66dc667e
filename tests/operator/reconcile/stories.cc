#include "tests/operator/reconcile/stories.h"

#include <gtest/gtest.h>

#include "base/strings.h"
#include "operator/api/names.h"
#include "operator/decide/json_read.h"

namespace deepseek::reconcile {
namespace {

using Each = std::function<void()>;
using kube::FakeWorkloads;
using kube::resources::kDeployment;
using kube::resources::kPod;
using kube::resources::kService;

const Json kTwo = {{"replicas", 2}};

Json Edited(int max_batch, const Json& more = kTwo) {
  Json spec = Spec(more);
  spec["engine"]["maxBatch"] = max_batch;
  return spec;
}

std::function<void(Harness*)> Served(const Json& spec) {
  return [spec](Harness* h) { h->Apply("demo", spec); };
}

std::function<void(Harness*, const Each&)> Then(const Json& spec) {
  return [spec](Harness* h, const Each&) { h->Apply("demo", spec); };
}

std::string OnlyDeployment(const Harness& h) {
  const std::string all = h.Deployments();
  return all.substr(0, all.find('='));
}

std::string Hash8(const std::string& name) {
  return name.size() < 8 ? "" : name.substr(name.size() - 8);
}

// Pods of the newest revision fail; those of the one that serves now go on.
void NewPodsFail(Harness* h) {
  h->workloads.set_fate(Hash8(OnlyDeployment(*h)), FakeWorkloads::Fate::kReady);
  h->workloads.set_fate("", FakeWorkloads::Fate::kFails, "error: model.safetensors: cut off");
}

bool HasDeployments(const Harness& h, size_t n) {
  return h.server->All(kDeployment, kNamespace).size() >= n;
}

void Kubectl(Harness* h, const std::string& method, const std::string& path,
             const std::string& body) {
  const auto response =
      h->server->SendAsController({.method = method,
                                   .path = path,
                                   .headers = {{"Content-Type", "application/merge-patch+json"}},
                                   .body = body});
  ASSERT_LT(response.code, 300) << response.body;
}

std::vector<Story> Make() {
  std::vector<Story> out;
  const auto nothing = [](Harness*) {};
  out.push_back({"create", nothing, Then(Spec(kTwo))});
  out.push_back({"image", Served(Spec(kTwo)),
                 Then(Spec({{"replicas", 2}, {"engine", {{"image", "agent:x"}}}})), 2});
  out.push_back({"scale_up", Served(Spec()), Then(Spec({{"replicas", 3}})), 1});
  out.push_back({"scale_down", Served(Spec({{"replicas", 3}})), Then(Spec()), 1});
  out.push_back({"scale_to_zero", Served(Spec(kTwo)), Then(Spec({{"replicas", 0}}))});
  out.push_back({"bad_edit", Served(Spec(kTwo)),
                 [](Harness* h, const Each&) {
                   NewPodsFail(h);
                   h->Apply("demo", Edited(4));
                 },
                 2});
  out.push_back({"bad_edit_mended", Served(Spec(kTwo)),
                 [](Harness* h, const Each& each) {
                   NewPodsFail(h);
                   h->Apply("demo", Edited(4));
                   h->Settle(each);
                   h->workloads.set_fate("", FakeWorkloads::Fate::kReady);
                   h->Apply("demo", Edited(5));
                 },
                 2});
  out.push_back({"bad_edit_reverted", Served(Spec(kTwo)),
                 [](Harness* h, const Each& each) {
                   NewPodsFail(h);
                   h->Apply("demo", Edited(4));
                   h->Settle(each);
                   h->Apply("demo", Spec(kTwo));
                 },
                 2});
  out.push_back({"reverted_under_way", Served(Spec({{"replicas", 3}})),
                 [](Harness* h, const Each& each) {
                   h->Apply("demo", Edited(4, {{"replicas", 3}}));
                   h->Until([h] { return HasDeployments(*h, 2); }, each);
                   h->Apply("demo", Spec({{"replicas", 3}}));
                 },
                 3, 1});
  out.push_back({"reverted_later",
                 [](Harness* h) {
                   h->Apply("demo", Spec(kTwo));
                   h->Settle();
                   h->Apply("demo", Edited(4));
                 },
                 Then(Spec(kTwo)), 2});
  out.push_back({"two_edits", Served(Spec(kTwo)),
                 [](Harness* h, const Each& each) {
                   h->Apply("demo", Edited(4));
                   h->Until([h] { return HasDeployments(*h, 2); }, each);
                   h->Apply("demo", Edited(5));
                 },
                 2, 1});
  out.push_back({"recreate", Served(Spec(kTwo)),
                 Then(Edited(4, {{"replicas", 2}, {"rollout", {{"strategy", "Recreate"}}}}))});
  out.push_back({"paused", Served(Spec(kTwo)),
                 [](Harness* h, const Each& each) {
                   h->Apply("demo", Edited(4, {{"replicas", 2}, {"rollout", {{"paused", true}}}}));
                   h->Settle(each);
                   h->Apply("demo", Edited(4));
                 },
                 2});
  out.push_back({"service", Served(Spec()),
                 Then(Spec({{"traffic", {{"service", {{"type", "NodePort"}}}}}})), 1});
  out.push_back({"retry",
                 [](Harness* h) {
                   h->workloads.set_fate("", FakeWorkloads::Fate::kFails, "error: gone");
                   h->Apply("demo", Spec());
                 },
                 [](Harness* h, const Each&) {
                   // The failed pod stays in its back-off: else it may come back by itself before
                   // the operator looks, and nothing is left to retry.
                   h->workloads.set_fate_of_new("", FakeWorkloads::Fate::kReady);
                   h->Apply("demo", Spec({{"rollout", {{"retryToken", "a"}}}}));
                 }});
  out.push_back({"history",
                 [](Harness* h) {
                   for (int batch = 2; batch < 5; ++batch) {
                     h->Apply("demo", Edited(batch, {{"revisionHistoryLimit", 2}}));
                     h->Settle();
                   }
                 },
                 Then(Edited(5, {{"revisionHistoryLimit", 2}})), 1});
  out.push_back({"edited_by_hand", Served(Spec(kTwo)),
                 [](Harness* h, const Each&) {
                   const std::string name = OnlyDeployment(*h);
                   Kubectl(h, "PATCH", kube::ObjectPath(kDeployment, kNamespace, name),
                           R"({"spec":{"progressDeadlineSeconds":77}})");
                   Kubectl(h, "PATCH", kube::ObjectPath(kService, kNamespace, "demo"),
                           R"({"spec":{"selector":{"app":"mine"}},"metadata":{"labels":null}})");
                   Kubectl(h, "DELETE", kube::ObjectPath(kService, kNamespace, name), "");
                 },
                 2});
  out.push_back({"pod_dies", Served(Spec(kTwo)), [](Harness* h, const Each&) {
                   Kubectl(h, "DELETE", kube::ObjectPath(kPod, kNamespace, h->Pods().front()), "");
                 }});
  out.push_back({"delete", Served(Spec(kTwo)), [](Harness* h, const Each&) { h->Delete("demo"); }});
  out.push_back({"delete_at_birth", nothing,
                 [](Harness* h, const Each& each) {
                   h->Apply("demo", Spec(kTwo));
                   h->Until([h] { return HasDeployments(*h, 1); }, each);
                   h->Delete("demo");
                 },
                 0, 2});
  out.push_back({"delete_and_create", Served(Spec(kTwo)), [](Harness* h, const Each&) {
                   h->Delete("demo");
                   h->Apply("demo", Edited(4));
                 }});
  out.push_back({"two_resources", Served(Spec(kTwo)),
                 [](Harness* h, const Each&) {
                   h->Apply("demo", Edited(4));
                   h->Apply("other", Spec());
                 },
                 2});
  return out;
}

}  // namespace

const std::vector<Story>& Stories() {
  static const auto* const stories = new std::vector<Story>(Make());
  return *stories;
}

Outcome Play(const Story& story, Harness* h, const std::function<void()>& disturb) {
  story.before(h);
  h->Settle();
  disturb();
  const auto each = [&] {
    ASSERT_GE(h->ReadyPods(), story.least_ready) << "too few pods serve: " << h->Deployments();
  };
  story.change(h, each);
  h->Settle(each);
  Outcome outcome{h->EndState(), h->workloads.made(), {}};
  for (const auto& pod : h->server->All(kPod)) {
    outcome.alive.insert(decide::MetadataAt(*pod, "labels", api::kRevisionLabel));
  }
  return outcome;
}

std::string Restarts(const Story& story, const Outcome& outcome, const Outcome& calm) {
  for (const auto& [revision, made] : outcome.made) {
    const auto it = calm.made.find(revision);
    int most = it == calm.made.end() ? 0 : it->second;
    if (!calm.alive.contains(revision)) most = std::max(most, story.most_superseded);
    if (made > most) {
      return StrCat(made, " pods of revision ", revision, " were made instead of ", most);
    }
  }
  return "";
}

}  // namespace deepseek::reconcile
