// What users see when something is wrong: each way in which the cluster says so, as raw objects,
// and all that the conditions make of it; for a first deployment and for a change over a serving
// one.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "operator/decide/json_read.h"
#include "tests/operator/decide/world.h"

namespace deepseek::decide {
namespace {

using ::testing::HasSubstr;

struct Wrong {
  const char* name;
  const char* status;           // merged into the new pods' status; "" none is made
  const char* event;            // about the new pods; "": none
  const char* replica_failure;  // of the Deployment; "": none
  const char* reason;           // of Ready
  const char* words;            // in its message
  bool stalled;                 // needs a person
  const char* model_ready;
};

const Wrong kWrong[] = {
    {"NoSuchImage",
     R"({"containerStatuses":[{"name":"agent","state":{"waiting":{"reason":"ErrImagePull",
         "message":"manifest for agent:9 not found"}}}]})",
     "", "", "ImagePullFailed", "manifest for agent:9 not found", false, "Unknown/NoPods"},
    {"BadImageName",
     R"({"containerStatuses":[{"name":"agent","state":{"waiting":{"reason":"InvalidImageName",
         "message":"couldn't parse image name"}}}]})",
     "", "", "ImagePullFailed", "couldn't parse image name", false, "Unknown/NoPods"},
    {"NoRoom",
     R"({"containerStatuses":null,"conditions":[{"type":"PodScheduled","status":"False",
         "message":"0/3 nodes are available: 3 Insufficient memory."}]})",
     "", "", "Unschedulable", "0/3 nodes are available: 3 Insufficient memory.", false,
     "Unknown/NoPods"},
    {"NoGpu",
     R"({"containerStatuses":null,"conditions":[{"type":"PodScheduled","status":"False",
         "message":"0/3 nodes are available: 3 Insufficient nvidia.com/gpu."}]})",
     "", "", "InsufficientGPU", "nvidia.com/gpu", false, "Unknown/NoPods"},
    {"NoClaim",
     R"({"containerStatuses":null,"conditions":[{"type":"PodScheduled","status":"False",
         "message":"persistentvolumeclaim \"weights\" not found"}]})",
     "", "", "VolumeNotReady", "persistentvolumeclaim \"weights\" not found", false,
     "Unknown/NoPods"},
    {"MountFails",
     R"({"containerStatuses":[{"name":"agent","state":{"waiting":{"reason":"ContainerCreating"}}}]})",
     R"({"reason":"FailedMount","note":"MountVolume.SetUp failed: timed out"})", "",
     "VolumeNotReady", "timed out", false, "Unknown/NoPods"},
    {"MultiAttach",
     R"({"containerStatuses":[{"name":"agent","state":{"waiting":{"reason":"ContainerCreating"}}}]})",
     R"({"reason":"FailedAttachVolume","note":"Multi-Attach error for volume \"pvc-1\""})", "",
     "VolumeNotReady", "Multi-Attach error", false, "Unknown/NoPods"},
    {"NoRuntime",
     R"({"containerStatuses":[{"name":"agent","state":{"waiting":{"reason":"ContainerCreating"}}}]})",
     R"({"reason":"FailedCreatePodSandBox","note":"no runtime for \"nvidia\" is configured"})", "",
     "CrashLooping", "no runtime for", false, "Unknown/NoPods"},
    {"NoSecret",
     R"({"containerStatuses":[{"name":"agent","state":{"waiting":{"reason":"CreateContainerConfigError",
         "message":"secret \"s\" not found"}}}]})",
     "", "", "CrashLooping", "secret \"s\" not found", false, "Unknown/NoPods"},
    {"BadModel",
     R"({"containerStatuses":[{"name":"agent","restartCount":1,"state":{"waiting":{"reason":
         "CrashLoopBackOff"}},"lastState":{"terminated":{"exitCode":2,"message":
         "error: model: /model/a.safetensors: tensor x: ends at byte 9 (truncated?)\n"}}}]})",
     "", "", "ModelInvalid", "/model/a.safetensors: tensor x", true, "False/ModelInvalid"},
    {"NoModel",
     R"({"containerStatuses":[{"name":"agent","restartCount":1,"state":{"waiting":{"reason":
         "CrashLoopBackOff"}},"lastState":{"terminated":{"exitCode":2,"message":
         "error: model: /model/config.json: No such file or directory (check the model folder)\n"}}}]})",
     "", "", "ModelNotFound", "/model/config.json", true, "False/ModelNotFound"},
    {"OutOfMemory",
     R"({"containerStatuses":[{"name":"agent","restartCount":2,"state":{"waiting":{"reason":
         "CrashLoopBackOff"}},"lastState":{"terminated":{"exitCode":137,"reason":"OOMKilled"}}}]})",
     "", "", "CrashLooping", "workload.resources.limits", false, "Unknown/NoPods"},
    {"NoRoomForTheCache",
     R"({"containerStatuses":[{"name":"agent","restartCount":2,"state":{"waiting":{"reason":
         "CrashLoopBackOff"}},"lastState":{"terminated":{"exitCode":3,"message":
         "error: memory: /model: the KV cache does not fit"}}}]})",
     "", "", "CrashLooping", "the KV cache does not fit", false, "Unknown/NoPods"},
    {"StartupDeadline",
     R"({"containerStatuses":[{"name":"agent","restartCount":1,"state":{"running":{}},
         "lastState":{"terminated":{"exitCode":137,"reason":"Error",
         "startedAt":"2026-01-01T00:00:00Z","finishedAt":"2026-01-01T00:30:31Z"}}}]})",
     "", "", "ProgressDeadlineExceeded", "workload.startup.deadline 30m", false,
     "False/ModelLoading"},
    {"SidecarWithoutImage",
     R"({"containerStatuses":[{"name":"agent","ready":true,"state":{"running":{}}},
         {"name":"log","ready":false,"state":{"waiting":{"reason":"ImagePullBackOff","message":"no log:1"}}}]})",
     "", "", "ImagePullFailed", "container log: ImagePullBackOff: no log:1", false,
     "True/ModelLoaded"},
    {"InitContainerFails",
     R"({"initContainerStatuses":[{"name":"fetch","ready":false,"restartCount":2,
         "state":{"waiting":{"reason":"CrashLoopBackOff"}},
         "lastState":{"terminated":{"exitCode":5,"message":"no such bucket"}}}],
         "containerStatuses":[{"name":"agent","ready":false,"state":{"waiting":{"reason":"PodInitializing"}}}]})",
     "", "", "CrashLooping", "container fetch ended with exit code 5: no such bucket", false,
     "Unknown/NoPods"},
    {"Quota", "", "", "pods \"x\" is forbidden: exceeded quota: q, requested: pods=1",
     "QuotaExceeded", "exceeded quota: q", false, "Unknown/NoPods"},
    {"PodSecurity", "", "", "pods \"x\" is forbidden: violates PodSecurity \"restricted:latest\"",
     "PodSecurityRefused", "violates PodSecurity", false, "Unknown/NoPods"},
    {"NoPriorityClass", "", "",
     "pods \"x\" is forbidden: no PriorityClass with name high was found", "PodsRefused",
     "no PriorityClass", false, "Unknown/NoPods"},
};

