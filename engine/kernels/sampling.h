#pragma once
// Sampling as a backend operation: one row of logits in, one id (and asked-for log-probs) out.

#include <cstdint>
#include <utility>
#include <vector>

namespace deepseek::engine {

/// Logits are clamped to this after penalties and biases, which can overflow although the row was
/// finite.
inline constexpr float kLargestLogit = 1e30F;

/// What to do with one row of logits. Penalties count the tokens in `history`.
struct SampleSpec {
  int32_t row = 0;           ///< row of the logits buffer
  int32_t given = -1;        ///< not -1: nothing is drawn, the log-probs of this id are wanted
  float temperature = 1.0F;  ///< 0: greedy (lowest id wins a tie)
  float top_p = 1.0F;
  int32_t top_k = 0;
  float min_p = 0.0F;
  float presence_penalty = 0.0F;
  float frequency_penalty = 0.0F;
  float repetition_penalty = 1.0F;
  uint64_t seed = 0;
  uint32_t choice = 0;
  uint32_t position =
      0;  ///< position of the token being sampled: noise = Philox(seed, choice, position)
  const std::vector<int32_t>* prompt = nullptr;     ///< for repetition_penalty
  const std::vector<int32_t>* generated = nullptr;  ///< for all penalties
  const std::vector<std::pair<int32_t, float>>* logit_bias = nullptr;
  /// Bit i % 64 of word i / 64: id i may be chosen; null: every one. At least one bit is set.
  const uint64_t* allowed = nullptr;
  int32_t top_logprobs = -1;
};

/// The row's largest logit as it stands is all that is asked for.
inline bool IsPlainGreedy(const SampleSpec& spec) {
  return spec.given < 0 && spec.temperature <= 0 && spec.top_logprobs < 0 &&
         spec.presence_penalty == 0 && spec.frequency_penalty == 0 &&
         spec.repetition_penalty == 1 && spec.allowed == nullptr &&
         (spec.logit_bias == nullptr || spec.logit_bias->empty());
}

struct SampleResult {
  int32_t id = 0;
  float logprob = 0;  ///< natural log, before penalties and temperature
  std::vector<std::pair<int32_t, float>> top;
  bool finite = true;  ///< false: the row held NaN or infinity; id is then 0 and must not be used
};

}  // namespace deepseek::engine
