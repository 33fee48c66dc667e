#include "operator/decide/model_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json_full.h"
#include "base/strings.h"
#include "engine/schedule/cost_model.h"
#include "operator/decide/pod_template.h"
#include "tests/operator/decide/world.h"

namespace deepseek::decide {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int64_t kGiB = int64_t{1} << 30;

absl::StatusOr<api::DeepSeekDeployment> Deployment(const Json& more) {
  Json spec = {{"model",
                {{"preset", "deepseek-v2-lite"},
                 {"source", {{"persistentVolumeClaim", {{"claimName", "w"}}}}}}}};
  spec.merge_patch(more);
  return api::Parse({{"metadata", {{"name", "demo"}}}, {"spec", spec}});
}

absl::StatusOr<Json> Template(const Json& more) {
  const auto dsd = Deployment(more);
  EXPECT_TRUE(dsd.ok()) << dsd.status();
  const Defaults defaults = {"agent:1", "IfNotPresent", "0.1.0"};
  return PodTemplate("demo", "cafe0000", dsd->intent, Resolve(dsd->intent, "demo", defaults));
}

ModelPlan PlanOf(const Json& more, int64_t cpus = 1) {
  const auto plan = PlanModel(Deployment(more)->intent, cpus);
  EXPECT_TRUE(plan.ok()) << plan.status();
  return **plan;
}

Json Resources(const Json& more) {
  const auto made = Template(more);
  EXPECT_TRUE(made.ok()) << made.status();
  return (*made)["spec"]["containers"][0]["resources"];
}

std::string Refusal(const Json& more) {
  return std::string(Template(more).status().message());
}

TEST(ModelPlan, IsThatOfTheEngine) {
  // 15.7 billion parameters in bf16, and 576 numbers of 2 bytes in 27 layers for each token.
  const ModelPlan plan = PlanOf({{"engine", {{"maxContextTokens", 4096}}}});
  EXPECT_NEAR(static_cast<double>(plan.memory.packed_bytes()), 31.4e9, 0.3e9);
  EXPECT_EQ(plan.memory.kv_bytes_per_token, 576 * 2 * 27);
  EXPECT_EQ(plan.least_bytes, plan.memory.fixed_bytes() + 4096 * plan.memory.kv_bytes_per_token);
  EXPECT_EQ(plan.step.rows, 2048) << "half of the context";
  const ModelPlan int4 = PlanOf({{"engine", {{"maxContextTokens", 4096}, {"weights", "INT4"}}}});
  EXPECT_NEAR(static_cast<double>(int4.memory.packed_bytes()), 8.6e9, 0.2e9);
  const ModelPlan cache =
      PlanOf({{"engine", {{"maxContextTokens", 4096}, {"kvCacheMemory", "2Gi"}}}});
  EXPECT_GT(cache.least_bytes, plan.least_bytes + kGiB);
  EXPECT_GT(PlanOf({{"engine", {{"maxContextTokens", 4096}}}}, 8).least_bytes, plan.least_bytes);
}

TEST(ModelPlan, TheStepHasRoomForABatchAndPromptRows) {
  const ModelPlan plan = PlanOf({{"engine", {{"maxContextTokens", 1024}, {"maxBatch", 4000}}}});
  EXPECT_EQ(plan.step.rows, 4000 + engine::kLeastPromptRows);
  EXPECT_EQ(plan.step.logit_rows, 4000);
}

TEST(ModelPlan, WithoutAPresetThereIsNone) {
  const auto dsd = Deployment({{"model", {{"preset", nullptr}}}});
  const auto plan = PlanModel(dsd->intent, 1);
  ASSERT_TRUE(plan.ok());
  EXPECT_FALSE(plan->has_value());
  EXPECT_EQ(Resources({{"model", {{"preset", nullptr}}}}),
            Json::parse(R"({"requests":{"cpu":"100m","memory":"256Mi"}})"));
}

TEST(ModelPlan, OfGpusThereIsNone) {
  EXPECT_EQ(Resources({{"engine", {{"device", "CUDA"}}}}),
            Json::parse(R"({"requests":{"cpu":"100m","memory":"256Mi"},
                            "limits":{"nvidia.com/gpu":"1"}})"))
      << "the plan is of the CPU's memory";
}

TEST(ModelPlan, IsTheRequestWhereTheUserSaysNothingOfMemory) {
  const Json engine = {{"weights", "INT4"}, {"maxContextTokens", 8192}};
  const ModelPlan plan = PlanOf({{"engine", engine}});
  const std::string asked = StrCat((plan.least_bytes + (1 << 20) - 1) >> 20, "Mi");
  EXPECT_EQ(Resources({{"engine", engine}}),
            Json({{"requests", {{"cpu", "100m"}, {"memory", asked}}}}));
  const auto with = [&](const Json& resources) {
    return Resources({{"engine", engine}, {"workload", {{"resources", resources}}}});
  };
  // Of 4 CPUs, each with its scratch.
  const Json cpus = with({{"limits", {{"cpu", "3500m"}}}});
  EXPECT_EQ(cpus["requests"]["memory"],
            StrCat((PlanOf({{"engine", engine}}, 4).least_bytes + (1 << 20) - 1) >> 20, "Mi"));
  EXPECT_EQ(with({{"requests", {{"memory", "1Gi"}}}})["requests"]["memory"], "1073741824");
  EXPECT_FALSE(with({{"limits", {{"memory", "20Gi"}}}}).contains("requests"))
      << "the limit is the request";
}

TEST(ModelPlan, ALimitBelowItIsRefusedWithTheNumbers) {
  const Json small = {{"workload", {{"resources", {{"limits", {{"memory", "16Gi"}}}}}}}};
  EXPECT_THAT(Refusal(small),
              AllOf(HasSubstr("spec.workload.resources.limits.memory: 16.00 GiB is too little for "
                              "deepseek-v2-lite (15.7"),
                    HasSubstr("KV cache of one sequence of 163840 tokens"),
                    HasSubstr("raise it, or"), HasSubstr("engine.weights: INT4")));
  Json fits = small;
  fits["engine"] = {{"weights", "INT4"}, {"maxContextTokens", 8192}};
  EXPECT_EQ(Refusal(fits), "");
  // By the overlay, too.
  const Json overlay = {
      {"workload",
       {{"template",
         {{"spec",
           {{"containers",
             {{{"name", "agent"}, {"resources", {{"limits", {{"memory", "1Gi"}}}}}}}}}}}}}}};
  EXPECT_THAT(Refusal(overlay), HasSubstr("1.00 GiB is too little"));
}

TEST(ModelPlan, WhatTheModelCannotFollowIsRefusedByField) {
  EXPECT_THAT(Refusal({{"engine", {{"maxContextTokens", 200000}}}}),
              HasSubstr("spec.engine.maxContextTokens: 200000 is above the 163840 positions"));
  EXPECT_THAT(Refusal({{"engine", {{"kvCacheMemory", "1Gi"}}}}),
              AllOf(HasSubstr("spec.engine.kvCacheMemory: 1073741824 bytes hold less than one"),
                    HasSubstr("lower engine.maxContextTokens")));
}

TEST(ModelPlan, APresetMustBeThatOfABuiltinSource) {
  const Json builtin = {
      {"model", {{"source", {{"persistentVolumeClaim", nullptr}, {"builtin", "demo-v3"}}}}}};
  EXPECT_THAT(std::string(Deployment(builtin).status().message()), HasSubstr("leave it out"));
  Json same = builtin;
  same["model"]["preset"] = "demo-v3";
  EXPECT_TRUE(Deployment(same).ok());
}

TEST(ModelPlan, CpusAreTheLimitElseTheRequestRoundedUp) {
  EXPECT_EQ(CpusOf(Json()), 1);
  EXPECT_EQ(CpusOf({{"requests", {{"cpu", "1500m"}}}}), 2);
  EXPECT_EQ(CpusOf({{"requests", {{"cpu", "100m"}}}, {"limits", {{"cpu", 8}}}}), 8);
}

// An agent that has read the weights knows better.
TEST(ModelPlan, WeightsOfAnotherShapeAreNamed) {
  World w;
  w.answer = [](const WorldPod&) {
    return Json{
        {"state", "serving"},
        {"loaded_bytes", 10},
        {"total_bytes", 10},
        {"model", {{"family", "deepseek_v3"}, {"parameters", 671026419200}, {"digest", "d"}}}};
  };
  w.Edit({{"model", {{"preset", "demo-v3"}}}});
  ASSERT_TRUE(w.Settle());
  w.Reconcile();
  EXPECT_EQ(w.Condition("ModelReady"), "True/ModelLoaded");
  EXPECT_THAT(w.Message("ModelReady"),
              AllOf(HasSubstr("the weights have 671 billion parameters"),
                    HasSubstr("model.preset demo-v3 0.003452: "), HasSubstr("another model")));
  w.Edit({{"engine", {{"maxBatch", 2}}}});
  ASSERT_TRUE(w.Settle());
  EXPECT_THAT(w.Message("ModelReady"), Not(HasSubstr("preset")));
}

}  // namespace
}  // namespace deepseek::decide
