#pragma once
// A certificate and its key in two files that may be replaced at any time (a mounted Secret), and
// optionally the authorities whose client certificates are asked for.

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/http/server_tls.h"

namespace deepseek::http {

/// Not thread-safe: one thread refreshes.
class CertificateFiles {
 public:
  /// `client_ca_file` empty: no client certificates are asked for.
  CertificateFiles(std::string cert_file, std::string key_file, std::string client_ca_file = "")
      : cert_file_(std::move(cert_file)),
        key_file_(std::move(key_file)),
        client_ca_file_(std::move(client_ca_file)) {}

  absl::StatusOr<std::shared_ptr<ServerTls>> Load();
  /// Reads again; true if the material is another one and in use now. On an error (half-written
  /// files, a key of another certificate, a certificate whose time is over or has not come) the
  /// last good material stays.
  absl::StatusOr<bool> Refresh(absl::Time now);
  /// kFailedPrecondition: what is in use is not valid at `now`.
  absl::Status CheckDates(absl::Time now) const;
  /// When the certificate in use ends. After Load.
  absl::Time not_after() const { return validity_.not_after; }

 private:
  absl::StatusOr<TlsMaterial> Read() const;
  absl::Status Named(const absl::Status& status) const;
  absl::Status CheckDates(const Validity& validity, absl::Time now) const;

  const std::string cert_file_, key_file_, client_ca_file_;
  TlsMaterial used_;
  Validity validity_;
  std::shared_ptr<ServerTls> tls_;
};

}  // namespace deepseek::http
