#include "operator/decide/resolve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json_full.h"
#include "tests/operator/decide/world.h"

namespace deepseek::decide {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const Defaults kDefaults{"agent:1", "IfNotPresent", "0.1.0"};

TEST(ResolveTest, DefaultsFillWhatIsAbsent) {
  const Resolved resolved = Resolve({}, "demo", kDefaults);
  EXPECT_EQ(resolved.image, "agent:1");
  EXPECT_EQ(resolved.image_pull_policy, "IfNotPresent");
  EXPECT_EQ(resolved.served_name, "demo");
  EXPECT_EQ(resolved.device, "auto");
  EXPECT_EQ(resolved.compute, "auto");
  EXPECT_EQ(resolved.max_batch, 32);
  EXPECT_EQ(resolved.max_batch_delay, absl::ZeroDuration());
  EXPECT_EQ(resolved.drain_delay, absl::Seconds(5));
  EXPECT_EQ(resolved.drain_timeout, absl::Seconds(60));
  EXPECT_EQ(resolved.startup_deadline, absl::Minutes(30));
  EXPECT_EQ(resolved.log_level, "info");
}

TEST(ResolveTest, WhatIsSaidCounts) {
  api::PodIntent intent;
  intent.image = "mine";
  intent.image_pull_policy = "Never";
  intent.served_name = "m";
  intent.device = "CPU";
  intent.compute = "FP32";
  intent.max_batch = 2;
  intent.drain_delay = absl::Seconds(1);
  const Resolved resolved = Resolve(intent, "demo", kDefaults);
  EXPECT_EQ(resolved.image, "mine");
  EXPECT_EQ(resolved.image_pull_policy, "Never");
  EXPECT_EQ(resolved.served_name, "m");
  EXPECT_EQ(resolved.device, "cpu");
  EXPECT_EQ(resolved.compute, "fp32");
  EXPECT_EQ(resolved.max_batch, 2);
  EXPECT_EQ(resolved.drain_delay, absl::Seconds(1));
}

TEST(ResolveTest, IsStoredInFull) {
  api::PodIntent intent;
  intent.image = "mine";
  intent.image_pull_policy = "Never";
  intent.served_name = "m";
  intent.device = "CPU";
  intent.compute = "FP32";
  intent.log_level = "debug";
  intent.max_batch = 2;
  intent.max_batch_delay = absl::Milliseconds(3);
  intent.drain_delay = absl::Seconds(1);
  intent.drain_timeout = absl::Minutes(2);
  intent.startup_deadline = absl::Hours(1);
  EXPECT_EQ(Resolve(intent, "demo", kDefaults).ToJson(), Json::parse(R"({
      "image": "mine", "imagePullPolicy": "Never", "servedName": "m", "device": "cpu",
      "compute": "fp32", "logLevel": "debug", "maxBatch": 2, "maxBatchDelay": "3ms",
      "drainDelay": "1s", "drainTimeout": "2m", "startupDeadline": "1h",
      "operatorVersion": "0.1.0", "templateVersion": 3})"));
}

TEST(ResolveTest, GpusAreOfCudaOnly) {
  api::PodIntent intent;
  intent.device = "CUDA";
  EXPECT_EQ(Resolve(intent, "demo", kDefaults).ToJson()["gpusPerReplica"], 1);
  intent.gpus_per_replica = 8;
  EXPECT_EQ(Resolve(intent, "demo", kDefaults).ToJson()["gpusPerReplica"], 8);
  intent.device = "CPU";
  EXPECT_FALSE(Resolve(intent, "demo", kDefaults).ToJson().contains("gpusPerReplica"));
}

TEST(ResolveTest, TheOverlaysImageOfTheAgentOutranks) {
  const auto image = [](const char* overlay) {
    api::PodIntent intent;
    intent.image = "of-the-engine";
    intent.overlay = std::make_shared<const Json>(Json::parse(overlay));
    return Resolve(intent, "demo", kDefaults).image;
  };
  EXPECT_EQ(image(R"({"spec":{"containers":[{"name":"side","image":"s"},
                                            {"name":"agent","image":"a"}]}})"),
            "a");
  EXPECT_EQ(image(R"({"spec":{"containers":[{"name":"agent"}]}})"), "of-the-engine");
  EXPECT_EQ(image(R"({"spec":{"containers":{"name":"agent","image":"a"}}})"), "of-the-engine");
  EXPECT_EQ(image("null"), "of-the-engine");
}

TEST(ResolveTest, AnUpgradeIsWhatWouldChangePods) {
  const Json then = Resolve({}, "demo", kDefaults).ToJson();
  EXPECT_FALSE(UpgradeAvailable(then, Resolve({}, "demo", kDefaults)));
  EXPECT_FALSE(UpgradeAvailable(then, Resolve({}, "demo", {"agent:1", "IfNotPresent", "9.9.9"})));
  EXPECT_TRUE(UpgradeAvailable(then, Resolve({}, "demo", {"agent:2", "IfNotPresent", "0.1.0"})));
  Json older = then;
  older["templateVersion"] = 0;
  EXPECT_TRUE(UpgradeAvailable(older, Resolve({}, "demo", kDefaults)));
  EXPECT_TRUE(UpgradeAvailable(Json(), Resolve({}, "demo", kDefaults)));
}

TEST(ResolveTest, AnImageOfTheUsersIsNoUpgrade) {
  World w;
  w.Edit({{"engine", {{"image", "mine:1"}}}});
  ASSERT_TRUE(w.Settle());
  w.defaults = {"agent:2", "IfNotPresent", "0.2.0"};
  ASSERT_TRUE(w.Settle());
  EXPECT_EQ(w.Condition("UpgradeAvailable"), "False/UpToDate");
}

TEST(ResolveTest, AnOperatorUpgradeTouchesNoPodUntilTheSpecDoes) {
  World w;
  w.Edit({{"replicas", 2}});
  ASSERT_TRUE(w.Settle());
  const auto pods = [&] {
    std::string out;
    for (const WorldPod& pod : w.pods) out += pod.name + " " + pod.image + ";";
    return out;
  };
  const std::string before = pods();
  w.defaults = {"agent:2", "Always", "0.2.0"};
  ASSERT_TRUE(w.Settle());
  EXPECT_EQ(pods(), before);
  EXPECT_EQ(w.Condition("UpgradeAvailable"), "True/NewerDefaults");
  EXPECT_EQ(w.Condition("Ready"), "True/AllReplicasReady");
  EXPECT_THAT(w.Message("UpgradeAvailable"), HasSubstr("agent:2"));
  w.Edit({{"replicas", 2}, {"engine", {{"maxBatch", 3}}}});
  ASSERT_TRUE(w.Settle());
  EXPECT_THAT(pods(), Not(HasSubstr("agent:1")));
  EXPECT_EQ(w.Condition("UpgradeAvailable"), "False/UpToDate");
  // The way back is to what was tried and stored, image included.
  w.Edit({{"replicas", 2}});
  ASSERT_TRUE(w.Settle());
  EXPECT_THAT(pods(), Not(HasSubstr("agent:2")));
}

TEST(ResolveTest, Sha256) {
  EXPECT_EQ(Sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace deepseek::decide
