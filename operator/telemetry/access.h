#pragma once
// May the bearer of this token read our metrics? The API server says.

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "operator/kube/client.h"

namespace deepseek::telemetry {

/// TokenReview (who is it?) and SubjectAccessReview (may it get this path?), as kube-rbac-proxy and
/// controller-runtime do. Thread-safe. Answers are remembered for a while (see access.cc), by a
/// hash of the token, so that a scrape every few seconds costs no two calls each.
class Access {
 public:
  /// `now`: a clock that only goes forward.
  Access(kube::Client client, std::function<absl::Time()> now);

  /// OK; kUnauthenticated: no token, or nobody's; kPermissionDenied: somebody without the right,
  /// who is named; else the API server could not be asked.
  absl::Status Check(std::string_view authorization_header, std::string_view path);

 private:
  struct Known {
    absl::Status answer;
    absl::Time until;
  };
  absl::Status Ask(const std::string& token, std::string_view path);

  kube::Client client_;
  const std::function<absl::Time()> now_;
  std::mutex mutex_;
  std::map<std::string, Known> known_;
};

}  // namespace deepseek::telemetry
