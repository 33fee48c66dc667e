#pragma once
// Certificates made on the spot for tests of TLS.

#include <memory>
#include <string>

#include <openssl/evp.h>
#include <openssl/x509.h>

namespace deepseek::testing_tls {

struct Identity {
  std::string cert_pem, key_pem;
};

/// An authority that signs for tests; each object is another one.
class Authority {
 public:
  Authority();
  const std::string& ca_pem() const { return ca_pem_; }
  /// `san` as OpenSSL spells it: "DNS:localhost,IP:127.0.0.1". Valid for an hour; `expired`: until
  /// an hour ago.
  Identity Issue(const std::string& common_name, const std::string& san,
                 bool expired = false) const;

 private:
  std::shared_ptr<EVP_PKEY> key_;
  std::shared_ptr<X509> cert_;
  std::string ca_pem_;
};

}  // namespace deepseek::testing_tls
