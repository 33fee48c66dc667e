// Objects: create, apply, patch, preconditions, subresources, ownership.
#include "base/status.h"
#include "operator/kube/api_error.h"
#include "operator/kube/object_cache.h"
#include "tests/operator/kube/conformance_fixture.h"

namespace deepseek::kube {
namespace {

using resources::kConfigMap;
using resources::kControllerRevision;
using resources::kDeployment;
using resources::kService;

TEST_F(Conformance, CreateGetAndTheErrorsOfNames) {
  const auto created = client_->Create(kConfigMap, ns_, ConfigMap("a", {{"k", "v"}}), "me");
  ASSERT_TRUE(created.ok()) << created.status();
  EXPECT_EQ(At(*created, "/kind"), "ConfigMap");
  EXPECT_EQ(At(*created, "/metadata/managedFields"), "(none)");
  EXPECT_EQ(At(*client_->Get(kConfigMap, ns_, "a"), "/data/k"), "v");

  const auto again = client_->Create(kConfigMap, ns_, ConfigMap("a"), "me");
  EXPECT_EQ(again.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_NE(again.status().message().find("\"a\" already exists"), absl::string_view::npos);
  EXPECT_TRUE(absl::IsNotFound(client_->Get(kConfigMap, ns_, "b").status()));
  EXPECT_TRUE(absl::IsNotFound(client_->Delete(kConfigMap, ns_, "b")));
  EXPECT_TRUE(absl::IsInvalidArgument(
      client_->Create(kConfigMap, ns_, ConfigMap("Not A Name"), "me").status()));
}

TEST_F(Conformance, ApplyMergesAndRemovesWhatIsNoLongerApplied) {
  MustApply(kConfigMap, ConfigMap("a", {{"x", "1"}, {"y", "1"}}));
  MustApply(kConfigMap, ConfigMap("a", {{"z", "1"}}), {.field_manager = "other"});
  const Object merged = MustApply(kConfigMap, ConfigMap("a", {{"x", "2"}}));
  EXPECT_EQ((*merged)["data"], Json({{"x", "2"}, {"z", "1"}}));
}

TEST_F(Conformance, ApplyOfTheSameChangesNothing) {
  const Object first = MustApply(kDeployment, Deployment("d", {Container("agent", "a:1")}));
  const Object second = MustApply(kDeployment, Deployment("d", {Container("agent", "a:1")}));
  EXPECT_EQ(At(first, "/metadata/generation"), At(second, "/metadata/generation"));
}

TEST_F(Conformance, ApplyMergesListsByTheirKeys) {
  MustApply(kDeployment, Deployment("d", {Container("agent", "a:1"), Container("side", "s:1")}));
  Json sidecar = Deployment("d", Json::array({{{"name", "side"}, {"imagePullPolicy", "Never"}}}));
  sidecar["spec"].erase("selector");
  sidecar["spec"]["template"].erase("metadata");
  MustApply(kDeployment, sidecar, {.field_manager = "other"});
  // We drop `side`, the other manager still speaks of it: it stays, with what the other owns and
  // without our image... which makes it invalid. So the image is taken over first.
  sidecar["spec"]["template"]["spec"]["containers"][0]["image"] = "s:1";
  MustApply(kDeployment, sidecar, {.field_manager = "other"});
  const Object merged = MustApply(kDeployment, Deployment("d", {Container("agent", "a:2")}));
  EXPECT_EQ(At(merged, "/spec/template/spec/containers/0/image"), "a:2");
  EXPECT_EQ(At(merged, "/spec/template/spec/containers/1/name"), "side");
  EXPECT_EQ(At(merged, "/spec/template/spec/containers/1/image"), "s:1");
  EXPECT_EQ(At(merged, "/spec/template/spec/containers/1/ports"), "(none)");
}

TEST_F(Conformance, ItemsOfAListComeInTheOrderInWhichTheyAreApplied) {
  const auto ports = [](const std::vector<std::pair<const char*, int>>& of) {
    Json out = Json::array();
    for (const auto& [name, port] : of) {
      out.push_back({{"name", name}, {"port", port}, {"protocol", "TCP"}});
    }
    return Json{{"apiVersion", "v1"},
                {"kind", "Service"},
                {"metadata", {{"name", "s"}}},
                {"spec", {{"ports", out}}}};
  };
  const auto names = [](const Object& service) {
    std::string out;
    for (const Json& port : (*service)["spec"]["ports"]) out += port["name"].get<std::string>();
    return out;
  };
  MustApply(kService, ports({{"a", 1}, {"x", 2}, {"b", 3}}));
  MustApply(kService, ports({{"x", 2}}), {.field_manager = "other"});
  EXPECT_EQ(names(MustApply(kService, ports({{"b", 3}, {"a", 1}}))), "xba");
  EXPECT_EQ(names(MustApply(kService, ports({{"n", 4}, {"a", 1}, {"b", 3}}))), "xnab");
  EXPECT_EQ(names(MustApply(kService, ports({{"b", 3}}))), "xb");
}

TEST_F(Conformance, ApplyAfterCreateByTheSameManagerRemovesFields) {
  ASSERT_TRUE(
      client_
          ->Create(kConfigMap, ns_, ConfigMap("a", {{"x", "1"}, {"y", "1"}}), "deepseek-operator")
          .ok());
  MustApply(kConfigMap, ConfigMap("a", {{"x", "1"}, {"y", "1"}}));
  const Object applied = MustApply(kConfigMap, ConfigMap("a", {{"x", "1"}}));
  EXPECT_EQ((*applied)["data"], Json({{"x", "1"}}));
}

TEST_F(Conformance, ApplyConflictsUnlessForced) {
  MustApply(kConfigMap, ConfigMap("a", {{"x", "1"}}), {.field_manager = "other"});
  const auto refused = Apply(kConfigMap, ConfigMap("a", {{"x", "2"}}),
                             {.field_manager = "deepseek-operator", .force = false});
  EXPECT_TRUE(absl::IsAborted(refused.status())) << refused.status();
  EXPECT_NE(refused.status().message().find(".data.x"), absl::string_view::npos);
  EXPECT_NE(refused.status().message().find("\"other\""), absl::string_view::npos);
  EXPECT_EQ(At(MustApply(kConfigMap, ConfigMap("a", {{"x", "2"}})), "/data/x"), "2");
  EXPECT_EQ(FieldConflicts(refused.status()), ".data.x of other");
  // The other one lost the field, so leaving it out does not remove it.
  const Object kept = MustApply(kConfigMap, ConfigMap("a"), {.field_manager = "other"});
  EXPECT_EQ(At(kept, "/data/x"), "2");
}

TEST_F(Conformance, AFieldOfTwoManagersStaysUntilBothDropIt) {
  MustApply(kConfigMap, ConfigMap("a", {{"x", "1"}}));
  // The same value is no conflict: both own it.
  ASSERT_TRUE(
      Apply(kConfigMap, ConfigMap("a", {{"x", "1"}}), {.field_manager = "other", .force = false})
          .ok());
  EXPECT_EQ(At(MustApply(kConfigMap, ConfigMap("a")), "/data/x"), "1");
  EXPECT_EQ(At(MustApply(kConfigMap, ConfigMap("a"), {.field_manager = "other"}), "/data/x"),
            "(none)");
}

TEST_F(Conformance, WhatAnotherClientChangedConflictsToo) {
  MustApply(kDeployment, Deployment("d", {Container("agent", "a:1")}));
  const Json scale{{"spec", {{"minReadySeconds", 7}}}};
  ASSERT_TRUE(client_->MergePatch(kDeployment, ns_, "d", scale, "kubectl-edit").ok());
  Json ours = Deployment("d", {Container("agent", "a:1")});
  ours["spec"]["minReadySeconds"] = 1;
  const auto refused =
      Apply(kDeployment, ours, {.field_manager = "deepseek-operator", .force = false});
  EXPECT_EQ(FieldConflicts(refused.status()), ".spec.minReadySeconds of kubectl-edit");
  EXPECT_EQ(At(MustApply(kDeployment, ours), "/spec/minReadySeconds"), "1");
  // Taken over, it goes when we drop it.
  EXPECT_EQ(At(MustApply(kDeployment, Deployment("d", {Container("agent", "a:1")})),
               "/spec/minReadySeconds"),
            "(none)");
}

TEST_F(Conformance, ApplyWithTheVersionThatIsThereIsAccepted) {
  const Object first = MustApply(kConfigMap, ConfigMap("a", {{"x", "1"}}));
  Json next = ConfigMap("a", {{"x", "2"}});
  next["metadata"]["resourceVersion"] = At(first, "/metadata/resourceVersion");
  next["metadata"]["uid"] = At(first, "/metadata/uid");
  const Object second = MustApply(kConfigMap, next);
  EXPECT_EQ(At(second, "/data/x"), "2");
  // Versions are numbers that grow.
  EXPECT_GT(VersionOf(*second), VersionOf(*first));
  // One that is not there any more is not made anew.
  ASSERT_TRUE(client_->Delete(kConfigMap, ns_, "a").ok());
  EXPECT_FALSE(Apply(kConfigMap, next).ok());
  EXPECT_TRUE(absl::IsNotFound(client_->Get(kConfigMap, ns_, "a").status()));
}

TEST_F(Conformance, DeleteTellsWhatStaysForAWhile) {
  Json held = ConfigMap("held");
  held["metadata"]["finalizers"] = Json::array({"example.com/hold"});
  MustApply(kConfigMap, held);
  MustApply(kConfigMap, ConfigMap("a"));
  Object deleting;
  ASSERT_TRUE(client_->Delete(kConfigMap, ns_, "held", "", "", &deleting).ok());
  ASSERT_NE(deleting, nullptr);
  EXPECT_NE(At(deleting, "/metadata/deletionTimestamp"), "(none)");
  ASSERT_TRUE(client_->Delete(kConfigMap, ns_, "a", "", "", &deleting).ok());
  EXPECT_EQ(deleting, nullptr);
  ASSERT_TRUE(
      client_->MergePatch(kConfigMap, ns_, "held", {{"metadata", {{"finalizers", nullptr}}}}, "me")
          .ok());
  EXPECT_TRUE(absl::IsNotFound(client_->Get(kConfigMap, ns_, "held").status()));
}

TEST_F(Conformance, StatusIsWrittenOnItsOwn) {
  MustApply(kDeployment, Deployment("d", {Container("agent", "a:1")}));
  Json both = Deployment("d", {Container("agent", "a:1")});
  both["status"] = {{"collisionCount", 3}};
  EXPECT_EQ(At(MustApply(kDeployment, both), "/status/collisionCount"), "(none)");
  Json status{{"apiVersion", "apps/v1"},
              {"kind", "Deployment"},
              {"metadata", {{"name", "d"}}},
              {"spec", {{"minReadySeconds", 9}}},
              {"status", {{"collisionCount", 3}}}};
  const auto written = client_->Apply(kDeployment, ns_, "d", status, kOurs, "status");
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_EQ(At(*written, "/status/collisionCount"), "3");
  EXPECT_EQ(At(*written, "/spec/minReadySeconds"), "(none)");
  EXPECT_EQ(At(*written, "/metadata/generation"), "1");
}

TEST_F(Conformance, DryRunWritesNothing) {
  const auto dry = Apply(kConfigMap, ConfigMap("a", {{"x", "1"}}),
                         {.field_manager = "deepseek-operator", .dry_run = true});
  ASSERT_TRUE(dry.ok()) << dry.status();
  EXPECT_EQ(At(*dry, "/data/x"), "1");
  EXPECT_TRUE(absl::IsNotFound(client_->Get(kConfigMap, ns_, "a").status()));
}

TEST_F(Conformance, ResourceVersionsAndUidsArePreconditions) {
  const Object first = MustApply(kConfigMap, ConfigMap("a", {{"x", "1"}}));
  const std::string old = At(first, "/metadata/resourceVersion");
  MustApply(kConfigMap, ConfigMap("a", {{"x", "2"}}));

  Json stale = *first;
  stale["data"]["x"] = "3";
  EXPECT_TRUE(absl::IsAborted(client_->Update(kConfigMap, ns_, "a", stale, "me").status()));
  const Json patch{{"metadata", {{"resourceVersion", old}}}, {"data", {{"x", "4"}}}};
  EXPECT_TRUE(absl::IsAborted(client_->MergePatch(kConfigMap, ns_, "a", patch, "me").status()));
  Json applied = ConfigMap("a", {{"x", "5"}});
  applied["metadata"]["resourceVersion"] = old;
  EXPECT_TRUE(absl::IsAborted(Apply(kConfigMap, applied).status()));
  applied["metadata"].erase("resourceVersion");
  applied["metadata"]["uid"] = "00000000-dead-4000-8000-000000000000";
  EXPECT_TRUE(absl::IsAborted(Apply(kConfigMap, applied).status()));
  EXPECT_TRUE(absl::IsAborted(
      client_->Delete(kConfigMap, ns_, "a", "00000000-dead-4000-8000-000000000000")));
  EXPECT_TRUE(absl::IsAborted(client_->Delete(kConfigMap, ns_, "a", "", old)));
  EXPECT_EQ(At(*client_->Get(kConfigMap, ns_, "a"), "/data/x"), "2");
  EXPECT_TRUE(client_->Delete(kConfigMap, ns_, "a", At(first, "/metadata/uid")).ok());
  EXPECT_TRUE(absl::IsNotFound(client_->Get(kConfigMap, ns_, "a").status()));
}

TEST_F(Conformance, ApplyWithAUidDoesNotCreate) {
  Json object = ConfigMap("a", {{"x", "1"}});
  object["metadata"]["uid"] = "00000000-dead-4000-8000-000000000000";
  EXPECT_TRUE(absl::IsAborted(Apply(kConfigMap, object).status()));
  EXPECT_TRUE(absl::IsNotFound(client_->Get(kConfigMap, ns_, "a").status()));
}

TEST_F(Conformance, MergePatchSetsAndRemoves) {
  MustApply(kConfigMap, ConfigMap("a", {{"x", "1"}, {"y", "1"}}));
  const auto patched =
      client_->MergePatch(kConfigMap, ns_, "a", {{"data", {{"x", nullptr}, {"z", "1"}}}}, "me");
  ASSERT_TRUE(patched.ok()) << patched.status();
  EXPECT_EQ((**patched)["data"], Json({{"y", "1"}, {"z", "1"}}));
}

TEST_F(Conformance, GenerationCountsSpecChangesOnly) {
  Json object = Deployment("d", {Container("agent", "a:1")});
  EXPECT_EQ(At(MustApply(kDeployment, object), "/metadata/generation"), "1");
  object["metadata"]["labels"]["more"] = "yes";
  EXPECT_EQ(At(MustApply(kDeployment, object), "/metadata/generation"), "1");
  object["spec"]["minReadySeconds"] = 1;
  EXPECT_EQ(At(MustApply(kDeployment, object), "/metadata/generation"), "2");
}

TEST_F(Conformance, ScaleSubresourceSetsReplicas) {
  MustApply(kDeployment, Deployment("d", {Container("agent", "a:1")}));
  const auto scaled =
      client_->MergePatch(kDeployment, ns_, "d", {{"spec", {{"replicas", 0}}}}, "me", "scale");
  ASSERT_TRUE(scaled.ok()) << scaled.status();
  EXPECT_EQ(At(*scaled, "/kind"), "Scale");
  EXPECT_EQ(At(*scaled, "/spec/replicas"), "(none)");  // zero is left out
  EXPECT_EQ(At(*client_->Get(kDeployment, ns_, "d"), "/spec/replicas"), "0");
}

TEST_F(Conformance, SelectorsAndRevisionsAreImmutable) {
  MustApply(kDeployment, Deployment("d", {Container("agent", "a:1")}));
  Json other = Deployment("d", {Container("agent", "a:1")});
  other["spec"]["selector"]["matchLabels"] = {{"app", "other"}};
  other["spec"]["template"]["metadata"]["labels"] = {{"app", "other"}};
  EXPECT_TRUE(absl::IsInvalidArgument(Apply(kDeployment, other).status()));

  Json revision{{"apiVersion", "apps/v1"},
                {"kind", "ControllerRevision"},
                {"metadata", {{"name", "r"}}},
                {"revision", 1},
                {"data", {{"a", 1}}}};
  MustApply(kControllerRevision, revision);
  revision["revision"] = 2;
  EXPECT_EQ(At(MustApply(kControllerRevision, revision), "/revision"), "2");
  revision["data"]["a"] = 2;
  EXPECT_TRUE(absl::IsInvalidArgument(Apply(kControllerRevision, revision).status()));
}

TEST_F(Conformance, OwnedObjectsGoWithTheirOwner) {
  const Object owner = MustApply(kConfigMap, ConfigMap("owner"));
  const auto owned_by = [&](const std::string& name, const Object& o) {
    Json object = ConfigMap(name);
    object["metadata"]["ownerReferences"] = Json::array({{{"apiVersion", "v1"},
                                                          {"kind", "ConfigMap"},
                                                          {"name", At(o, "/metadata/name")},
                                                          {"uid", At(o, "/metadata/uid")},
                                                          {"controller", true},
                                                          {"blockOwnerDeletion", true}}});
    return object;
  };
  const Object child = MustApply(kConfigMap, owned_by("child", owner));
  MustApply(kConfigMap, owned_by("grandchild", child));
  ASSERT_TRUE(client_->Delete(kConfigMap, ns_, "owner", At(owner, "/metadata/uid")).ok());
  EXPECT_TRUE(Eventually(
      [&] { return absl::IsNotFound(client_->Get(kConfigMap, ns_, "grandchild").status()); }));
}

TEST_F(Conformance, ServicePortsMergeByPortAndProtocol) {
  Json service{
      {"apiVersion", "v1"},
      {"kind", "Service"},
      {"metadata", {{"name", "s"}}},
      {"spec",
       {{"selector", {{"app", "x"}, {"role", "stable"}}},
        {"ports", Json::array({{{"name", "http"}, {"port", 8000}, {"protocol", "TCP"}},
                               {{"name", "grpc"}, {"port", 9000}, {"protocol", "TCP"}}})}}}};
  MustApply(kService, service);
  service["spec"]["selector"] = {{"app", "y"}};  // one value, not merged
  service["spec"]["ports"].erase(0);
  const Object applied = MustApply(kService, service);
  EXPECT_EQ((*applied)["spec"]["selector"], Json({{"app", "y"}}));
  EXPECT_EQ((*applied)["spec"]["ports"].size(), 1u);
  EXPECT_EQ(At(applied, "/spec/ports/0/name"), "grpc");
}

TEST_F(Conformance, EventsCountInSeries) {
  const Json event{
      {"apiVersion", "events.k8s.io/v1"},
      {"kind", "Event"},
      {"metadata", {{"name", "e"}, {"namespace", ns_}}},
      {"eventTime", "2026-01-31T12:00:00.000000Z"},
      {"reportingController", "deepseek-operator"},
      {"reportingInstance", "deepseek-operator"},
      {"action", "Reconcile"},
      {"reason", "Unschedulable"},
      {"type", "Warning"},
      {"note", "no node"},
      {"regarding",
       {{"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"name", "a"}, {"namespace", ns_}}}};
  ASSERT_TRUE(client_->Create(resources::kEvent, ns_, event, "deepseek-operator").ok());
  const Json series{
      {"series", {{"count", 2}, {"lastObservedTime", "2026-01-31T12:00:01.000000Z"}}}};
  const auto counted =
      client_->MergePatch(resources::kEvent, ns_, "e", series, "deepseek-operator");
  ASSERT_TRUE(counted.ok()) << counted.status();
  EXPECT_EQ(At(*counted, "/series/count"), "2");
  const auto warnings = client_->ListAll(
      resources::kEvent, {.ns = ns_, .label_selector = "", .field_selector = "type=Warning"});
  ASSERT_TRUE(warnings.ok()) << warnings.status();
  EXPECT_EQ(warnings->items.size(), 1u);
}

}  // namespace
}  // namespace deepseek::kube
