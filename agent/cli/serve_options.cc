#include "agent/cli/serve_options.h"
#include "agent/cli/bytes_flag.h"

#include <yaml-cpp/yaml.h>

#include <CLI/CLI.hpp>
#include <limits>

#include "agent/cli/model_flags.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::agent {

void AddServeFlags(CLI::App& app, ServeOptions* o) {
  app.add_option("--model", o->model, "Model directory, or builtin:NAME");
  app.add_option("--served-name", o->served_name,
                 "Name that clients use (default: the directory's name)");
  app.add_option("--http", o->http, "HOST:PORT of the OpenAI API; port 0 takes a free one")
      ->capture_default_str();
  // The operator sets --grpc, --insecure and --gpu-metrics by their variables: an older agent's
  // command line would refuse them.
  app.add_option("--grpc", o->grpc,
                 "HOST:PORT of gRPC (deepseek.v1.Inference); without: not served")
      ->envname("DEEPSEEK_GRPC");
  app.add_option("--metrics", o->metrics, "HOST:PORT of /health, /ready, /metrics, /version")
      ->capture_default_str();
  app.add_option("--device", o->device, "auto, cpu or cuda")->capture_default_str();
  app.add_option("--compute", o->compute, "auto, fp32, bf16 or int8")->capture_default_str();
  app.add_option("--weights", o->weights, "native, int8 or int4")->capture_default_str();
  app.add_option("--kv", o->kv, "auto, fp32, bf16 or int8")->capture_default_str();
  app.add_option("--isa", o->isa, kIsaHelp)->envname("DEEPSEEK_ISA")->capture_default_str();
  app.add_option("--threads", o->threads, "Computing threads; 0: the CPUs that the cgroup gives")
      ->check(CLI::Range(0, 1024));
  app.add_option("--max-context", o->max_context, "Tokens of one sequence; 0: the model's limit")
      ->check(CLI::Range(0, std::numeric_limits<int>::max()));
  app.add_option("--max-batch", o->max_batch, "Sequences in one step")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  app.add_option("--max-batch-delay", o->max_batch_delay, "Wait for company before a first step")
      ->capture_default_str();
  app.add_option("--step-target", o->step_target, "Prefill is cut so that a step takes about this")
      ->capture_default_str();
  app.add_option("--max-queue", o->max_queue, "Waiting requests; one more gets a 429")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  app.add_option("--max-queue-delay", o->max_queue_delay,
                 "A longer expected wait gets a 429; auto: 30s, once the batch is full")
      ->capture_default_str();
  app.add_option("--max-requests-per-key", o->max_requests_per_key,
                 "Answers that one of --api-keys has in progress; one more gets a 429; 0: no limit")
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
  app.add_option("--prefix-cache", o->prefix_cache,
                 "on or off: requests that begin alike share their KV cache")
      ->capture_default_str();
  app.add_option("--max-connections", o->max_connections, "Open connections; one more gets a 503")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  app.add_option("--chat-template", o->chat_template,
                 "Jinja file instead of the model's own template");
  app.add_option("--kv-memory", o->kv_memory,
                 "Bytes of the KV cache (also 512Mi, 4Gi); 0: automatic")
      ->capture_default_str();
  app.add_option("--drain-delay", o->drain_delay, "After SIGTERM: still takes requests so long")
      ->capture_default_str();
  app.add_option("--drain-timeout", o->drain_timeout, "After the delay: answers may finish so long")
      ->capture_default_str();
  app.add_option("--tls-cert", o->tls_cert,
                 "Certificate chain in PEM for --http and --grpc; read again when it changes");
  app.add_option("--tls-key", o->tls_key, "Its key in PEM");
  app.add_option("--client-ca", o->client_ca,
                 "Authorities in PEM: clients need a certificate of one of them");
  app.add_flag("--insecure", o->insecure,
               "Lets --grpc without --tls-cert listen on other addresses than loopback")
      ->envname("DEEPSEEK_INSECURE");
  app.add_option("--api-keys", o->api_keys,
                 "File of hashed API keys; all routes but /health, /ready, /version ask for one");
  app.add_option("--cors-origin", o->cors_origins,
                 "Origins whose pages may call: https://HOST; several with commas")
      ->delimiter(',');
  app.add_option("--gpu-metrics", o->gpu_metrics,
                 "auto, on or off: /metrics has the GPUs too; on warns where there are none")
      ->envname("DEEPSEEK_GPU_METRICS")
      ->capture_default_str();
  app.add_option("--log-level", o->log_level, "debug, info, warn or error")->capture_default_str();
  app.add_option("--config", o->config,
                 "YAML file with these flags as keys; the command line wins");
}

