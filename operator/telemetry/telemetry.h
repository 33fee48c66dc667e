#pragma once
// The operator's metrics (docs/reference/metrics.md): controller-runtime's names where it has one,
// so that existing dashboards and alerts work.

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/metrics/metrics.h"
#include "operator/decide/plan.h"
#include "operator/kube/work_queue.h"

namespace deepseek::telemetry {

/// Thread-safe. One per process.
class Telemetry {
 public:
  explicit Telemetry(std::string_view version);

  /// One reconcile has ended with `status`; `again` is when it wants to come back.
  void OnReconcile(const absl::Status& status, absl::Duration again, absl::Duration took);
  /// What a reconcile decided and reported; `plan` null: the DeepSeekDeployment is gone, and with
  /// it its gauges.
  void OnPlan(std::string_view ns, std::string_view name, const decide::Plan* plan);
  /// A call of the API server was answered with `code`; 0: it got no answer.
  void OnRequest(std::string_view method, std::string_view host, int code, absl::Duration took);
  void SetLeader(std::string_view lease, bool leading);
  /// A worker has taken a key that waited so long.
  void OnTake(absl::Duration waited);
  /// Fetched at each scrape.
  void SetQueue(std::function<kube::QueueFigures()> figures);

  /// Text format 0.0.4.
  std::string Text() const;

 private:
  /// Gauges of one DeepSeekDeployment: they go with it, which a registry's series cannot.
  struct Deployment {
    int64_t replicas = 0, ready = 0, desired = 0;
    std::string phase;
    std::map<std::string, int64_t> weights;  ///< by revision
  };
  std::string DeploymentsText() const;
  void AddQueueSeries();

  /// The registry looks series up by their labels, which was 3 % of the operator's processor time:
  /// those of calls are kept.
  struct Calls {
    metrics::Counter total;
    std::optional<metrics::Histogram> seconds;  ///< none of watches: they last as long as wanted
  };
  Calls& CallsOf(std::string_view method, std::string_view host, int code);

  metrics::Registry registry_;
  metrics::Histogram waited_;  ///< of the queue
  std::mutex calls_mutex_;
  std::map<std::tuple<std::string, std::string, int>, Calls> calls_;
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, Deployment> deployments_;
  std::function<kube::QueueFigures()> queue_;
};

}  // namespace deepseek::telemetry
