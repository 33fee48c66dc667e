#pragma once
// Sampling of one row, a pure function: every backend's Sample gives these ids.
//
// Order: repetition penalty (prompt and generated tokens), frequency and presence penalty
// (generated tokens), logit bias, ids that are not allowed fall out; greedy stops here. Then
// temperature, min_p, top_k, top_p (over what top_k left, renormalised), and the inverse of the
// cumulative distribution over the kept ids in ascending order, at PositionUniform(seed, choice,
// position). Log-probs are those of the raw logits.

#include <vector>

#include "absl/types/span.h"
#include "engine/kernels/reference/draw.h"
#include "engine/kernels/sampling.h"

namespace deepseek::engine {

/// Working memory, kept between rows so that a step allocates nothing once it has warmed up.
struct SampleScratch {
  std::vector<float> logits;    // [vocab] after penalties and bias
  std::vector<int32_t> order;   // candidate ids
  std::vector<int32_t> counts;  // [vocab] generated occurrences; all zero between calls
  DrawScratch draw;
};

/// `logits` is one row [vocab]. Ids of histories and biases outside the vocabulary are ignored.
SampleResult SampleRow(absl::Span<const float> logits, const SampleSpec& spec,
                       SampleScratch* scratch);

}  // namespace deepseek::engine
