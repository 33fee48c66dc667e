#pragma once
// Whether NVIDIA's dcgm-exporter runs in the cluster: then agents need not report GPUs too.

#include <mutex>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "operator/kube/client.h"

namespace deepseek::reconcile {

/// Thread-safe. An answer counts for five minutes.
class GpuExporter {
 public:
  explicit GpuExporter(kube::Client& client) : client_(client) {}  ///< must outlive this

  /// Are there pods of it in any namespace? Three reads of one pod at most. An operator that may
  /// not look beyond its namespaces is told false; where the API server does not answer, the last
  /// answer counts, and without one its error.
  absl::StatusOr<bool> Runs(absl::Time now);

 private:
  absl::StatusOr<bool> Ask();

  kube::Client& client_;
  std::mutex mutex_;
  absl::Time asked_at_ = absl::InfinitePast();
  std::optional<bool> runs_;
};

}  // namespace deepseek::reconcile
