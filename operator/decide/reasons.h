#pragma once
// Reasons of decisions, once: conditions, Events, metrics, logs and the command line all use these
// words.

namespace deepseek::decide::reason {

inline constexpr char kAllReplicasReady[] = "AllReplicasReady";
inline constexpr char kMinimumReplicasAvailable[] = "MinimumReplicasAvailable";
inline constexpr char kMinimumReplicasUnavailable[] = "MinimumReplicasUnavailable";
inline constexpr char kPending[] = "Pending";  ///< the schema's: no operator has looked yet
inline constexpr char kCreating[] = "Creating";
inline constexpr char kUpdating[] = "Updating";
inline constexpr char kScaling[] = "Scaling";
inline constexpr char kReverting[] = "Reverting";
inline constexpr char kRecordLost[] = "RecordLost";
inline constexpr char kRetrying[] = "Retrying";
inline constexpr char kPaused[] = "Paused";
inline constexpr char kProgressDeadlineExceeded[] = "ProgressDeadlineExceeded";
inline constexpr char kWaitingForPredecessor[] = "WaitingForPredecessor";
inline constexpr char kSuperseded[] = "Superseded";
inline constexpr char kHistoryLimit[] = "HistoryLimit";

inline constexpr char kModelLoaded[] = "ModelLoaded";
inline constexpr char kModelLoading[] = "ModelLoading";
inline constexpr char kNoPods[] = "NoPods";
inline constexpr char kModelInvalid[] = "ModelInvalid";
inline constexpr char kModelNotFound[] = "ModelNotFound";
inline constexpr char kImagePullFailed[] = "ImagePullFailed";
inline constexpr char kUnschedulable[] = "Unschedulable";
inline constexpr char kInsufficientGPU[] = "InsufficientGPU";
inline constexpr char kDeviceFailed[] = "DeviceFailed";  ///< the agent cannot use its device
inline constexpr char kQuotaExceeded[] = "QuotaExceeded";
inline constexpr char kPodSecurityRefused[] = "PodSecurityRefused";
inline constexpr char kPodsRefused[] =
    "PodsRefused";  ///< pods cannot be created, for another reason
inline constexpr char kVolumeNotReady[] = "VolumeNotReady";
inline constexpr char kCrashLooping[] = "CrashLooping";
inline constexpr char kInvalidSpec[] = "InvalidSpec";
inline constexpr char kNameConflict[] = "NameConflict";
inline constexpr char kWriteRefused[] =
    "WriteRefused";  ///< the API server refuses what the operator writes

inline constexpr char kNotWanted[] = "NotWanted";
inline constexpr char kPodMonitorInPlace[] = "PodMonitorInPlace";
inline constexpr char kPodMonitorsNotInstalled[] = "PodMonitorsNotInstalled";

inline constexpr char kUpToDate[] = "UpToDate";
inline constexpr char kNewerDefaults[] = "NewerDefaults";
inline constexpr char kNone[] = "None";  ///< nothing to report: Reconciling or Stalled is False

}  // namespace deepseek::decide::reason

namespace deepseek::decide::condition {

inline constexpr char kReady[] = "Ready";
inline constexpr char kReconciling[] = "Reconciling";
inline constexpr char kStalled[] = "Stalled";
inline constexpr char kAvailable[] = "Available";
inline constexpr char kProgressing[] = "Progressing";
inline constexpr char kModelReady[] = "ModelReady";
inline constexpr char kUpgradeAvailable[] = "UpgradeAvailable";
inline constexpr char kMonitored[] = "Monitored";  ///< only where a PodMonitor is wanted

}  // namespace deepseek::decide::condition
