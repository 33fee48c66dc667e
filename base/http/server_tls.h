#pragma once
// The certificate and key that a server presents, replaceable while it serves.

#include <memory>
#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace boost::asio::ssl {
class context;
}

namespace deepseek::http {

/// Thread-safe. TLS 1.2 or later; no client certificates are asked for.
class ServerTls {
 public:
  /// `cert_pem`: the leaf first, then its issuers. kInvalidArgument: malformed, or the key does not
  /// belong to the certificate.
  static absl::StatusOr<std::shared_ptr<ServerTls>> Make(const std::string& cert_pem,
                                                         const std::string& key_pem);
  /// For connections from now on; after an error the last good pair stays.
  absl::Status Replace(const std::string& cert_pem, const std::string& key_pem);

  /// For base/http.
  std::shared_ptr<boost::asio::ssl::context> context() const;

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<boost::asio::ssl::context> context_;
};

struct KeyPair {
  std::string cert_pem, key_pem;
};

/// A P-256 certificate that nobody vouches for, valid for a year: good enough against onlookers,
/// and what is served until an administrator gives a better one. `dns_name` is its name.
absl::StatusOr<KeyPair> SelfSigned(const std::string& dns_name);

}  // namespace deepseek::http
