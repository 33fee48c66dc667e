#pragma once
// Cross-origin requests of browsers (the Fetch standard, section 3.2): off unless origins are
// named.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/http/server.h"

namespace deepseek::agent {

/// Immutable, hence thread-safe.
class Cors {
 public:
  Cors() = default;
  explicit Cors(std::vector<std::string> origins) : origins_(std::move(origins)) {}

  /// The answer to a preflight of an allowed origin. It needs no key: browsers send none with it.
  std::optional<http::Response> Preflight(const http::Request& request) const;
  /// Lets pages of the request's origin read `response`, if that origin is allowed.
  void Allow(const http::Request& request, http::Response* response) const;
  /// The same for whatever is sent through the writer.
  std::shared_ptr<http::ResponseWriter> Allow(const http::Request& request,
                                              std::shared_ptr<http::ResponseWriter> writer) const;

 private:
  /// Empty: not allowed.
  std::string_view OriginOf(const http::Request& request) const;
  std::vector<std::string> origins_;
};

/// An origin as browsers send it: https://HOST or http://HOST:PORT, in lower case. No wildcards:
/// any page could use what the visitor's network may reach.
absl::Status CheckOrigin(std::string_view origin);

}  // namespace deepseek::agent