class OutcomeTest : public ::testing::TestWithParam<Wrong> {
 protected:
  // The pods of the last edit go wrong.
  void GoWrong(World* w) {
    const Wrong& wrong = GetParam();
    w->fates[w->last_hash8] = Fate::kPending;
    w->replica_failure = wrong.replica_failure;
    const std::string hash8 = w->last_hash8;
    w->shape = [&wrong, hash8](const WorldPod& pod, Json* object) {
      if (pod.hash8 != hash8 || *wrong.status == '\0') return;
      const Json status = Json::parse(wrong.status);
      for (const auto& [key, value] : status.items()) {
        if (key == "conditions") {
          for (const Json& condition : value)
            (*object)["status"]["conditions"].push_back(condition);
        } else if (value.is_null()) {
          (*object)["status"].erase(key);
        } else {
          (*object)["status"][key] = value;
        }
      }
    };
    w->Reconcile();
    w->Step();
    if (*wrong.event != '\0') {
      for (const WorldPod& pod : w->pods) {
        Json event = Json::parse(wrong.event);
        event["regarding"] = {{"uid", pod.name}};
        w->events.push_back(event);
      }
    }
    w->now += absl::Seconds(5);
    last_ = w->Reconcile();
  }

  void ExpectTold(const World& w) {
    const Wrong& wrong = GetParam();
    EXPECT_EQ(w.Condition("Ready"), StrCat("False/", wrong.reason));
    EXPECT_THAT(w.Message("Ready"), HasSubstr(wrong.words));
    EXPECT_EQ(w.Condition("Stalled"), wrong.stalled ? StrCat("True/", wrong.reason) : "False/None");
    EXPECT_EQ(w.Condition("Reconciling"),
              wrong.stalled ? "False/None" : StrCat("True/", wrong.reason));
    EXPECT_EQ(w.Condition("ModelReady"), wrong.model_ready);
    EXPECT_LE(last_.requeue_after, absl::Seconds(5)) << "what no watch tells is looked at again";
    bool warned = false;
    for (const EventPlan& event : last_.events)
      warned = warned || (event.warning && event.reason == wrong.reason);
    EXPECT_TRUE(warned);
  }

  Plan last_;
};

TEST_P(OutcomeTest, OfAFirstDeployment) {
  World w;
  GoWrong(&w);
  ExpectTold(w);
  EXPECT_EQ(w.Condition("Available"), "False/MinimumReplicasUnavailable");
  EXPECT_EQ(w.status["rollout"]["phase"], GetParam().stalled ? "Stalled" : "Progressing");
  EXPECT_EQ(w.status["ready"], "0/1");
}

TEST_P(OutcomeTest, OfAChangeOverAServingRevision) {
  World w;
  w.Edit({{"replicas", 2}});
  ASSERT_TRUE(w.Settle());
  const std::string stable = w.status["stableRevision"];
  w.Edit({{"replicas", 2}, {"engine", {{"maxBatch", 3}}}});
  GoWrong(&w);
  ExpectTold(w);
  EXPECT_EQ(w.Condition("Available"), "True/MinimumReplicasAvailable");
  EXPECT_EQ(w.Ready(), 2) << "the old pods serve on";
  EXPECT_EQ(w.status["stableRevision"], stable);
  EXPECT_EQ(w.status["candidateRevision"], StrCat("demo-", w.last_hash8));
}

TEST_P(OutcomeTest, IsOverOnceItIsPutRight) {
  World w;
  GoWrong(&w);
  w.fates.clear();
  w.shape = nullptr;
  w.events.clear();
  w.replica_failure.clear();
  ASSERT_TRUE(w.Settle());
  EXPECT_EQ(w.Condition("Ready"), "True/AllReplicasReady");
  EXPECT_EQ(w.Condition("Stalled"), "False/None");
  EXPECT_EQ(w.Condition("ModelReady"), "True/ModelLoaded");
}

INSTANTIATE_TEST_SUITE_P(Table, OutcomeTest, ::testing::ValuesIn(kWrong),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace deepseek::decide
