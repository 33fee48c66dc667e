#pragma once
// Where the time and the bytes of the serving steps go, by operation. Plain counters: EngineOptions
// carries one to have them filled (engine/profiling_backend.h does it); without, nothing is counted
// and the backend is called directly.

#include <array>
#include <cstdint>
#include <string_view>

namespace deepseek::engine {

/// In the order of a forward pass.
enum class Op : uint8_t {
  kEmbed,
  kNorm,
  kQuery,     ///< q_proj, or q_a_proj and q_b_proj
  kKeyValue,  ///< kv_a_proj_with_mqa, or k_proj and v_proj
  kRope,
  kAppend,   ///< latent norm, rope and the write to the cache
  kAttend,   ///< with kv_b_proj for MLA
  kOutput,   ///< o_proj
  kRouter,   ///< scores of the experts
  kRoute,    ///< top-k of the scores
  kExperts,  ///< routed and shared
  kDense,    ///< FFN of a layer without experts
  kHead,     ///< gather of the logit rows, lm_head
  kSample,
  kOther,  ///< any other linear (MTP's eh_proj)
  kCount,
};
/// "embed", "norm", "query", ...
std::string_view Name(Op op);

struct OpCost {
  int64_t calls = 0;
  double seconds = 0;        ///< wall time
  double cpu_seconds = 0;    ///< of all threads of the process
  int64_t weight_bytes = 0;  ///< packed weights read, each matrix once per call
  int64_t kv_bytes = 0;      ///< cache read, each position once per sequence and call
  double flops = 0;          ///< a multiply and an add count as two

  OpCost& operator+=(const OpCost& o);
  OpCost& operator-=(const OpCost& o);
};

/// Not thread-safe. Read and written on the step thread; others may touch it while no request runs.
struct StepProfile {
  enum class Mode : uint8_t { kOff, kCount, kTime };  ///< kTime: counts and times

  Mode mode = Mode::kOff;
  std::array<OpCost, static_cast<size_t>(Op::kCount)> ops{};
  int64_t steps = 0, rows = 0;
  /// Distinct experts that a Moe call read, summed over the calls, and the (row, expert) pairs.
  int64_t experts_read = 0, expert_pairs = 0;

  OpCost& at(Op op) { return ops[static_cast<size_t>(op)]; }
  const OpCost& at(Op op) const { return ops[static_cast<size_t>(op)]; }
  OpCost Total() const;
  /// What was counted since `before`, a copy of this profile taken earlier.
  StepProfile Since(const StepProfile& before) const;
  /// Adds another profile's counts.
  StepProfile& operator+=(const StepProfile& o);
};

}  // namespace deepseek::engine
