#include "base/http/client_tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

#include "base/status.h"
#include "base/strings.h"

namespace deepseek::http {
namespace {

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

Bio Memory(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), &BIO_free);
}

absl::Status Error(std::string_view what) {
  char reason[256] = "malformed PEM";
  if (const unsigned long code = ERR_get_error(); code != 0) {
    ERR_error_string_n(code, reason, sizeof(reason));
  }
  ERR_clear_error();
  return absl::InvalidArgumentError(StrCat("TLS: ", what, ": ", reason));
}

Certificate NextCertificate(BIO* bio) {
  return Certificate(PEM_read_bio_X509(bio, nullptr, nullptr, nullptr), &X509_free);
}

absl::Status TrustOnly(const std::string& ca_pem, SSL_CTX* context) {
  X509_STORE* store = X509_STORE_new();
  SSL_CTX_set_cert_store(context, store);  // takes ownership, and drops the system's roots
  const Bio bio = Memory(ca_pem);
  int count = 0;
  while (const Certificate root = NextCertificate(bio.get())) {
    if (X509_STORE_add_cert(store, root.get()) != 1) return Error("CA certificate");
    ++count;
  }
  if (count == 0) return Error("CA bundle has no certificate");
  ERR_clear_error();  // the end of the file is reported as an error too
  return absl::OkStatus();
}

absl::Status Present(const ClientTls& tls, SSL_CTX* context) {
  const Bio bio = Memory(tls.cert_pem);
  const Certificate leaf = NextCertificate(bio.get());
  if (!leaf || SSL_CTX_use_certificate(context, leaf.get()) != 1) {
    return Error("certificate");
  }
  while (const Certificate issuer = NextCertificate(bio.get())) {
    if (SSL_CTX_add1_chain_cert(context, issuer.get()) != 1) return Error("certificate chain");
  }
  ERR_clear_error();
  const Bio key_bio = Memory(tls.key_pem);
  const Key key(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, nullptr, nullptr), &EVP_PKEY_free);
  if (!key) return Error("key");
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1) {
    return Error("the key does not belong to the certificate");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ConfigureTls(const ClientTls& tls, SSL_CTX* context) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_read_ahead(context, 1);  // a record is one system call, not two
  if (tls.ca_pem.empty()) {
    if (SSL_CTX_set_default_verify_paths(context) != 1) return Error("the system's roots");
  } else {
    RETURN_IF_ERROR(TrustOnly(tls.ca_pem, context));
  }
  if (tls.cert_pem.empty() != tls.key_pem.empty()) {
    return absl::InvalidArgumentError("TLS: a certificate and its key belong together");
  }
  if (!tls.cert_pem.empty()) RETURN_IF_ERROR(Present(tls, context));
  return absl::OkStatus();
}

}  // namespace deepseek::http
