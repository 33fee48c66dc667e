#include "tests/support/tls/certificates.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <atomic>

namespace deepseek::testing_tls {
namespace {

using Key = std::shared_ptr<EVP_PKEY>;
using Certificate = std::shared_ptr<X509>;

Key NewKey() {
  return Key(EVP_EC_gen("P-256"), EVP_PKEY_free);
}

std::string Text(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string out(data, static_cast<size_t>(size));
  BIO_free(bio);
  return out;
}

std::string Pem(const Certificate& cert) {
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(bio, cert.get());
  return Text(bio);
}

std::string Pem(const Key& key) {
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  return Text(bio);
}

void Extend(X509* cert, int nid, const std::string& value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
  X509_add_ext(cert, extension, -1);
  X509_EXTENSION_free(extension);
}

Certificate Make(const std::string& common_name, const Key& key, const X509* issuer,
                 const Key& issuer_key, const std::string& san, bool expired) {
  static std::atomic<long> serial{1};
  Certificate cert(X509_new(), X509_free);
  X509_set_version(cert.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(cert.get()), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(cert.get()), expired ? -7200 : -60);
  X509_gmtime_adj(X509_getm_notAfter(cert.get()), expired ? -3600 : 3600);
  X509_NAME* name = X509_get_subject_name(cert.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1,
                             0);
  X509_set_issuer_name(cert.get(), issuer == nullptr ? name : X509_get_subject_name(issuer));
  X509_set_pubkey(cert.get(), key.get());
  if (issuer == nullptr) Extend(cert.get(), NID_basic_constraints, "critical,CA:TRUE");
  if (!san.empty()) Extend(cert.get(), NID_subject_alt_name, san);
  X509_sign(cert.get(), issuer_key.get(), EVP_sha256());
  return cert;
}

}  // namespace

Authority::Authority() : key_(NewKey()) {
  static std::atomic<int> count{0};
  cert_ = Make("test authority " + std::to_string(++count), key_, nullptr, key_, "", false);
  ca_pem_ = Pem(cert_);
}

Identity Authority::Issue(const std::string& common_name, const std::string& san,
                          bool expired) const {
  const Key key = NewKey();
  return {Pem(Make(common_name, key, cert_.get(), key_, san, expired)), Pem(key)};
}

}  // namespace deepseek::testing_tls