absl::Status ApplyConfig(CLI::App& app, const std::string& yaml, const std::string& file_name) {
  const auto bad = [&](std::string_view why) {
    return absl::InvalidArgumentError(StrCat("config: ", file_name, ": ", why));
  };
  // yaml-cpp and CLI11 throw.
  try {
    const YAML::Node root = YAML::Load(yaml);
    if (root.IsNull()) return absl::OkStatus();
    if (!root.IsMap()) return bad("expected a map of flag: value");
    for (const auto& entry : root) {
      const auto key = entry.first.as<std::string>();
      CLI::Option* option = app.get_option_no_throw(StrCat("--", key));
      if (!option || key == "config" || key == "help") {
        return bad(StrCat("unknown key '", key, "' (see deepseek-agent serve --help)"));
      }
      if (!entry.second.IsScalar()) return bad(StrCat("key '", key, "': expected a single value"));
      if (option->count() > 0) continue;
      auto value = entry.second.as<std::string>();
      if (option->get_items_expected_max() == 0) {  // a flag
        if (value != "true" && value != "false")
          return bad(StrCat("key '", key, "': expected true or false"));
      }
      option->add_result(std::move(value));
      option->run_callback();
    }
  } catch (const std::exception& e) {
    return bad(e.what());
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> LogLevelOf(const std::string& yaml, const std::string& file_name) {
  ServeOptions options;
  CLI::App app;
  AddServeFlags(app, &options);
  RETURN_IF_ERROR(ApplyConfig(app, yaml, file_name));
  for (const std::string_view known : {"debug", "info", "warn", "error"}) {
    if (options.log_level == known) return options.log_level;
  }
  return absl::InvalidArgumentError(StrCat("config: ", file_name, ": log-level '",
                                           options.log_level,
                                           "': expected debug, info, warn or error"));
}

absl::StatusOr<absl::Duration> ParseDurationFlag(const std::string& flag,
                                                 const std::string& value) {
  absl::Duration duration;
  if (!absl::ParseDuration(value, &duration) || duration < absl::ZeroDuration() ||
      duration == absl::InfiniteDuration()) {
    return absl::InvalidArgumentError(
        StrCat(flag, ": '", value, "' is not a duration (for example 200ms, 5s, 1m30s)"));
  }
  return duration;
}

absl::StatusOr<bool> ParseSwitchFlag(const std::string& flag, const std::string& value) {
  if (value == "on") return true;
  if (value == "off") return false;
  return absl::InvalidArgumentError(StrCat(flag, ": '", value, "' is neither on nor off"));
}

absl::StatusOr<engine::ModelOptions> ToModelOptions(const ServeOptions& o) {
  engine::ModelOptions options;
  ASSIGN_OR_RETURN(options.device, engine::ParseDevice(o.device));
  ASSIGN_OR_RETURN(options.compute, engine::ParseCompute(o.compute));
  ASSIGN_OR_RETURN(options.weights, engine::ParseWeightType(o.weights));
  ASSIGN_OR_RETURN(options.kv, engine::ParseKvType(o.kv));
  ASSIGN_OR_RETURN(options.kv_memory_bytes, ParseBytesFlag("--kv-memory", o.kv_memory));
  options.isa = o.isa;
  options.threads = o.threads;
  options.max_context = o.max_context;
  options.max_batch = o.max_batch;
  return options;
}

}  // namespace deepseek::agent
