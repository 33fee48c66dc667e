#pragma once
// One id out of a row of logits by probability, a pure function.
//
// Bound by passes over the vocabulary: 129k logits take 0.45 ms of a Zen 3 core without filters,
// since no pass has a branch or a serial chain, and top_k and top_p look closely only at blocks of
// the row that can hold one of the best. (kernel_bench --benchmark_filter=sample measures it.)

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "engine/kernels/sampling.h"

namespace deepseek::engine {

/// The order of ids by their logits: greater first, the lower id on a tie.
struct Better {
  absl::Span<const float> logits;
  bool operator()(int32_t a, int32_t b) const {
    const float la = logits[static_cast<size_t>(a)];
    const float lb = logits[static_cast<size_t>(b)];
    return la != lb ? la > lb : a < b;
  }
};

/// Working memory, kept between rows.
struct DrawScratch {
  std::vector<float> weights;  // [vocab] exp((logit - max) / temperature), 0 for what fell out
  std::vector<float> blocks;   // the largest logit of each block
  std::vector<int32_t> order;  // candidate ids
  std::vector<int32_t> best;   // the first of them, sorted
};

/// `logits` [vocab > 0]: at least one finite, none NaN, -infinity for what must not be drawn. Uses
/// temperature (> 0), min_p, top_k, top_p and the noise of `spec`; a greater logit comes first,
/// among equal ones the lower id.
int32_t Draw(absl::Span<const float> logits, const SampleSpec& spec, DrawScratch* scratch);

}  // namespace deepseek::engine
