#pragma once
// Metrics of the files that `serve` takes anew while it runs (docs/reference/metrics.md).

#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "base/metrics/metrics.h"

namespace deepseek::agent {

enum class Reloaded { kCertificate, kApiKeys, kConfig };
/// "certificate", "api_keys", "config".
std::string_view Name(Reloaded what);

/// Thread-safe.
class EdgeTelemetry {
 public:
  explicit EdgeTelemetry(metrics::Registry& registry);
  void OnReloaded(Reloaded what);
  /// Also each time it is tried in vain again: an alarm needs no memory.
  void OnReloadFailed(Reloaded what);
  void SetCertificateEnd(absl::Time not_after);

 private:
  metrics::Registry& registry_;
  std::vector<metrics::Counter> reloads_, failures_;
};

}  // namespace deepseek::agent
