// Revisions, Deployments and what surrounds them: which template, which version a write rests on,
// names, labels and owners.

#include "operator/render/workload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "operator/api/names.h"
#include "operator/render/metadata.h"
#include "operator/render/revision_config.h"
#include "tests/operator/render/render_world.h"

namespace deepseek::render {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> Written(const decide::Plan& plan) {
  std::vector<std::string> out;
  for (const Rendered& rendered : Render(plan)) {
    out.push_back(StrCat((*rendered.object)["kind"].get<std::string>(), " ",
                         (*rendered.object)["metadata"]["name"].get<std::string>(), "@",
                         rendered.resource_version));
  }
  return out;
}

// A plan of two revisions: the second is made by it, the first is stored.
decide::Plan Two() {
  decide::Plan plan = PlanOf(Minimal());
  decide::WorkloadPlan old = plan.workloads.at(0);
  old.name = "demo-0ld00000";
  old.hash8 = "0ld00000";
  old.role = "candidate";
  old.replicas = 2;
  old.resource_version = "17";
  old.revision = std::make_shared<const Json>(
      Json::parse(R"({"data":{"template":{"spec":{"marker":"stored"}}}})"));
  plan.workloads.insert(plan.workloads.begin(), old);
  return plan;
}

TEST(MetadataTest, NamesLabelsAndOwner) {
  const decide::Plan plan = PlanOf(Minimal());
  EXPECT_EQ(Skeleton(*plan.dsd, "v1", "Thing", "name"), Json::parse(R"({
      "apiVersion": "v1", "kind": "Thing",
      "metadata": {"name": "name", "namespace": "models",
        "labels": {"app.kubernetes.io/name": "deepseek-agent", "app.kubernetes.io/instance": "demo",
                   "app.kubernetes.io/component": "agent",
                   "app.kubernetes.io/managed-by": "deepseek-operator",
                   "serving.deepseek-operator.io/deployment": "demo"},
        "ownerReferences": [{"apiVersion": "serving.deepseek-operator.io/v1alpha1",
          "kind": "DeepSeekDeployment", "name": "demo", "uid": "u", "blockOwnerDeletion": true,
          "controller": true}]}})"));
  const Json labels =
      Skeleton(*plan.dsd, "v1", "Thing", "n", "cafe0000", "stable")["metadata"]["labels"];
  EXPECT_EQ(labels["serving.deepseek-operator.io/revision"], "cafe0000");
  EXPECT_EQ(labels["serving.deepseek-operator.io/role"], "stable");
}

TEST(RevisionTest, ANewOneHoldsWishesResolutionAndTemplate) {
  const decide::Plan plan = PlanOf(Minimal());
  const Json object = ControllerRevision(*plan.dsd, *plan.revision);
  EXPECT_EQ(object["apiVersion"], "apps/v1");
  EXPECT_EQ(object["revision"], 1);
  EXPECT_EQ(object["data"]["intent"], Minimal());
  EXPECT_EQ(object["data"]["resolved"], plan.revision->resolved.ToJson());
  EXPECT_EQ(object["data"]["template"], *plan.revision->pod_template);
  EXPECT_EQ(object["data"].size(), 3u);
  const Json& annotations = object["metadata"]["annotations"];
  EXPECT_EQ(annotations.size(), plan.revision->state.size());
  for (const auto& [key, value] : plan.revision->state) EXPECT_EQ(annotations[key], value);
  EXPECT_EQ(object["metadata"]["labels"][api::kRevisionLabel], plan.revision->hash8);
}

TEST(RevisionTest, AStoredOnesDataIsNeverWrittenAnew) {
  decide::Plan plan = PlanOf(Minimal());
  plan.revision->stored = std::make_shared<const Json>(
      Json::parse(R"({"metadata":{"resourceVersion":"5"},"data":{"from":"an older operator",
                      "template":{"spec":{"marker":"older"}}}})"));
  plan.revision->number = 9;
  const std::string name = plan.revision->name;
  const Json object = Find(plan, "ControllerRevision", name);
  EXPECT_EQ(object["data"], plan.revision->stored->at("data"));
  EXPECT_EQ(object["revision"], 9);
  EXPECT_THAT(Written(plan), ::testing::Contains(StrCat("ControllerRevision ", name, "@5")));
  EXPECT_EQ(Find(plan, "Deployment", name)["spec"]["template"]["spec"]["marker"], "older");
}

TEST(RevisionTest, UnchangedItIsNotWritten) {
  decide::Plan plan = Two();
  plan.workloads.pop_back();
  plan.revision.reset();
  EXPECT_THAT(Written(plan), ElementsAre("ServiceAccount demo-agent@", "NetworkPolicy demo@",
                                         "Deployment demo-0ld00000@17", "Service demo-0ld00000@",
                                         "Service demo@", "PodDisruptionBudget demo@"));
}

