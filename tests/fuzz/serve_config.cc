// Any bytes as the YAML file of `deepseek-agent serve --config`, and its values as options.

#include <CLI/CLI.hpp>

#include "agent/cli/bytes_flag.h"
#include "agent/cli/serve_options.h"
#include "base/status.h"
#include "tests/fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace deepseek;
  agent::ServeOptions options;
  CLI::App app;
  agent::AddServeFlags(app, &options);
  const std::string yaml(reinterpret_cast<const char*>(data), size);
  const absl::Status applied = agent::ApplyConfig(app, yaml, "fuzz.yaml");
  if (!applied.ok()) {
    fuzz::Require(ExitCode(applied) == 1, "a bad file is wrong use");
    return 0;
  }
  fuzz::Require(options.max_batch >= 1 && options.max_batch <= 4096, "checks of flags hold");
  const auto model = agent::ToModelOptions(options);
  if (model.ok()) fuzz::Require(model->kv_memory_bytes >= 0, "bytes are not negative");
  for (const std::string& value : {options.max_batch_delay, options.step_target,
                                   options.drain_delay, options.drain_timeout, yaml}) {
    const auto duration = agent::ParseDurationFlag("--x", value);
    if (duration.ok())
      fuzz::Require(*duration >= absl::ZeroDuration() && *duration < absl::InfiniteDuration(),
                    "a duration is finite and not negative");
  }
  const auto bytes = agent::ParseBytesFlag("--x", yaml);
  if (bytes.ok()) fuzz::Require(*bytes >= 0, "bytes are not negative");
  return 0;
}
