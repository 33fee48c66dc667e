#pragma once
// The certificate and key that a server presents, replaceable while it serves. OpenSSL and Asio
// stay in the .cc file.

#include <memory>
#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace boost::asio::ssl {
class context;
}

namespace deepseek::http {

/// What a server presents and whom it asks for.
struct TlsMaterial {
  std::string cert_pem;       ///< the leaf first, then its issuers
  std::string key_pem;        ///< of the leaf
  std::string client_ca_pem;  ///< clients must have a certificate of one of these; empty: need none

  bool operator==(const TlsMaterial&) const = default;
};

/// Thread-safe. TLS 1.2 or later.
class ServerTls {
 public:
  /// kInvalidArgument: malformed, or the key does not belong to the certificate.
  static absl::StatusOr<std::shared_ptr<ServerTls>> Make(TlsMaterial material);
  static absl::StatusOr<std::shared_ptr<ServerTls>> Make(const std::string& cert_pem,
                                                         const std::string& key_pem) {
    return Make({cert_pem, key_pem, ""});
  }
  /// For connections from now on; after an error the last good material stays.
  absl::Status Replace(TlsMaterial material);

  /// What is in use now: another pointer after each Replace.
  std::shared_ptr<const TlsMaterial> material() const;
  /// The same for base/http.
  std::shared_ptr<boost::asio::ssl::context> context() const;

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const TlsMaterial> material_;
  std::shared_ptr<boost::asio::ssl::context> context_;
};

struct Validity {
  absl::Time not_before, not_after;
};
/// Of the first certificate.
absl::StatusOr<Validity> ValidityOf(const std::string& cert_pem);

struct KeyPair {
  std::string cert_pem, key_pem;
};

/// A P-256 certificate that nobody vouches for, valid for a year: good enough against onlookers,
/// and what is served until an administrator gives a better one. `dns_name` is its name.
absl::StatusOr<KeyPair> SelfSigned(const std::string& dns_name);

}  // namespace deepseek::http
