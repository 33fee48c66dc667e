#pragma once
// A certificate and its key in two files that may be replaced at any time (a mounted Secret).

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/http/server_tls.h"

namespace deepseek::telemetry {

/// Not thread-safe: one thread refreshes.
class CertificateFiles {
 public:
  CertificateFiles(std::string cert_file, std::string key_file)
      : cert_file_(std::move(cert_file)), key_file_(std::move(key_file)) {}

  absl::StatusOr<std::shared_ptr<http::ServerTls>> Load();
  /// Reads again; true if the pair is another one and in use now. On an error (half-written files,
  /// a key of another certificate) the last good pair stays.
  absl::StatusOr<bool> Refresh();

 private:
  absl::StatusOr<http::KeyPair> Read() const;

  const std::string cert_file_, key_file_;
  http::KeyPair used_;
  std::shared_ptr<http::ServerTls> tls_;
};

}  // namespace deepseek::telemetry
