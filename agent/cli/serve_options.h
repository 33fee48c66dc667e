#pragma once
// What `deepseek-agent serve` is told: flags, or the same names in a YAML file.

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/arch/options.h"

namespace CLI {
class App;
}

namespace deepseek::agent {

struct ServeOptions {
  std::string model;        ///< directory or builtin:NAME
  std::string served_name;  ///< empty: the last part of `model`
  std::string http = "0.0.0.0:8000";
  std::string grpc;  ///< empty: not served
  std::string metrics = "0.0.0.0:9090";
  bool insecure = false;  ///< gRPC in plain text on other addresses than loopback
  std::string tls_cert, tls_key, client_ca;
  std::string api_keys;
  std::vector<std::string> cors_origins;
  std::string device = "auto", compute = "auto", weights = "native", kv = "auto", isa = "auto";
  int threads = 0;
  int max_context = 0;
  int max_batch = 32;
  std::string max_batch_delay = "0ms", step_target = "200ms";
  int max_queue = 1024;
  std::string max_queue_delay = "auto";  ///< or a duration
  int max_requests_per_key = 0;          ///< 0: no limit
  std::string prefix_cache = "on";       ///< or off
  int max_connections = 4096;
  std::string chat_template;
  std::string kv_memory = "0";  ///< bytes, or with a suffix of Kubernetes quantities: 512Mi, 4Gi
  std::string drain_delay = "5s", drain_timeout = "60s";
  std::string gpu_metrics = "off";  ///< auto, on or off
  std::string log_level = "info";
  std::string config;  ///< YAML file
};

/// Adds the flags of `serve` to its subcommand; they write into `options`, which must outlive
/// `app`.
void AddServeFlags(CLI::App& app, ServeOptions* options);

/// Takes from a YAML map what the command line did not give: its keys are the flags' names without
/// dashes in front. kInvalidArgument names the key: unknown, wrong type, not a map, or not YAML at
/// all.
absl::Status ApplyConfig(CLI::App& app, const std::string& yaml, const std::string& file_name);

/// What `log-level` of such a map says; "info" without. The errors of ApplyConfig, and an unknown
/// level.
absl::StatusOr<std::string> LogLevelOf(const std::string& yaml, const std::string& file_name);

/// "200ms", "5s", "1m30s"; not negative. kInvalidArgument names the flag.
absl::StatusOr<absl::Duration> ParseDurationFlag(const std::string& flag, const std::string& value);

/// "on" or "off". kInvalidArgument names the flag.
absl::StatusOr<bool> ParseSwitchFlag(const std::string& flag, const std::string& value);

/// The engine's part of the options, checked.
absl::StatusOr<engine::ModelOptions> ToModelOptions(const ServeOptions& options);

}  // namespace deepseek::agent
