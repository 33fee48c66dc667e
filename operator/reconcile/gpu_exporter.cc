#include "operator/reconcile/gpu_exporter.h"

#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"
#include "operator/decide/json_read.h"

namespace deepseek::reconcile {
namespace {

constexpr absl::Duration kAge = absl::Minutes(5);
// Of its own chart, of NVIDIA's GPU Operator and of GKE.
constexpr const char* kSelectors[] = {"app.kubernetes.io%2Fname%3Ddcgm-exporter",
                                      "app%3Dnvidia-dcgm-exporter",
                                      "app.kubernetes.io%2Fname%3Dgke-managed-dcgm-exporter"};

}  // namespace

absl::StatusOr<bool> GpuExporter::Ask() {
  for (const char* selector : kSelectors) {
    const absl::StatusOr<Json> pods =
        client_.GetRaw(StrCat("/api/v1/pods?limit=1&labelSelector=", selector));
    if (absl::IsPermissionDenied(pods.status())) return false;
    if (!pods.ok()) return pods.status();
    const Json* items = decide::Find(*pods, "/items");
    if (items != nullptr && !items->empty()) return true;
  }
  return false;
}

absl::StatusOr<bool> GpuExporter::Runs(absl::Time now) {
  const std::lock_guard lock(mutex_);
  if (runs_ && now >= asked_at_ && now - asked_at_ < kAge) return *runs_;
  const absl::StatusOr<bool> runs = Ask();
  if (!runs.ok() && !runs_) return runs.status();
  if (runs.ok()) runs_ = *runs;
  asked_at_ = now;
  return *runs_;
}

}  // namespace deepseek::reconcile
