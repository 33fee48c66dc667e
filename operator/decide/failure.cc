#include "operator/decide/failure.h"

#include <algorithm>

#include "base/strings.h"
#include "base/utf8.h"
#include "operator/decide/reasons.h"

namespace deepseek::decide {
namespace {

constexpr size_t kMaxMessage = 1024;
// Restarts without becoming ready that are called a crash loop even while the kubelet does not back
// off.
constexpr int kCrashLoopRestarts = 3;

std::string Cut(const std::string& message) {
  return std::string(Clip(message, kMaxMessage));
}

bool Contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

// The agent's error line is the last line of what it wrote to the termination log.
std::string LastLine(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  const size_t start = text.rfind('\n');
  return start == std::string::npos ? text : text.substr(start + 1);
}

Failure Make(const char* reason, const std::string& pod, const std::string& message,
             bool terminal = false) {
  return {reason, Cut(StrCat("pod ", pod, ": ", message)), terminal};
}

bool IsImageProblem(const std::string& waiting) {
  return waiting == "ErrImagePull" || waiting == "ImagePullBackOff" ||
         waiting == "InvalidImageName" || waiting == "ErrImageNeverPull" ||
         waiting == "ImageInspectError";
}

bool IsVolumeProblem(const Warning& warning) {
  return warning.reason == "FailedMount" || warning.reason == "FailedAttachVolume" ||
         warning.reason == "FailedBinding" || warning.reason == "VolumeMismatch";
}

// `limits`: where the container's memory is limited.
std::string EndedText(const Ended& ended, const std::string& who = "the agent",
                      const char* limits = "workload.resources.limits") {
  const std::string last = LastLine(ended.message);
  std::string text = StrCat(who, " ended with exit code ", ended.exit_code);
  if (ended.reason == "OOMKilled")
    StrAppend(&text, ", killed for want of memory (raise ", limits, ")");
  if (!last.empty()) StrAppend(&text, ": ", last);
  return text;
}

std::optional<Failure> Scheduling(const Pod& pod) {
  if (pod.unschedulable.empty()) return std::nullopt;
  const std::string& words = pod.unschedulable;
  const char* reason = reason::kUnschedulable;
  if (Contains(words, "persistentvolumeclaim") || Contains(words, "PersistentVolumeClaim")) {
    reason = reason::kVolumeNotReady;
  } else if (Contains(words, "Insufficient nvidia.com/")) {
    reason = reason::kInsufficientGPU;
  }
  return Make(reason, pod.name, words);
}

// The agent says so of a folder or file that is not there (agent/load).
bool IsModelAbsent(const std::string& line) {
  return line.ends_with("(check the model folder)");
}

// Did the startup probe end it? The kubelet says so in an Event only, but how long it ran tells:
// the probe gives up at the deadline, and the container has its grace period after that.
bool MissedStartup(const Ended& ended, absl::Duration startup) {
  constexpr absl::Duration kProbeSlack = absl::Seconds(5), kEnding = absl::Minutes(2);
  const bool stopped = ended.exit_code == 0 || ended.exit_code == 137 || ended.exit_code == 143;
  return stopped && ended.reason != "OOMKilled" && startup > kProbeSlack &&
         ended.ran >= startup - kProbeSlack && ended.ran <= startup + kEnding;
}

std::optional<Failure> OfWarnings(const Pod& pod, const std::vector<Warning>& warnings) {
  for (const Warning& warning : warnings) {
    if (warning.pod_uid != pod.uid) continue;
    if (IsVolumeProblem(warning)) return Make(reason::kVolumeNotReady, pod.name, warning.note);
    if (warning.reason == "FailedCreatePodSandBox")
      return Make(reason::kCrashLooping, pod.name, warning.note);
  }
  return std::nullopt;
}

bool IsCrashLoop(const Container& container) {
  return container.waiting_reason == "CrashLoopBackOff" ||
         (container.ended && container.restarts >= kCrashLoopRestarts);
}

// Waits for something else than its turn.
bool IsStuck(const Container& container) {
  return !container.waiting_reason.empty() && container.waiting_reason != "ContainerCreating" &&
         container.waiting_reason != "PodInitializing";
}

// The pod is not ready before its init containers have ended and its other containers are ready.
std::optional<Failure> OfSidecars(const Pod& pod) {
  for (const Sidecar& sidecar : pod.sidecars) {
    if (sidecar.ready) continue;
    const std::string who = StrCat("container ", sidecar.name);
    const std::string waits =
        StrCat(who, ": ", sidecar.waiting_reason, ": ", sidecar.waiting_message);
    if (IsImageProblem(sidecar.waiting_reason))
      return Make(reason::kImagePullFailed, pod.name, waits);
    if (IsCrashLoop(sidecar)) {
      return Make(reason::kCrashLooping, pod.name,
                  sidecar.ended ? EndedText(*sidecar.ended, who, "its limit") : waits);
    }
    if (IsStuck(sidecar)) return Make(reason::kCrashLooping, pod.name, waits);
  }
  return std::nullopt;
}

std::optional<Failure> OfPod(const Pod& pod, const std::vector<Warning>& warnings,
                             absl::Duration startup) {
  if (pod.ended && pod.ended->exit_code == kExitInvalidModel) {
    const std::string line = LastLine(pod.ended->message);
    return Make(IsModelAbsent(line) ? reason::kModelNotFound : reason::kModelInvalid, pod.name,
                line.empty() ? EndedText(*pod.ended) : line,
                /*terminal=*/true);
  }
  if (pod.ended && pod.ended->exit_code == kExitDeviceFailure) {
    const std::string line = LastLine(pod.ended->message);
    return Make(reason::kDeviceFailed, pod.name, line.empty() ? EndedText(*pod.ended) : line);
  }
  if (IsImageProblem(pod.waiting_reason)) {
    return Make(reason::kImagePullFailed, pod.name,
                StrCat(pod.waiting_reason, ": ", pod.waiting_message));
  }
  if (pod.ended && MissedStartup(*pod.ended, startup)) {
    return Make(reason::kProgressDeadlineExceeded, pod.name,
                StrCat("not ready within workload.startup.deadline ", absl::FormatDuration(startup),
                       ", so it was restarted (raise the deadline if the model needs longer)"));
  }
  if (IsCrashLoop(pod)) {
    return Make(reason::kCrashLooping, pod.name,
                pod.ended ? EndedText(*pod.ended) : pod.waiting_message);
  }
  if (IsStuck(pod)) {
    return Make(reason::kCrashLooping, pod.name,
                StrCat(pod.waiting_reason, ": ", pod.waiting_message));
  }
  if (auto failure = OfSidecars(pod)) return failure;
  if (!pod.running) {
    if (auto failure = OfWarnings(pod, warnings)) return failure;
  }
  return Scheduling(pod);
}

std::optional<Failure> OfWorkload(const Workload& workload) {
  if (workload.refused.empty()) return std::nullopt;
  const char* reason = reason::kPodsRefused;
  if (Contains(workload.refused, "exceeded quota") || Contains(workload.refused, "failed quota")) {
    reason = reason::kQuotaExceeded;
  } else if (Contains(workload.refused, "violates PodSecurity")) {
    reason = reason::kPodSecurityRefused;
  }
  return Failure{reason, Cut(workload.refused), false};
}

// What to tell first when pods fail in different ways: the cause closest to the user's spec.
int Gravity(const Failure& failure) {
  static const char* const kOrder[] = {reason::kModelInvalid,
                                       reason::kModelNotFound,
                                       reason::kImagePullFailed,
                                       reason::kDeviceFailed,
                                       reason::kCrashLooping,
                                       reason::kVolumeNotReady,
                                       reason::kProgressDeadlineExceeded,
                                       reason::kInsufficientGPU,
                                       reason::kUnschedulable};
  const auto* at = std::find(std::begin(kOrder), std::end(kOrder), failure.reason);
  return static_cast<int>(at - std::begin(kOrder));
}

}  // namespace

std::optional<Failure> FindFailure(const Observed& observed, const std::string& hash8,
                                   absl::Duration startup) {
  std::optional<Failure> worst;
  for (const Pod& pod : observed.pods) {
    if (pod.hash8 != hash8 || pod.ready || pod.deleting) continue;
    std::optional<Failure> failure = OfPod(pod, observed.warnings, startup);
    if (failure && (!worst || Gravity(*failure) < Gravity(*worst))) worst = std::move(failure);
  }
  if (worst) return worst;
  for (const Workload& workload : observed.workloads) {
    if (workload.hash8 == hash8) return OfWorkload(workload);
  }
  return std::nullopt;
}

}  // namespace deepseek::decide
