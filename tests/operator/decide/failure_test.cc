#include "operator/decide/failure.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "operator/decide/reasons.h"

namespace deepseek::decide {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

Pod P(const std::string& name = "p") {
  Pod pod;
  pod.name = name;
  pod.uid = "uid-" + name;
  pod.hash8 = "cafe0000";
  return pod;
}

std::optional<Failure> Of(const Pod& pod, const std::vector<Warning>& warnings = {}) {
  Observed observed;
  observed.pods = {pod};
  observed.warnings = warnings;
  return FindFailure(observed, "cafe0000");
}

TEST(FailureTest, StartingIsNoFailure) {
  EXPECT_FALSE(Of(P()));
  Pod loading = P();
  loading.running = true;
  EXPECT_FALSE(Of(loading));
  Pod creating = P();
  creating.waiting_reason = "ContainerCreating";
  EXPECT_FALSE(Of(creating));
}

TEST(FailureTest, AReadyPodsPastDoesNotCount) {
  Pod pod = P();
  pod.ready = true;
  pod.ended = Ended{2, "Error", "error: x"};
  EXPECT_FALSE(Of(pod));
}

Sidecar Side(const std::string& waiting) {
  Sidecar out;
  out.name = "side";
  out.waiting_reason = waiting;
  out.waiting_message = "the kubelet's words";
  return out;
}

TEST(FailureTest, OtherContainersKeepAPodFromBeingReady) {
  Pod pod = P();
  pod.running = pod.agent_ready = true;
  pod.sidecars = {Side("ImagePullBackOff")};
  EXPECT_EQ(Of(pod)->reason, reason::kImagePullFailed);
  EXPECT_EQ(Of(pod)->message, "pod p: container side: ImagePullBackOff: the kubelet's words");
  pod.sidecars = {Side("CrashLoopBackOff")};
  EXPECT_EQ(Of(pod)->message, "pod p: container side: CrashLoopBackOff: the kubelet's words");
  pod.sidecars[0].ended = Ended{3, "Error", "what it said\n"};
  EXPECT_EQ(Of(pod)->reason, reason::kCrashLooping);
  EXPECT_FALSE(Of(pod)->terminal);
  EXPECT_EQ(Of(pod)->message, "pod p: container side ended with exit code 3: what it said");
  pod.sidecars[0].ended = Ended{137, "OOMKilled", ""};
  EXPECT_THAT(Of(pod)->message, HasSubstr("raise its limit"));
  pod.sidecars = {Side("CreateContainerConfigError")};
  EXPECT_EQ(Of(pod)->reason, reason::kCrashLooping);
}

TEST(FailureTest, OtherContainersThatAreReadyOrStartingAreNoFailure) {
  Pod pod = P();
  pod.waiting_reason = "PodInitializing";
  pod.sidecars = {Side("PodInitializing"), Side("ContainerCreating"), Side("")};
  EXPECT_FALSE(Of(pod));
  pod.sidecars = {Side("CrashLoopBackOff")};
  pod.sidecars[0].ready = true;
  EXPECT_FALSE(Of(pod));
  Sidecar again = Side("");
  again.ended = Ended{1, "Error", ""};
  again.restarts = 2;
  pod.sidecars = {again};
  EXPECT_FALSE(Of(pod));
  pod.sidecars[0].restarts = 3;
  EXPECT_EQ(Of(pod)->reason, reason::kCrashLooping);
}

TEST(FailureTest, TheAgentsOwnFailureComesBeforeThatOfOthers) {
  Pod pod = P();
  pod.ended = Ended{2, "Error", "error: x"};
  pod.sidecars = {Side("ImagePullBackOff")};
  EXPECT_EQ(Of(pod)->reason, reason::kModelInvalid);
}

TEST(FailureTest, AStoppingPodDoesNotCount) {
  Pod pod = P();
  pod.deleting = true;
  pod.waiting_reason = "ImagePullBackOff";
  EXPECT_FALSE(Of(pod));
}

TEST(FailureTest, OtherRevisionsDoNotCount) {
  Pod pod = P();
  pod.hash8 = "beef0000";
  pod.waiting_reason = "ImagePullBackOff";
  EXPECT_FALSE(Of(pod));
}

TEST(FailureTest, ADeviceThatFailsIsToldByTheAgentsLastLineAndTriedAgain) {
  Pod pod = P();
  pod.waiting_reason = "CrashLoopBackOff";
  pod.ended = Ended{4, "Error", "listening\nerror: --device cuda is not served: no backend\n"};
  const auto failure = Of(pod);
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->reason, reason::kDeviceFailed);
  EXPECT_FALSE(failure->terminal) << "a driver may come back";
  EXPECT_EQ(failure->message, "pod p: error: --device cuda is not served: no backend");
  pod.ended->message.clear();
  EXPECT_EQ(Of(pod)->message, "pod p: the agent ended with exit code 4");
}

