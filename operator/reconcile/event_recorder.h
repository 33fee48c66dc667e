#pragma once
// Events (events.k8s.io) on DeepSeekDeployments. The same thing again within a few minutes is not
// another Event but a larger count in the first one's series.

#include <map>
#include <mutex>
#include <string>
#include <tuple>

#include "absl/time/time.h"
#include "operator/decide/plan.h"
#include "operator/kube/client.h"

namespace deepseek::reconcile {

/// Events are records, not state: one that cannot be written is logged and does not stop anything.
/// Thread-safe.
class EventRecorder {
 public:
  /// `client` must outlive the recorder.
  explicit EventRecorder(kube::Client& client) : client_(client) {}

  /// `number` tells apart what is recorded at the same time about the same object.
  void Record(const Json& dsd, const decide::EventPlan& event, absl::Time now, size_t number);

 private:
  /// Uid of the object, warning, action, reason, note.
  using Key = std::tuple<std::string, bool, std::string, std::string, std::string>;
  struct Series {
    std::string name;  ///< of the Event
    int count = 1;
    absl::Time last, written;
  };
  /// Forgets series that have ended; looks at most once a minute, unless there are too many.
  void Drop(absl::Time now);

  kube::Client& client_;
  std::mutex mutex_;
  std::map<Key, Series> series_;
  absl::Time dropped_at_ = absl::InfinitePast();
};

}  // namespace deepseek::reconcile
