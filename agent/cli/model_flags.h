#pragma once
// Flags that several commands share, and how every command ends.

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/arch/options.h"

namespace CLI {
class App;
}

namespace deepseek::agent {

/// As given on the command line; ToOptions checks them.
struct ModelFlags {
  std::string model;
  std::string device = "auto";
  std::string compute = "auto";
  std::string weights = "native";
  std::string kv = "auto";
  int threads = 0;
  int32_t max_context = 0;
  int64_t kv_memory_bytes = 0;
};

/// --model, --device, --compute, --weights, --kv, --threads, --max-context, --kv-memory. `flags` must outlive `app`.
void AddModelFlags(CLI::App& app, ModelFlags* flags);

/// kInvalidArgument names the flag.
absl::StatusOr<engine::ModelOptions> ToOptions(const ModelFlags& flags);

/// Prints a failure as one line on stderr; the exit code of api.md.
int Report(const absl::Status& status);

/// `status` of a file that the user named: a wrong use (exit code 1), whatever is wrong with the file.
absl::Status AsWrongUse(const absl::Status& status);

}  // namespace deepseek::agent
