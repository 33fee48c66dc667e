#include "operator/telemetry/certificate_files.h"

#include <fstream>
#include <sstream>
#include <utility>

#include "base/status.h"
#include "base/strings.h"

namespace deepseek::telemetry {
namespace {

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  if (!in || !(text << in.rdbuf())) return absl::NotFoundError(StrCat(path, ": cannot be read"));
  return text.str();
}

}  // namespace

absl::StatusOr<http::KeyPair> CertificateFiles::Read() const {
  http::KeyPair pair;
  ASSIGN_OR_RETURN(pair.cert_pem, ReadFile(cert_file_));
  ASSIGN_OR_RETURN(pair.key_pem, ReadFile(key_file_));
  return pair;
}

absl::StatusOr<std::shared_ptr<http::ServerTls>> CertificateFiles::Load() {
  ASSIGN_OR_RETURN(used_, Read());
  ASSIGN_OR_RETURN(tls_, http::ServerTls::Make(used_.cert_pem, used_.key_pem));
  return tls_;
}

absl::StatusOr<bool> CertificateFiles::Refresh() {
  ASSIGN_OR_RETURN(http::KeyPair pair, Read());
  if (pair.cert_pem == used_.cert_pem && pair.key_pem == used_.key_pem) return false;
  RETURN_IF_ERROR(tls_->Replace(pair.cert_pem, pair.key_pem));
  used_ = std::move(pair);
  return true;
}

}  // namespace deepseek::telemetry
