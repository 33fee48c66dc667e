#pragma once
// The seam under the Kubernetes client: everything that leaves or enters the process goes through a
// Transport, so tests put a fault-injecting or an in-memory API server here.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace deepseek::kube {

struct HttpRequest {
  std::string method;                          ///< GET, POST, PUT, PATCH, DELETE
  std::string path;                            ///< absolute, with query, percent-encoded
  std::map<std::string, std::string> headers;  ///< authentication is added by the transport
  std::string body;
  absl::Duration timeout = absl::Seconds(30);
};

struct HttpResponse {
  int code = 0;
  std::map<std::string, std::string> headers;  ///< lower-case names
  std::string body;
};

/// Thread-safe.
class Transport {
 public:
  virtual ~Transport() = default;
  /// An HTTP answer of any code is OK here; errors are failures to get one (kUnavailable,
  /// kDeadlineExceeded).
  virtual absl::StatusOr<HttpResponse> Send(const HttpRequest& request) = 0;
  /// Streams the lines of a watch. `on_line` returns false to stop. Returns when the stream ends
  /// (OK), is stopped (OK), fails, or `stop` returns true; `stop` is polled at least every second.
  /// `timeout` bounds the whole stream. A refusal (code outside 2xx) comes back as the response
  /// with its body; `on_line` is not called then.
  virtual absl::StatusOr<HttpResponse> Stream(
      const HttpRequest& request, const std::function<bool(std::string_view line)>& on_line,
      const std::function<bool()>& stop) = 0;
};

}  // namespace deepseek::kube
