#pragma once
// What `serve` takes anew while it runs: certificates, API keys, the log level of its YAML file.

#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "agent/cli/serve_options.h"
#include "agent/telemetry/edge_telemetry.h"
#include "base/auth/api_keys.h"
#include "base/http/certificate_files.h"

namespace deepseek::agent {

/// One thread uses it. A file that cannot be used changes nothing, is logged once for each new
/// reason and counted each time it is looked at.
class Reload {
 public:
  /// `options` as given on the command line and in the YAML file; `level_is_fixed`: the command
  /// line names the log level.
  Reload(const ServeOptions& options, bool level_is_fixed, EdgeTelemetry& telemetry);

  /// Reads certificates and keys for the first time. kInvalidArgument and others: `serve` must not
  /// start without what it was told to use.
  absl::Status Open(absl::Time now);
  /// Null where the options name none.
  std::shared_ptr<http::ServerTls> tls() const { return tls_; }
  std::shared_ptr<const auth::ApiKeyFile> keys() const { return keys_; }

  /// Looks at all files. Call it about once a second; cheap, since they are small.
  void Tick(absl::Time now);

 private:
  struct Watched {
    Reloaded what;
    std::string last_error;
  };
  void Report(Watched& watched, const absl::StatusOr<bool>& changed);
  absl::StatusOr<bool> RefreshLogLevel();

  const std::string config_;
  const bool level_is_fixed_;
  std::string level_;
  EdgeTelemetry& telemetry_;
  std::optional<http::CertificateFiles> files_;
  std::shared_ptr<http::ServerTls> tls_;
  std::string keys_path_;
  std::shared_ptr<auth::ApiKeyFile> keys_;
  Watched tls_watch_{Reloaded::kCertificate, {}}, keys_watch_{Reloaded::kApiKeys, {}},
      config_watch_{Reloaded::kConfig, {}};
};

}  // namespace deepseek::agent