TEST(DeploymentTest, IsOneRevisionForLife) {
  decide::Plan plan = PlanOf(Minimal());
  plan.workloads[0].replicas = 4;
  plan.workloads[0].progress_deadline = absl::Seconds(2100);
  const Json pod_template = {{"verbatim", true}};
  const Json object = Deployment(*plan.dsd, plan.workloads[0], pod_template);
  EXPECT_EQ(
      object["spec"],
      Json({{"replicas", 4},
            {"revisionHistoryLimit", 0},
            {"progressDeadlineSeconds", 2100},
            {"selector",
             {{"matchLabels",
               {{api::kDeploymentLabel, "demo"}, {api::kRevisionLabel, plan.workloads[0].hash8}}}}},
            {"strategy",
             {{"type", "RollingUpdate"},
              {"rollingUpdate", {{"maxSurge", 1}, {"maxUnavailable", 0}}}}},
            {"template", pod_template}}));
  EXPECT_EQ(object["metadata"]["labels"][api::kRoleLabel], "stable");
  plan.workloads[0].progress_deadline = absl::InfiniteDuration();
  EXPECT_EQ(
      Deployment(*plan.dsd, plan.workloads[0], pod_template)["spec"]["progressDeadlineSeconds"],
      2147483647)
      << "the most that the API server takes";
}

TEST(DeploymentTest, EachHasTheTemplateOfItsRevision) {
  decide::Plan plan = Two();
  const std::string next = plan.workloads[1].name;
  EXPECT_EQ(Find(plan, "Deployment", "demo-0ld00000")["spec"]["template"]["spec"]["marker"],
            "stored");
  EXPECT_EQ(Find(plan, "Deployment", next)["spec"]["template"], *plan.revision->pod_template);
  plan.workloads[0].revision = nullptr;
  plan.workloads[0].orphan = std::make_shared<const Json>(
      Json::parse(R"({"spec":{"template":{"spec":{"marker":"live"}}}})"));
  EXPECT_EQ(Find(plan, "Deployment", "demo-0ld00000")["spec"]["template"]["spec"]["marker"], "live")
      << "its revision is gone: what runs goes on running";
}

TEST(RenderPlanTest, PodsBeforeWhatPointsAtThem) {
  decide::Plan plan = Two();
  plan.workloads[0].model_digest = "sha256:aa";
  const std::string next = plan.workloads[1].name;
  EXPECT_THAT(Written(plan),
              ElementsAre("ServiceAccount demo-agent@", "NetworkPolicy demo@",
                          StrCat("ControllerRevision ", next, "@"), "ConfigMap demo-0ld00000@",
                          "Deployment demo-0ld00000@17", StrCat("Deployment ", next, "@"),
                          "Service demo-0ld00000@", StrCat("Service ", next, "@"), "Service demo@",
                          "PodDisruptionBudget demo@"));
  EXPECT_EQ(Find(plan, "Service", "demo-0ld00000")["metadata"]["labels"][api::kRoleLabel],
            "candidate");
}

TEST(RenderPlanTest, WhatIsLeftOutIsLeftOutByKindAndName) {
  decide::Plan plan = Two();
  plan.left_out = {{"Service", "demo"}, {"PodDisruptionBudget", "other"}};
  const std::vector<std::string> written = Written(plan);
  EXPECT_THAT(written, ::testing::Not(::testing::Contains("Service demo@")));
  EXPECT_THAT(written, ::testing::Contains("PodDisruptionBudget demo@"));
  EXPECT_THAT(written, ::testing::Contains("Service demo-0ld00000@"));
}

TEST(RenderPlanTest, TheStampIsThatOfTheWholeObject) {
  const auto stamp = [](const decide::Plan& plan) {
    return Find(plan, "ServiceAccount",
                "demo-agent")["metadata"]["annotations"][api::kAppliedHashAnnotation];
  };
  decide::Plan plan = PlanOf(Minimal());
  const Json before = stamp(plan);
  EXPECT_EQ(stamp(plan), before);
  plan.dsd->uid = "another";
  EXPECT_NE(stamp(plan), before) << "whoever owns it is part of it";
}

TEST(RevisionConfigTest, HoldsTheDigestForGood) {
  decide::Plan plan = Two();
  plan.workloads[0].model_digest = "sha256:aa";
  Json object = RevisionConfig(*plan.dsd, plan.workloads[0]);
  EXPECT_EQ(object["apiVersion"], "v1");
  EXPECT_EQ(object["kind"], "ConfigMap");
  EXPECT_EQ(object["data"], Json({{"model-digest", "sha256:aa"}}));
  EXPECT_EQ(object["immutable"], true);
  EXPECT_EQ(object["metadata"]["labels"][api::kRevisionLabel], "0ld00000");
  EXPECT_FALSE(object["metadata"]["labels"].contains(api::kRoleLabel)) << "roles change";
}

TEST(RenderTrialTest, IsTheDeploymentWithoutPods) {
  Json spec = Minimal();
  spec["workload"]["template"]["spec"]["dnsPolicy"] = "Default";
  const decide::Plan plan = PlanOf(spec);
  const Json trial = *RenderTrial(plan);
  EXPECT_EQ(trial["metadata"]["name"], plan.revision->name);
  EXPECT_EQ(trial["metadata"]["labels"][api::kRevisionLabel], plan.revision->hash8);
  EXPECT_EQ(trial["spec"]["progressDeadlineSeconds"], 35 * 60);
  EXPECT_EQ(trial["spec"]["template"], *plan.revision->pod_template);
  EXPECT_FALSE(trial["metadata"].contains("annotations")) << "it is never applied";
  decide::Plan unchanged = plan;
  unchanged.trial.reset();
  EXPECT_EQ(RenderTrial(unchanged), nullptr);
}

}  // namespace
}  // namespace deepseek::render
