#include "base/http/server_tls.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <boost/asio/ssl.hpp>
#include <utility>

#include "base/http/client_tls.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::http {
namespace {

constexpr long kYear = 365L * 24 * 3600;
constexpr long kClockSkew = 3600;

/// Sessions of one context are resumed by no other one: a new client CA asks everybody again.
constexpr unsigned char kSessionContext[] = "deepseek";

absl::StatusOr<std::shared_ptr<boost::asio::ssl::context>> NewContext(const TlsMaterial& material) {
  try {
    auto context =
        std::make_shared<boost::asio::ssl::context>(boost::asio::ssl::context::tls_server);
    if (material.cert_pem.empty())
      return absl::InvalidArgumentError("TLS: a server needs a certificate and its key");
    SSL_CTX* native = context->native_handle();
    RETURN_IF_ERROR(ConfigureTls({.ca_pem = material.client_ca_pem,
                                  .cert_pem = material.cert_pem,
                                  .key_pem = material.key_pem,
                                  .server_name = ""},
                                 native));
    SSL_CTX_set_session_id_context(native, kSessionContext, sizeof(kSessionContext) - 1);
    if (!material.client_ca_pem.empty())
      SSL_CTX_set_verify(native, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    return context;
  } catch (const std::exception& e) {
    return absl::InternalError(StrCat("TLS: ", e.what()));
  }
}

template <typename T, void (*Free)(T*)>
struct Deleter {
  void operator()(T* value) const { Free(value); }
};
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY, EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Deleter<X509, X509_free>>;
using Bio = std::unique_ptr<BIO, Deleter<BIO, BIO_free_all>>;

std::string Text(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<size_t>(size)};
}

}  // namespace

absl::StatusOr<std::shared_ptr<ServerTls>> ServerTls::Make(TlsMaterial material) {
  auto tls = std::make_shared<ServerTls>();
  RETURN_IF_ERROR(tls->Replace(std::move(material)));
  return tls;
}

absl::Status ServerTls::Replace(TlsMaterial material) {
  ASSIGN_OR_RETURN(std::shared_ptr<boost::asio::ssl::context> context, NewContext(material));
  auto shared = std::make_shared<const TlsMaterial>(std::move(material));
  const std::lock_guard lock(mutex_);
  material_ = std::move(shared);
  context_ = std::move(context);
  return absl::OkStatus();
}

std::shared_ptr<const TlsMaterial> ServerTls::material() const {
  const std::lock_guard lock(mutex_);
  return material_;
}

std::shared_ptr<boost::asio::ssl::context> ServerTls::context() const {
  const std::lock_guard lock(mutex_);
  return context_;
}

absl::StatusOr<Validity> ValidityOf(const std::string& cert_pem) {
  const Bio bio(BIO_new_mem_buf(cert_pem.data(), static_cast<int>(cert_pem.size())));
  const Certificate cert(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  tm begin{}, end{};
  if (cert == nullptr || ASN1_TIME_to_tm(X509_get0_notBefore(cert.get()), &begin) != 1 ||
      ASN1_TIME_to_tm(X509_get0_notAfter(cert.get()), &end) != 1) {
    ERR_clear_error();
    return absl::InvalidArgumentError("TLS: certificate: malformed PEM");
  }
  return Validity{absl::FromTM(begin, absl::UTCTimeZone()), absl::FromTM(end, absl::UTCTimeZone())};
}

absl::StatusOr<KeyPair> SelfSigned(const std::string& dns_name) {
  const Key key(EVP_EC_gen("P-256"));
  const Certificate cert(X509_new());
  unsigned char serial[8] = {};
  if (key == nullptr || cert == nullptr || RAND_bytes(serial, sizeof(serial)) != 1)
    return absl::InternalError("TLS: no key could be made");
  serial[0] &= 0x7F;
  X509_set_version(cert.get(), 2);
  std::unique_ptr<BIGNUM, Deleter<BIGNUM, BN_free>> number(
      BN_bin2bn(serial, sizeof(serial), nullptr));
  BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(cert.get()));
  X509_gmtime_adj(X509_getm_notBefore(cert.get()), -kClockSkew);
  X509_gmtime_adj(X509_getm_notAfter(cert.get()), kYear);
  X509_NAME* name = X509_get_subject_name(cert.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("deepseek-operator"), -1, -1,
                             0);
  X509_set_issuer_name(cert.get(), name);
  X509_set_pubkey(cert.get(), key.get());
  const std::string san = StrCat("DNS:", dns_name);
  X509_EXTENSION* extension =
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, san.c_str());
  if (extension == nullptr) {
    ERR_clear_error();
    return absl::InvalidArgumentError(StrCat("TLS: '", dns_name, "' is no DNS name"));
  }
  X509_add_ext(cert.get(), extension, -1);
  X509_EXTENSION_free(extension);
  if (X509_sign(cert.get(), key.get(), EVP_sha256()) == 0)
    return absl::InternalError("TLS: the certificate could not be signed");
  const Bio cert_bio(BIO_new(BIO_s_mem())), key_bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(cert_bio.get(), cert.get());
  PEM_write_bio_PrivateKey(key_bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  return KeyPair{Text(cert_bio.get()), Text(key_bio.get())};
}

}  // namespace deepseek::http
