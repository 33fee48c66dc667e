#include "operator/decide/failure.h"

#include <algorithm>

#include "base/strings.h"
#include "operator/decide/reasons.h"

namespace deepseek::decide {
namespace {

constexpr size_t kMaxMessage = 1024;
// Restarts without becoming ready that are called a crash loop even while the kubelet does not back
// off.
constexpr int kCrashLoopRestarts = 3;

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
  return {reason, StrCat("pod ", pod, ": ", message).substr(0, kMaxMessage), terminal};
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

std::string EndedText(const Ended& ended) {
  const std::string last = LastLine(ended.message);
  std::string text = StrCat("the agent ended with exit code ", ended.exit_code);
  if (ended.reason == "OOMKilled")
    StrAppend(&text, ", killed for want of memory (raise workload.resources.limits)");
  if (!last.empty()) StrAppend(&text, ": ", last);
  return text;
}

std::optional<Failure> Scheduling(const Pod& pod) {
  if (pod.unschedulable.empty()) return std::nullopt;
  const std::string& words = pod.unschedulable;
  const char* reason = reason::kUnschedulable;
  if (Contains(words, "persistentvolumeclaim") || Contains(words, "PersistentVolumeClaim")) {
    reason = reason::kVolumeNotReady;
  } else if (Contains(words, "nvidia.com/gpu")) {
    reason = reason::kInsufficientGPU;
  }
  return Make(reason, pod.name, words);
}

std::optional<Failure> OfPod(const Pod& pod, const std::vector<Warning>& warnings) {
  if (pod.ended && pod.ended->exit_code == kExitInvalidModel) {
    const std::string line = LastLine(pod.ended->message);
    return Make(reason::kModelInvalid, pod.name, line.empty() ? EndedText(*pod.ended) : line,
                /*terminal=*/true);
  }
  if (IsImageProblem(pod.waiting_reason)) {
    return Make(reason::kImagePullFailed, pod.name,
                StrCat(pod.waiting_reason, ": ", pod.waiting_message));
  }
  if (pod.waiting_reason == "CrashLoopBackOff" ||
      (pod.ended && pod.restarts >= kCrashLoopRestarts)) {
    return Make(reason::kCrashLooping, pod.name,
                pod.ended ? EndedText(*pod.ended) : pod.waiting_message);
  }
  if (!pod.waiting_reason.empty() && pod.waiting_reason != "ContainerCreating" &&
      pod.waiting_reason != "PodInitializing") {
    return Make(reason::kCrashLooping, pod.name,
                StrCat(pod.waiting_reason, ": ", pod.waiting_message));
  }
  if (!pod.running) {
    for (const Warning& warning : warnings) {
      if (warning.pod_uid == pod.uid && IsVolumeProblem(warning)) {
        return Make(reason::kVolumeNotReady, pod.name, warning.note);
      }
    }
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
  return Failure{reason, workload.refused.substr(0, kMaxMessage), false};
}

// What to tell first when pods fail in different ways: the cause closest to the user's spec.
int Gravity(const Failure& failure) {
  static const char* const kOrder[] = {reason::kModelInvalid,    reason::kImagePullFailed,
                                       reason::kCrashLooping,    reason::kVolumeNotReady,
                                       reason::kInsufficientGPU, reason::kUnschedulable};
  const auto* at = std::find(std::begin(kOrder), std::end(kOrder), failure.reason);
  return static_cast<int>(at - std::begin(kOrder));
}

}  // namespace

std::optional<Failure> FindFailure(const Observed& observed, const std::string& hash8) {
  std::optional<Failure> worst;
  for (const Pod& pod : observed.pods) {
    if (pod.hash8 != hash8 || pod.ready || pod.deleting) continue;
    std::optional<Failure> failure = OfPod(pod, observed.warnings);
    if (failure && (!worst || Gravity(*failure) < Gravity(*worst))) worst = std::move(failure);
  }
  if (worst) return worst;
  for (const Workload& workload : observed.workloads) {
    if (workload.hash8 == hash8) return OfWorkload(workload);
  }
  return std::nullopt;
}

}  // namespace deepseek::decide
