#include "base/http/certificate_files.h"

#include "base/files.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::http {

absl::Status CertificateFiles::Named(const absl::Status& status) const {
  return {status.code(),
          ToAbsl(StrCat(cert_file_, ", ", key_file_, ": ", ToStd(status.message())))};
}

absl::StatusOr<TlsMaterial> CertificateFiles::Read() const {
  TlsMaterial material;
  ASSIGN_OR_RETURN(material.cert_pem, ReadTextFile(cert_file_));
  ASSIGN_OR_RETURN(material.key_pem, ReadTextFile(key_file_));
  if (client_ca_file_.empty()) return material;
  ASSIGN_OR_RETURN(material.client_ca_pem, ReadTextFile(client_ca_file_));
  // An empty file must not mean that client certificates are no longer asked for.
  if (material.client_ca_pem.empty())
    return absl::InvalidArgumentError(StrCat(client_ca_file_, ": is empty"));
  return material;
}

absl::StatusOr<std::shared_ptr<ServerTls>> CertificateFiles::Load() {
  ASSIGN_OR_RETURN(used_, Read());
  absl::StatusOr<std::shared_ptr<ServerTls>> made = ServerTls::Make(used_);
  if (!made.ok()) return Named(made.status());
  tls_ = *std::move(made);
  ASSIGN_OR_RETURN(validity_, ValidityOf(used_.cert_pem));
  return tls_;
}

absl::StatusOr<bool> CertificateFiles::Refresh(absl::Time now) {
  ASSIGN_OR_RETURN(TlsMaterial material, Read());
  if (material == used_) return false;
  ASSIGN_OR_RETURN(const Validity validity, ValidityOf(material.cert_pem));
  RETURN_IF_ERROR(CheckDates(validity, now));
  if (const absl::Status status = tls_->Replace(material); !status.ok()) return Named(status);
  used_ = std::move(material);
  validity_ = validity;
  return true;
}

absl::Status CertificateFiles::CheckDates(absl::Time now) const {
  return CheckDates(validity_, now);
}

absl::Status CertificateFiles::CheckDates(const Validity& validity, absl::Time now) const {
  if (now >= validity.not_before && now < validity.not_after) return absl::OkStatus();
  return absl::FailedPreconditionError(
      StrCat("TLS: ", cert_file_, ": valid from ", absl::FormatTime(validity.not_before), " to ",
             absl::FormatTime(validity.not_after), " only (renew the certificate)"));
}

}  // namespace deepseek::http
