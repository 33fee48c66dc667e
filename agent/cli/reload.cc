#include "agent/cli/reload.h"

#include <utility>

#include "base/files.h"
#include "base/log.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::agent {

Reload::Reload(const ServeOptions& options, bool level_is_fixed, EdgeTelemetry& telemetry)
    : config_(options.config),
      level_is_fixed_(level_is_fixed),
      level_(options.log_level),
      telemetry_(telemetry),
      keys_path_(options.api_keys) {
  if (!options.tls_cert.empty())
    files_.emplace(options.tls_cert, options.tls_key, options.client_ca);
}

absl::Status Reload::Open(absl::Time now) {
  if (files_) {
    ASSIGN_OR_RETURN(tls_, files_->Load());
    RETURN_IF_ERROR(files_->CheckDates(now));
    telemetry_.SetCertificateEnd(files_->not_after());
  }
  if (!keys_path_.empty()) {
    ASSIGN_OR_RETURN(keys_, auth::ApiKeyFile::Open(keys_path_));
    log::Info("API keys are asked for", {{"keys", keys_->size()}});
  }
  return absl::OkStatus();
}

void Reload::Tick(absl::Time now) {
  if (files_) {
    Report(tls_watch_, files_->Refresh(now));
    telemetry_.SetCertificateEnd(files_->not_after());
  }
  if (keys_) Report(keys_watch_, keys_->Refresh());
  if (!config_.empty() && !level_is_fixed_) Report(config_watch_, RefreshLogLevel());
}

absl::StatusOr<bool> Reload::RefreshLogLevel() {
  ASSIGN_OR_RETURN(const std::string yaml, ReadTextFile(config_));
  ASSIGN_OR_RETURN(const std::string level, LogLevelOf(yaml, config_));
  if (level == level_) return false;
  RETURN_IF_ERROR(log::SetLevelByName(level));
  level_ = level;
  return true;
}

void Reload::Report(Watched& watched, const absl::StatusOr<bool>& changed) {
  if (changed.ok()) {
    if (*changed) {
      telemetry_.OnReloaded(watched.what);
      log::Info("taken anew", {{"what", Name(watched.what)}});
    }
    watched.last_error.clear();
    return;
  }
  telemetry_.OnReloadFailed(watched.what);
  std::string error(ToStd(changed.status().message()));
  if (error == watched.last_error) return;
  log::Warn("cannot be taken anew, what was good stays in use",
            {{"what", Name(watched.what)}, {"reason", error}});
  watched.last_error = std::move(error);
}

}  // namespace deepseek::agent