TEST(FailureTest, AnInvalidModelIsToldByTheAgentsLastLine) {
  Pod pod = P();
  pod.running = true;  // the kubelet tries again: still invalid until it is ready
  pod.ended = Ended{2, "Error",
                    "loading\nerror: model: /model/x: no config.json (check spec.model.source)\n"};
  const auto failure = Of(pod);
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->reason, reason::kModelInvalid);
  EXPECT_TRUE(failure->terminal);
  EXPECT_EQ(failure->message,
            "pod p: error: model: /model/x: no config.json (check spec.model.source)");
}

TEST(FailureTest, AnInvalidModelWithoutWordsStillSaysSomething) {
  Pod pod = P();
  pod.ended = Ended{2, "Error", ""};
  EXPECT_THAT(Of(pod)->message, HasSubstr("exit code 2"));
}

TEST(FailureTest, OneEndIsNoCrashLoopYet) {
  Pod pod = P();
  pod.running = true;
  pod.restarts = 1;
  pod.ended = Ended{137, "Error", ""};
  EXPECT_FALSE(Of(pod));
  pod.restarts = 3;
  EXPECT_EQ(Of(pod)->reason, reason::kCrashLooping);
}

TEST(FailureTest, OutOfMemoryIsSaid) {
  Pod pod = P();
  pod.waiting_reason = "CrashLoopBackOff";
  pod.ended = Ended{137, "OOMKilled", ""};
  const auto failure = Of(pod);
  EXPECT_EQ(failure->reason, reason::kCrashLooping);
  EXPECT_FALSE(failure->terminal);
  EXPECT_THAT(failure->message, HasSubstr("want of memory"));
}

struct Waiting {
  const char* waiting;
  const char* reason;
};
class WaitingTest : public ::testing::TestWithParam<Waiting> {};
TEST_P(WaitingTest, Reason) {
  Pod pod = P();
  pod.waiting_reason = GetParam().waiting;
  pod.waiting_message = "the kubelet's words";
  const auto failure = Of(pod);
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->reason, GetParam().reason);
  EXPECT_THAT(failure->message, EndsWith("the kubelet's words"));
}
INSTANTIATE_TEST_SUITE_P(Table, WaitingTest,
                         ::testing::Values(Waiting{"ErrImagePull", reason::kImagePullFailed},
                                           Waiting{"ImagePullBackOff", reason::kImagePullFailed},
                                           Waiting{"InvalidImageName", reason::kImagePullFailed},
                                           Waiting{"ErrImageNeverPull", reason::kImagePullFailed},
                                           Waiting{"CrashLoopBackOff", reason::kCrashLooping},
                                           Waiting{"CreateContainerConfigError",
                                                   reason::kCrashLooping},
                                           Waiting{"RunContainerError", reason::kCrashLooping}),
                         [](const auto& info) { return std::string(info.param.waiting); });

struct Words {
  const char* name;
  const char* words;
  const char* reason;
};
class SchedulerTest : public ::testing::TestWithParam<Words> {};
TEST_P(SchedulerTest, Reason) {
  Pod pod = P();
  pod.unschedulable = GetParam().words;
  const auto failure = Of(pod);
  EXPECT_EQ(failure->reason, GetParam().reason);
  EXPECT_EQ(failure->message, std::string("pod p: ") + GetParam().words);
}
INSTANTIATE_TEST_SUITE_P(
    Table, SchedulerTest,
    ::testing::Values(
        Words{"cpu", "0/1 nodes are available: 1 Insufficient cpu.", reason::kUnschedulable},
        Words{"gpu", "0/1 nodes are available: 1 Insufficient nvidia.com/gpu.",
              reason::kInsufficientGPU},
        Words{"gpu_slice", "0/1 nodes are available: 1 Insufficient nvidia.com/mig-1g.10gb.",
              reason::kInsufficientGPU},
        Words{"gpu_taint_of_a_pod_without",
              "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint "
              "{nvidia.com/gpu: present}.",
              reason::kUnschedulable},
        Words{"no_claim", "0/1 nodes are available: persistentvolumeclaim \"w\" not found.",
              reason::kVolumeNotReady},
        Words{"unbound", "pod has unbound immediate PersistentVolumeClaims",
              reason::kVolumeNotReady}),
    [](const auto& info) { return std::string(info.param.name); });

