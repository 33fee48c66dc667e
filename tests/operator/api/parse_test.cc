#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json_full.h"
#include "operator/api/deepseek_deployment.h"

namespace deepseek::api {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Json Object(const Json& spec, const std::string& name = "demo") {
  return {{"metadata",
           {{"name", name},
            {"namespace", "ns"},
            {"uid", "u"},
            {"generation", 3},
            {"resourceVersion", "9"}}},
          {"spec", spec}};
}

Json Spec(const char* more) {
  Json spec = {{"model", {{"source", {{"builtin", "demo-v3"}}}}}};
  spec.merge_patch(Json::parse(more));
  return spec;
}

TEST(ParseTest, AMinimalSpecHasTheDefaults) {
  const auto dsd = Parse(Object(Spec("{}")));
  ASSERT_TRUE(dsd.ok()) << dsd.status();
  EXPECT_EQ(dsd->name, "demo");
  EXPECT_EQ(dsd->ns, "ns");
  EXPECT_EQ(dsd->generation, 3);
  EXPECT_EQ(dsd->replicas, 1);
  EXPECT_EQ(dsd->rollout.max_surge, 1);
  EXPECT_EQ(dsd->rollout.max_unavailable, 0);
  EXPECT_FALSE(dsd->rollout.paused);
  EXPECT_EQ(dsd->revision_history_limit, 5);
  EXPECT_EQ(dsd->service_type, "ClusterIP");
  EXPECT_EQ(dsd->intent.builtin, "demo-v3");
  EXPECT_FALSE(dsd->intent.image.has_value());
  EXPECT_EQ(dsd->canonical_intent, R"({"model":{"source":{"builtin":"demo-v3"}}})");
}

TEST(ParseTest, EverythingIsRead) {
  const auto dsd = Parse(Object(Json::parse(R"({
    "model": {"name": "m", "source": {"persistentVolumeClaim": {"claimName": "c", "path": "a/b"}}},
    "engine": {"image": "i:1", "imagePullPolicy": "Never", "imagePullSecrets": [{"name": "s"}], "device": "CPU",
               "compute": "BF16", "weights": "INT4", "kvCache": "INT8",
               "maxContextTokens": 4096, "maxBatch": 8, "maxBatchDelay": "3ms",
               "kvCacheMemory": "1Gi"},
    "workload": {"resources": {"limits": {"cpu": 2}}, "nodeSelector": {"a": "b"}, "priorityClassName": "p",
                 "drain": {"delay": "1s", "timeout": "2m"}, "startup": {"deadline": "1h"}},
    "replicas": 4,
    "rollout": {"strategy": "Recreate", "maxSurge": 0, "maxUnavailable": 0, "paused": true,
                "progressDeadline": "5m", "retryToken": "t"},
    "traffic": {"service": {"type": "NodePort", "annotations": {"x": "y"}}, "allowedFrom": []},
    "observability": {"logLevel": "warn", "scrapeFrom": [{"ipBlock": {"cidr": "10.0.0.0/8"}}],
                      "podMonitor": {"labels": {"release": "r"}, "interval": "15s"}},
    "revisionHistoryLimit": 2})")));
  ASSERT_TRUE(dsd.ok()) << dsd.status();
  EXPECT_EQ(dsd->intent.served_name, "m");
  EXPECT_EQ(dsd->intent.claim_name, "c");
  EXPECT_EQ(dsd->intent.path, "a/b");
  EXPECT_EQ(dsd->intent.image, "i:1");
  EXPECT_EQ(dsd->intent.image_pull_secrets, std::vector<std::string>{"s"});
  EXPECT_EQ(dsd->intent.max_context_tokens, 4096);
  EXPECT_EQ(dsd->intent.max_batch_delay, absl::Milliseconds(3));
  EXPECT_EQ(dsd->intent.kv_cache_memory_bytes, int64_t{1} << 30);
  EXPECT_EQ(dsd->intent.drain_timeout, absl::Minutes(2));
  EXPECT_EQ(dsd->intent.startup_deadline, absl::Hours(1));
  EXPECT_EQ(dsd->intent.log_level, "warn");
  EXPECT_EQ(*dsd->intent.pod,
            Json::parse(R"({"resources":{"limits":{"cpu":"2"}},"nodeSelector":{"a":"b"},
                                            "priorityClassName":"p"})"));
  EXPECT_EQ(dsd->rollout.strategy, Strategy::kRecreate);
  EXPECT_TRUE(dsd->rollout.paused);
  EXPECT_EQ(dsd->rollout.progress_deadline, absl::Minutes(5));
  EXPECT_EQ(dsd->rollout.retry_token, "t");
  EXPECT_TRUE(dsd->allowed_from->is_array() && dsd->allowed_from->empty());
  EXPECT_EQ(dsd->scrape_from->size(), 1u);
  EXPECT_EQ(dsd->pod_monitor->labels.at("release"), "r");
  EXPECT_EQ(dsd->pod_monitor->interval, absl::Seconds(15));
}

struct Refusal {
  const char* name;
  const char* spec;   ///< merged over a good one
  const char* words;  ///< in the error
};

class RefusalTest : public ::testing::TestWithParam<Refusal> {};

TEST_P(RefusalTest, NamesTheField) {
  const auto dsd = Parse(Object(Spec(GetParam().spec)));
  ASSERT_FALSE(dsd.ok());
  EXPECT_THAT(std::string(dsd.status().message().data(), dsd.status().message().size()),
              HasSubstr(GetParam().words));
}

INSTANTIATE_TEST_SUITE_P(
    Table, RefusalTest,
    ::testing::Values(
        Refusal{"unknown", R"({"replcas":1})", "spec.replcas: unknown field"},
        Refusal{"unknown_below", R"({"engine":{"x":1}})", "spec.engine.x: unknown field"},
        Refusal{"no_model", R"({"model":null})", "spec.model: required"},
        Refusal{"no_source", R"({"model":{"source":null}})", "spec.model.source: required"},
        Refusal{"empty_source", R"({"model":{"source":{"builtin":null}}})", "exactly one"},
        Refusal{"two_sources",
                R"({"model":{"source":{"persistentVolumeClaim":{"claimName":"c"}}}})",
                "exactly one"},
        Refusal{"other_builtin", R"({"model":{"source":{"builtin":"x"}}})",
                "must be one of demo-v3"},
        Refusal{"replicas_text", R"({"replicas":"2"})", "spec.replicas: must be an integer"},
        Refusal{"replicas_low", R"({"replicas":-1})", "from 0 to 1000"},
        Refusal{"replicas_huge", R"({"replicas":18446744073709551615})", "from 0 to 1000"},
        Refusal{"replicas_float", R"({"replicas":1.5})", "must be an integer"},
        Refusal{"history", R"({"revisionHistoryLimit":1})", "from 2 to"},
        Refusal{"surge_and_unavailable", R"({"rollout":{"maxSurge":0}})", "cannot both be 0"},
        Refusal{"paused_text", R"({"rollout":{"paused":"yes"}})", "must be true or false"},
        Refusal{"device", R"({"engine":{"device":"TPU"}})", "must be one of Auto, CPU, CUDA"},
        Refusal{"gpus_for_nothing", R"({"engine":{"gpusPerReplica":1}})",
                "gpusPerReplica needs device CUDA"},
        Refusal{"gpus_of_a_cpu", R"({"engine":{"device":"CPU","gpusPerReplica":1}})",
                "gpusPerReplica needs device CUDA"},
        Refusal{"no_gpus", R"({"engine":{"device":"CUDA","gpusPerReplica":0}})", "from 1 to 64"},
        Refusal{"integers_of_floats", R"({"engine":{"compute":"INT8"}})",
                "compute INT8 needs weights INT8 or INT4"},
        Refusal{"integers_of_native", R"({"engine":{"compute":"INT8","weights":"Native"}})",
                "compute INT8 needs weights INT8 or INT4"},
        Refusal{"cache_type", R"({"engine":{"kvCache":"INT4"}})", "must be one of BF16, INT8"},
        Refusal{"delay", R"({"engine":{"maxBatchDelay":"fast"}})", "not a duration"},
        Refusal{"memory", R"({"engine":{"kvCacheMemory":"lots"}})", "not a quantity"},
        Refusal{"image", R"({"engine":{"image":"a b"}})", "does not match"},
        Refusal{"resources", R"({"workload":{"resources":{"requests":{"cpu":[]}}}})",
                "not a quantity"},
        Refusal{"list", R"({"workload":{"tolerations":{}}})", "must be a list"},
        Refusal{"map", R"({"workload":{"nodeSelector":[]}})", "must be a map"},
        Refusal{"in_list", R"({"workload":{"tolerations":[{"op":1}]}})",
                "spec.workload.tolerations[0].op: unknown"},
        Refusal{"required_in_list", R"({"engine":{"imagePullSecrets":[{}]}})",
                "imagePullSecrets[0].name: required"},
        Refusal{"peer", R"({"traffic":{"allowedFrom":[{}]}})", "either an ipBlock or selectors"},
        Refusal{
            "peer_both",
            R"({"observability":{"scrapeFrom":[{"podSelector":{},"ipBlock":{"cidr":"1.2.3.4/32"}}]}})",
            "either an ipBlock or selectors"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(ParseTest, PathsStayInTheVolume) {
  for (const char* path : {"/etc", "..", "a/..", "../b", "a/../b"}) {
    const auto dsd = Parse(Object(
        {{"model",
          {{"source", {{"persistentVolumeClaim", {{"claimName", "c"}, {"path", path}}}}}}}}));
    EXPECT_FALSE(dsd.ok()) << path;
  }
  const auto fine = Parse(Object(
      {{"model",
        {{"source", {{"persistentVolumeClaim", {{"claimName", "c"}, {"path", "a..b/c..."}}}}}}}}));
  EXPECT_TRUE(fine.ok()) << fine.status();
}

TEST(ParseTest, Names) {
  for (const std::string& name : {std::string("1a"), std::string("A"), std::string("a-"),
                                  std::string(), std::string("a.b"), std::string(55, 'a')}) {
    EXPECT_FALSE(Parse(Object(Spec("{}"), name)).ok()) << name;
  }
  EXPECT_TRUE(Parse(Object(Spec("{}"), std::string(54, 'a'))).ok());
}

TEST(ParseTest, GarbageIsAnError) {
  for (const char* text :
       {"null", "[]", "3", "{}", R"({"spec":[]})", R"({"metadata":{"name":3},"spec":{}})",
        R"({"metadata":[],"spec":{"model":{"source":{"builtin":"demo-v3"}}}})"}) {
    EXPECT_FALSE(Parse(Json::parse(text)).ok()) << text;
  }
}

std::string Intent(const char* more) {
  return Parse(Object(Spec(more)))->canonical_intent;
}

TEST(IntentTest, WhatTouchesNoPodIsNotPartOfIt) {
  for (const char* more :
       {R"({"replicas":7})", R"({"rollout":{"maxSurge":3}})", R"({"rollout":{"paused":true}})",
        R"({"traffic":{"service":{"type":"NodePort"}}})", R"({"revisionHistoryLimit":9})",
        R"({"observability":{"scrapeFrom":[]}})", R"({"rollout":{"retryToken":"x"}})"}) {
    EXPECT_EQ(Intent(more), Intent("{}")) << more;
  }
}

TEST(ParseTest, LengthsAreOfCharactersAsTheSchemaCountsThem) {
  const auto with_token = [](int characters) {
    std::string token;
    for (int i = 0; i < characters; ++i) token += "深";
    Json spec = Spec("{}");
    spec["rollout"]["retryToken"] = token;
    return Parse(Object(spec)).status();
  };
  EXPECT_EQ(with_token(128), absl::OkStatus());
  EXPECT_THAT(std::string(with_token(129).message()),
              HasSubstr("spec.rollout.retryToken: is longer than 128 characters"));
}

TEST(IntentTest, WhatTouchesPodsIs) {
  for (const char* more :
       {R"({"model":{"name":"x"}})", R"({"engine":{"image":"x"}})", R"({"engine":{"maxBatch":1}})",
        R"({"workload":{"nodeSelector":{"a":"b"}}})", R"({"workload":{"drain":{"delay":"1s"}}})",
        R"({"observability":{"logLevel":"debug"}})"}) {
    EXPECT_NE(Intent(more), Intent("{}")) << more;
  }
}

TEST(IntentTest, SpellingsOfOneWishAreOne) {
  EXPECT_EQ(Intent(R"({"workload":{"resources":{"requests":{"cpu":"1000m","memory":"1024Mi"}}}})"),
            Intent(R"({"workload":{"resources":{"requests":{"memory":"1Gi","cpu":1}}}})"));
  EXPECT_EQ(Intent(R"({"workload":{"drain":{"timeout":"60s"}}})"),
            Intent(R"({"workload":{"drain":{"timeout":"1m"}}})"));
  EXPECT_EQ(Intent(R"({"engine":{"kvCacheMemory":"1Gi"}})"),
            Intent(R"({"engine":{"kvCacheMemory":1073741824}})"));
  EXPECT_EQ(Intent(R"({"engine":{},"workload":{"tolerations":[],"resources":{}}})"), Intent("{}"));
}

TEST(IntentTest, ReadsBack) {
  const auto dsd = Parse(Object(Spec(R"({"engine":{"kvCacheMemory":"1Gi","maxBatchDelay":"1s"},
                                         "workload":{"resources":{"requests":{"cpu":"250m"}}}})")));
  ASSERT_TRUE(dsd.ok());
  const auto intent = ParseIntent(Json::parse(dsd->canonical_intent));
  ASSERT_TRUE(intent.ok()) << intent.status();
  EXPECT_EQ(intent->kv_cache_memory_bytes, int64_t{1} << 30);
  EXPECT_EQ(*intent->pod, *dsd->intent.pod);
  EXPECT_THAT(intent->builtin, Not(""));
}

}  // namespace
}  // namespace deepseek::api
