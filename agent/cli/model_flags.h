#pragma once
// Flags that several commands share, and how every command ends.

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/arch/options.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace deepseek::agent {

inline constexpr char kIsaHelp[] =
    "the CPU's kernels: auto | amx | avx512_bf16 | avx512 | avx2 | baseline";

/// As given on the command line; ToOptions checks them.
struct ModelFlags {
  std::string model;
  std::string device = "auto";
  std::string compute = "auto";
  std::string weights = "native";
  std::string kv = "auto";
  std::string isa = "auto";
  int threads = 0;
  int32_t max_context = 0;
  std::string kv_memory = "0";
};

/// --model, --device, --compute, --weights, --kv, --isa, --threads, --max-context, --kv-memory.
/// `flags` must outlive `app`.
void AddModelFlags(CLI::App& app, ModelFlags* flags);

/// kInvalidArgument names the flag.
absl::StatusOr<engine::ModelOptions> ToOptions(const ModelFlags& flags);

/// For commands that know how many tokens a sequence can have: sets max_context where the user left
/// it open, so that a short question to a large model takes no cache for its longest context.
absl::Status LimitContext(int64_t tokens, engine::ModelOptions* options);

/// Prints a failure as one line on stderr; the exit code of api.md.
int Report(const absl::Status& status);

/// `status` of a file that the user named: a wrong use (exit code 1), whatever is wrong with the
/// file. `flag`: goes before the message.
absl::Status AsWrongUse(const absl::Status& status, std::string_view flag = "");

/// The option takes integers from `low` to `high`; others, those beyond 64 bits too, are refused
/// with that range.
void Within(CLI::Option* option, int64_t low, uint64_t high = INT32_MAX);

}  // namespace deepseek::agent
