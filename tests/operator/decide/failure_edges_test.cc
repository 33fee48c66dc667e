// The order of failures, the edges of what is called one, and the words in full.

#include <gtest/gtest.h>

#include "operator/decide/failure.h"
#include "operator/decide/reasons.h"

namespace deepseek::decide {
namespace {

Pod P(const std::string& name = "p") {
  Pod pod;
  pod.name = name;
  pod.uid = "uid-" + name;
  pod.hash8 = "cafe0000";
  return pod;
}

std::optional<Failure> Of(const std::vector<Pod>& pods, const std::vector<Warning>& warnings = {},
                          absl::Duration startup = absl::InfiniteDuration()) {
  Observed observed;
  observed.pods = pods;
  observed.warnings = warnings;
  return FindFailure(observed, "cafe0000", startup);
}

Pod Invalid(const std::string& line) {
  Pod pod = P(line);
  pod.ended = Ended{.exit_code = 2, .reason = "Error", .message = line};
  return pod;
}
Pod Waiting(const std::string& reason, const std::string& message = "m") {
  Pod pod = P(reason);
  pod.waiting_reason = reason;
  pod.waiting_message = message;
  return pod;
}
Pod Pending(const std::string& words) {
  Pod pod = P(words);
  pod.unschedulable = words;
  return pod;
}
Pod NoDevice() {
  Pod pod = P("device");
  pod.ended = Ended{4, "Error", "error: --device cuda is not served"};
  return pod;
}
Pod Late() {
  Pod pod = P("late");
  pod.running = true;
  pod.ended = Ended{.exit_code = 137, .reason = "Error", .message = "", .ran = absl::Minutes(10)};
  return pod;
}

// The cause closest to the user's spec first.
TEST(FailureOrderTest, TheGravestIsToldWhateverTheOrderOfPods) {
  const std::pair<const char*, Pod> kGravestFirst[] = {
      {reason::kModelInvalid, Invalid("error: x")},
      {reason::kModelNotFound, Invalid("error: (check the model folder)")},
      {reason::kImagePullFailed, Waiting("ErrImagePull")},
      {reason::kDeviceFailed, NoDevice()},
      {reason::kCrashLooping, Waiting("CrashLoopBackOff")},
      {reason::kVolumeNotReady, Pending("persistentvolumeclaim not found")},
      {reason::kProgressDeadlineExceeded, Late()},
      {reason::kInsufficientGPU, Pending("Insufficient nvidia.com/gpu")},
      {reason::kUnschedulable, Pending("Insufficient cpu")},
  };
  for (size_t i = 0; i < std::size(kGravestFirst); ++i) {
    for (size_t j = i; j < std::size(kGravestFirst); ++j) {
      const auto& [grave, a] = kGravestFirst[i];
      const auto& [lesser, b] = kGravestFirst[j];
      EXPECT_EQ(Of({a, b}, {}, absl::Minutes(10))->reason, grave) << lesser;
      EXPECT_EQ(Of({b, a}, {}, absl::Minutes(10))->reason, grave) << lesser;
    }
  }
}

TEST(FailureOrderTest, OfTwoAlikeTheFirstIsTold) {
  EXPECT_EQ(Of({Pending("no room"), Pending("no room either")})->message, "pod no room: no room");
}

TEST(FailureOrderTest, AHealthyPodHidesNone) {
  EXPECT_EQ(Of({P("starting"), Waiting("ErrImagePull")})->reason, reason::kImagePullFailed);
  EXPECT_EQ(Of({Waiting("ErrImagePull"), P("starting")})->reason, reason::kImagePullFailed);
}

TEST(FailureOrderTest, PodsThatAreThereSayMoreThanThoseThatCannotBeMade) {
  Observed observed;
  observed.workloads = {Workload{.child = {}, .hash8 = "beef0000", .refused = "theirs"},
                        Workload{.child = {}, .hash8 = "cafe0000", .refused = "ours"}};
  EXPECT_EQ(FindFailure(observed, "cafe0000")->message, "ours");
  EXPECT_FALSE(FindFailure(observed, "cafe0000")->terminal) << "a quota may be raised";
  observed.pods = {Waiting("ErrImagePull")};
  EXPECT_EQ(FindFailure(observed, "cafe0000")->reason, reason::kImagePullFailed);
  observed.pods.clear();
  observed.workloads[1].refused = "";
  EXPECT_FALSE(FindFailure(observed, "cafe0000"));
}

TEST(FailureWordsTest, OfTheKubelet) {
  EXPECT_EQ(Of({Waiting("ErrImagePull", "no such tag")})->message,
            "pod ErrImagePull: ErrImagePull: no such tag");
  EXPECT_EQ(Of({Waiting("CreateContainerError", "why")})->message,
            "pod CreateContainerError: CreateContainerError: why");
  EXPECT_EQ(Of({Waiting("CrashLoopBackOff", "back-off 10s")})->message,
            "pod CrashLoopBackOff: back-off 10s")
      << "all that there is, if nobody saw how it ended";
  EXPECT_EQ(Of({Waiting("ImageInspectError")})->reason, reason::kImagePullFailed);
  for (const char* on_the_way : {"ContainerCreating", "PodInitializing"})
    EXPECT_FALSE(Of({Waiting(on_the_way)})) << on_the_way;
}

TEST(FailureWordsTest, OfTheAgent) {
  Pod pod = Waiting("CrashLoopBackOff");
  pod.ended = Ended{.exit_code = 139, .reason = "Error", .message = ""};
  EXPECT_EQ(Of({pod})->message, "pod CrashLoopBackOff: the agent ended with exit code 139");
  pod.ended->message = "loading\nerror: device: lost \n\n ";
  EXPECT_EQ(Of({pod})->message,
            "pod CrashLoopBackOff: the agent ended with exit code 139: error: device: lost");
  pod.ended->reason = "OOMKilled";
  pod.ended->message = "";
  EXPECT_EQ(Of({pod})->message,
            "pod CrashLoopBackOff: the agent ended with exit code 139, killed for want of memory "
            "(raise workload.resources.limits)");
  EXPECT_EQ(Of({Late()}, {}, absl::Minutes(10))->message,
            "pod late: not ready within workload.startup.deadline 10m, so it was restarted (raise "
            "the deadline if the model needs longer)");
}

TEST(FailureWordsTest, AreCutWhereAConditionEnds) {
  EXPECT_EQ(Of({Pending(std::string(5000, 'x'))})->message.size(), 1024u);
  Observed observed;
  observed.workloads = {
      Workload{.child = {}, .hash8 = "cafe0000", .refused = std::string(5000, 'x')}};
  EXPECT_EQ(FindFailure(observed, "cafe0000")->message.size(), 1024u);
  std::string long_text;
  while (long_text.size() < 5000) long_text += "深";
  observed.workloads[0].refused = long_text;
  EXPECT_EQ(FindFailure(observed, "cafe0000")->message.size(), 1023u) << "characters stay whole";
  const std::string pod = Of({Pending(long_text)})->message;
  EXPECT_EQ(pod.substr(pod.size() - 3), "深");
}

TEST(FailureEdgeTest, RestartsUntilItIsCalledACrashLoop) {
  Pod pod = P();
  pod.running = true;
  pod.ended = Ended{.exit_code = 1, .reason = "Error", .message = ""};
  pod.restarts = 2;
  EXPECT_FALSE(Of({pod}));
  pod.restarts = 3;
  EXPECT_EQ(Of({pod})->reason, reason::kCrashLooping);
  pod.ended.reset();
  EXPECT_FALSE(Of({pod})) << "nobody saw it end";
}

struct Life {
  int exit_code;
  absl::Duration ran;
  bool missed;
};

TEST(FailureEdgeTest, WhichRunsMissedTheStartupDeadline) {
  const absl::Duration deadline = absl::Minutes(10), ns = absl::Nanoseconds(1);
  const Life kLives[] = {
      {0, deadline, true},
      {143, deadline, true},
      {137, deadline - absl::Seconds(5), true},
      {137, deadline - absl::Seconds(5) - ns, false},
      {137, deadline + absl::Minutes(2), true},
      {137, deadline + absl::Minutes(2) + ns, false},
      {136, deadline, false},
      {138, deadline, false},
      {142, deadline, false},
      {144, deadline, false},
  };
  for (const Life& life : kLives) {
    Pod pod = P();
    pod.running = true;
    pod.ended =
        Ended{.exit_code = life.exit_code, .reason = "Error", .message = "", .ran = life.ran};
    EXPECT_EQ(Of({pod}, {}, deadline).has_value(), life.missed)
        << life.exit_code << " " << life.ran;
  }
  Pod killed = Late();
  killed.ended->reason = "OOMKilled";
  EXPECT_FALSE(Of({killed}, {}, absl::Minutes(10))) << "the kernel ended it";
  Pod quick = Late();
  quick.ended->ran = absl::Seconds(1);
  EXPECT_FALSE(Of({quick}, {}, absl::Seconds(5))) << "too short a deadline to tell by";
}

struct Event {
  const char* event;
  const char* reason;  // "": no failure
};

TEST(FailureEdgeTest, EventsThatTellWhyAPodDoesNotStart) {
  const Event kEvents[] = {{"FailedMount", reason::kVolumeNotReady},
                           {"FailedAttachVolume", reason::kVolumeNotReady},
                           {"FailedBinding", reason::kVolumeNotReady},
                           {"VolumeMismatch", reason::kVolumeNotReady},
                           {"FailedCreatePodSandBox", reason::kCrashLooping},
                           {"FailedScheduling", ""},
                           {"BackOff", ""}};
  for (const auto& [event, reason] : kEvents) {
    const auto failure = Of({P()}, {{"uid-p", event, "note", {}}});
    EXPECT_EQ(failure ? failure->reason : "", reason) << event;
    if (failure) {
      EXPECT_EQ(failure->message, "pod p: note");
    }
    EXPECT_FALSE(Of({P()}, {{"uid-q", event, "note", {}}})) << event << " of another pod";
  }
}

TEST(FailureEdgeTest, TheNewestEventIsTold) {
  const auto failure = Of(
      {P()}, {{"uid-p", "FailedMount", "new", {}}, {"uid-p", "FailedCreatePodSandBox", "old", {}}});
  EXPECT_EQ(failure->message, "pod p: new") << "they come newest first";
}

}  // namespace
}  // namespace deepseek::decide
