// Rollouts that go wrong, each until a person has put it right.

#include <gtest/gtest.h>

#include "base/strings.h"
#include "tests/operator/decide/transcript.h"

namespace deepseek::decide {
namespace {

// Three replicas that serve.
class TranscriptFailureTest : public ::testing::Test {
 protected:
  TranscriptFailureTest() {
    t_.Edit("apply, 3 replicas", Three());
    t_.Run();
  }
  void Fate(Fate fate) { t_.world.fates[t_.world.last_hash8] = fate; }
  Transcript t_;
};

TEST_F(TranscriptFailureTest, AnImageThatIsNotThere) {
  t_.Edit("another image, misspelt", Three({{"engine", {{"image", "agent:l"}}}}));
  Fate(Fate::kImagePull);
  t_.Run();
  t_.Edit("spelt right", Three({{"engine", {{"image", "agent:2"}}}}));
  t_.Run();
  t_.Expect("image_pull");
}

TEST_F(TranscriptFailureTest, ACrashLoop) {
  t_.Edit("a change that makes the agent crash", Batch(8));
  Fate(Fate::kLoading);
  const std::string hash8 = t_.world.last_hash8;
  t_.world.shape = [hash8](const WorldPod& pod, Json* object) {
    if (pod.hash8 != hash8) return;
    (*object)["status"]["containerStatuses"][0] =
        Json::parse(R"({"name":"agent","restartCount":4,"state":{"waiting":{"reason":
            "CrashLoopBackOff"}},"lastState":{"terminated":{"exitCode":139,"reason":"Error"}}})");
  };
  t_.Run();
  t_.Edit("revert", Three());
  t_.Run();
  t_.Expect("crash_loop");
}

TEST_F(TranscriptFailureTest, NoRoomOnAnyNode) {
  t_.world.shape = [](const WorldPod& pod, Json* object) {
    if (pod.ready) return;
    (*object)["status"].erase("containerStatuses");
    (*object)["status"]["conditions"].push_back(
        {{"type", "PodScheduled"},
         {"status", "False"},
         {"message", "0/3 nodes are available: 3 Insufficient cpu."}});
  };
  Fate(Fate::kPending);
  t_.Edit("5 replicas, for which there is no room", Three({{"replicas", 5}}));
  t_.Run();
  t_.Edit("3 replicas again", Three());
  t_.Run();
  t_.Expect("no_room");
}

TEST_F(TranscriptFailureTest, AQuota) {
  t_.world.replica_failure = "pods \"x\" is forbidden: exceeded quota: pods, requested: pods=1";
  t_.Edit("a change; the quota holds the 3 pods that serve and no more", Batch(8));
  t_.Run();
  t_.Edit("maxSurge 0, maxUnavailable 1: no pod beyond the three is needed",
          Batch(8, {{"rollout", {{"maxSurge", 0}, {"maxUnavailable", 1}}}}));
  t_.Run(5);
  t_.Say("the quota is raised");
  t_.world.replica_failure = "";
  t_.Run();
  t_.Expect("quota");
}

TEST_F(TranscriptFailureTest, ARetry) {
  t_.Edit("a change whose model is broken", Batch(8));
  Fate(Fate::kInvalid);
  t_.Run();
  t_.Edit("the model is mended; retryToken, so that no back-off is waited for",
          Batch(8, {{"rollout", {{"retryToken", "mended"}}}}));
  t_.Run(2);
  t_.world.fates.clear();
  t_.Run();
  t_.Expect("retry");
}

TEST_F(TranscriptFailureTest, RecreateOfABadModel) {
  t_.Edit("a change with strategy Recreate, whose model is broken",
          Batch(8, {{"rollout", {{"strategy", "Recreate"}}}}));
  Fate(Fate::kInvalid);
  t_.Run();
  t_.Edit("revert, Recreate as well", Three({{"rollout", {{"strategy", "Recreate"}}}}));
  t_.Run();
  t_.Expect("recreate_bad_model");
}

TEST_F(TranscriptFailureTest, OtherWeightsAtTheSamePath) {
  std::string found = "sha256:old";
  t_.world.answer = [&found](const WorldPod& pod) -> Json {
    if (!pod.ready) return {{"state", "loading"}};
    return {{"state", "serving"}, {"model", {{"digest", found}}}};
  };
  t_.Say("agents are asked what they serve");
  t_.Run();
  t_.Say("somebody overwrites the weights; a pod that is replaced finds them");
  found = "sha256:new";
  t_.world.pods.erase(t_.world.pods.begin());
  Fate(Fate::kInvalid);
  t_.Run();
  t_.Edit("a change: a revision of its own for the new weights", Batch(8));
  t_.Run();
  t_.Expect("other_weights");
}

TEST_F(TranscriptFailureTest, SomebodyElsesService) {
  t_.Say("the Service is deleted and made by somebody else");
  t_.world.children["Service demo"] = {{"kind", "Service"},
                                       {"metadata", {{"name", "demo"}, {"uid", "theirs"}}}};
  t_.Run();
  t_.Edit("a change goes on all the same", Batch(8));
  t_.Run();
  t_.Say("theirs is gone");
  t_.world.children.erase("Service demo");
  t_.Run();
  t_.Expect("conflict");
}

TEST_F(TranscriptFailureTest, AnOverlayBelowTheFloor) {
  const Json host = {{"spec", {{"hostNetwork", true}}}}, dns = {{"spec", {{"dnsPolicy", "None"}}}};
  t_.Edit("an overlay that asks for the host's network",
          Three({{"workload", {{"template", host}}}}));
  t_.Run();
  t_.Edit("5 replicas: nothing is done while the spec is refused",
          Three({{"replicas", 5}, {"workload", {{"template", host}}}}));
  t_.Run(5);
  t_.Edit("an overlay that may be", Three({{"replicas", 5}, {"workload", {{"template", dns}}}}));
  t_.Run();
  t_.Expect("overlay");
}

TEST_F(TranscriptFailureTest, APodIsLostWhileItServes) {
  t_.Say("a node is lost; its pod takes a while to load elsewhere");
  t_.world.pods.erase(t_.world.pods.begin());
  Fate(Fate::kLoading);
  t_.Run(10);
  t_.Say("loaded");
  t_.world.fates.clear();
  t_.Run();
  t_.Expect("lost_pod");
}

}  // namespace
}  // namespace deepseek::decide
