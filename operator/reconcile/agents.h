#pragma once
// What the agents of one DeepSeekDeployment say of themselves, kept between its passes.

#include <functional>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/json.h"
#include "operator/decide/observed.h"

namespace deepseek::reconcile {

/// Not thread-safe. Remembers the pods that run, and no others.
class Agents {
 public:
  /// The answer of an agent's /ready; called by several threads at once.
  using Ask = std::function<absl::StatusOr<Json>(const std::string& pod_ip)>;

  /// Asks those whose answer matters, all at the same time, and puts what they say into `cluster`:
  /// it takes as long as the slowest of them. One that does not answer (a lost node, a
  /// NetworkPolicy) is left alone for 2 s, doubling to 30 s, or until its container starts anew or
  /// its readiness changes. Meanwhile others have its turn, and while it loads, its last word
  /// counts.
  void Hear(const Ask& ask, absl::Time now, decide::Cluster* cluster);

 private:
  struct Heard {
    int restarts = 0;  ///< of the container whose words these are
    bool ready = false;
    decide::Object last;  ///< null: nothing yet
    int failures = 0;     ///< in a row
    absl::Time asked_at = absl::InfinitePast();
  };
  /// Begins anew with whoever came, started anew or changed, and forgets who is gone.
  void Follow(const decide::Observed& observed);

  std::map<std::string, Heard> heard_;  ///< by pod uid
};

}  // namespace deepseek::reconcile
