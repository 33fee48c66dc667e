#pragma once
// A small blocking HTTP client for people's tools: one request, the answer in pieces as it arrives. Verifies TLS
// certificates against the system's roots. Not for the Kubernetes API: that is operator/kube's transport.

#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/http/message.h"

namespace deepseek::http {

struct Url {
  bool tls = false;
  std::string host;
  std::string port;     ///< "443" or "80" unless given
  std::string path;     ///< without a trailing slash; empty for the root
};

/// "http://host:port/base", "https://...". kInvalidArgument names what is wrong.
absl::StatusOr<Url> ParseUrl(std::string_view text);

struct FetchOptions {
  absl::Duration connect_timeout = absl::Seconds(10);
  absl::Duration idle_timeout = absl::Minutes(5);   ///< between two pieces of the answer
  std::function<bool()> cancelled;                  ///< asked several times a second; may be null
};

/// Gets a piece of the body; false stops the transfer.
using OnPiece = std::function<bool(int status, std::string_view piece)>;

/// `request.target` is appended to url.path. Returns the HTTP status once the body is complete. kUnavailable: cannot
/// connect, or cut in the middle; kDeadlineExceeded; kCancelled: by `cancelled` or OnPiece.
absl::StatusOr<int> Fetch(const Url& url, const Request& request, const OnPiece& on_piece,
                          const FetchOptions& options = {});

}  // namespace deepseek::http