class RefusedTest : public ::testing::TestWithParam<Words> {};
TEST_P(RefusedTest, Reason) {
  Observed observed;
  Workload workload;
  workload.hash8 = "cafe0000";
  workload.refused = GetParam().words;
  observed.workloads = {workload};
  const auto failure = FindFailure(observed, "cafe0000");
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->reason, GetParam().reason);
  EXPECT_EQ(failure->message, GetParam().words);
}
INSTANTIATE_TEST_SUITE_P(
    Table, RefusedTest,
    ::testing::Values(
        Words{"quota", "pods \"x\" is forbidden: exceeded quota: q", reason::kQuotaExceeded},
        Words{"quota_needs_limits", "forbidden: failed quota: q: must specify limits.cpu",
              reason::kQuotaExceeded},
        Words{"security", "pods \"x\" is forbidden: violates PodSecurity \"restricted:latest\"",
              reason::kPodSecurityRefused},
        Words{"other", "pods \"x\" is forbidden: no PriorityClass with name y",
              reason::kPodsRefused}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(FailureTest, MountFailuresComeFromEvents) {
  Pod pod = P();
  pod.waiting_reason = "ContainerCreating";
  const Warning other{"uid-q", "FailedMount", "not ours", {}},
      ours{"uid-p", "FailedMount", "timed out", {}}, harmless{"uid-p", "Unhealthy", "probe", {}};
  EXPECT_FALSE(Of(pod, {other, harmless}));
  const auto failure = Of(pod, {other, harmless, ours});
  EXPECT_EQ(failure->reason, reason::kVolumeNotReady);
  EXPECT_THAT(failure->message, HasSubstr("timed out"));
  pod.running = true;  // mounted by now
  EXPECT_FALSE(Of(pod, {ours}));
}

TEST(FailureTest, AModelThatIsNotThereIsCalledSo) {
  Pod pod = P();
  pod.ended =
      Ended{2, "Error", "error: model: /model/v3/config.json: not found (check the model folder)"};
  const auto failure = Of(pod);
  EXPECT_EQ(failure->reason, reason::kModelNotFound);
  EXPECT_TRUE(failure->terminal);
}

TEST(FailureTest, ASandboxThatCannotBeMadeIsTold) {
  Pod pod = P();
  pod.waiting_reason = "ContainerCreating";
  const auto failure =
      Of(pod, {{"uid-p", "FailedCreatePodSandBox", "no runtime for \"nvidia\"", {}}});
  ASSERT_TRUE(failure);
  EXPECT_THAT(failure->message, HasSubstr("no runtime"));
}

struct Run {
  const char* name;
  int exit_code;
  int seconds;
  bool missed;
};
class StartupTest : public ::testing::TestWithParam<Run> {};
TEST_P(StartupTest, TheDeadlineIsToldByHowLongTheContainerRan) {
  Observed observed;
  Pod pod = P();
  pod.running = true;
  pod.restarts = 1;
  pod.ended = Ended{GetParam().exit_code, "Error", "", absl::Seconds(GetParam().seconds)};
  observed.pods = {pod};
  const auto failure = FindFailure(observed, "cafe0000", absl::Minutes(30));
  EXPECT_EQ(failure.has_value(), GetParam().missed);
  if (failure) {
    EXPECT_EQ(failure->reason, reason::kProgressDeadlineExceeded);
    EXPECT_THAT(failure->message, HasSubstr("workload.startup.deadline 30m"));
    EXPECT_FALSE(failure->terminal) << "the next try may be faster";
  }
}
INSTANTIATE_TEST_SUITE_P(Table, StartupTest,
                         ::testing::Values(Run{"stopped", 0, 1801, true},
                                           Run{"killed", 137, 1860, true},
                                           Run{"early", 137, 1000, false},
                                           Run{"after_serving_for_hours", 137, 9000, false},
                                           Run{"by_itself", 1, 1801, false}),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(FailureTest, TheGravestIsTold) {
  Observed observed;
  Pod waiting = P("a"), invalid = P("b");
  waiting.unschedulable = "no room";
  invalid.ended = Ended{2, "", "error: y"};
  observed.pods = {waiting, invalid};
  EXPECT_EQ(FindFailure(observed, "cafe0000")->reason, reason::kModelInvalid);
}

TEST(FailureTest, MessagesAreBounded) {
  Pod pod = P();
  pod.ended = Ended{2, "", "error: " + std::string(100'000, 'x')};
  EXPECT_LE(Of(pod)->message.size(), 1024u);
}

}  // namespace
}  // namespace deepseek::decide
