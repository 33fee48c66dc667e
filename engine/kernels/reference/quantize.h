#pragma once
// Load-time quantisation of weights, by definition: what every backend's INT8 and INT4 weights are.
//
// A group is kQuantGroup consecutive columns of one row. value = scale * code, scale a bf16 number,
// code in [-127, 127] or [-8, 7]. INT4 searches codes and scale together: for each of
// kInt4Candidates inverse scales around the one that maps the largest magnitude to -8, codes are
// rounded and the scale is refitted by least squares; the candidate that explains most of the
// group's energy wins (the first one on a tie). All steps are single IEEE float operations in
// column order, so vector code that keeps the order gives the same bits.

#include <cstdint>

#include "engine/arch/options.h"

namespace deepseek::engine {

inline constexpr int kInt4Candidates = 13;
inline constexpr int kInt4Middle = kInt4Candidates / 2;
/// Candidate c maps the largest magnitude to -(8 + kInt4Step * (c - kInt4Middle)).
inline constexpr float kInt4Step = 0.125F;
/// Below this a group counts as zero: the reciprocal of its scale would not be finite.
inline constexpr float kQuantTiny = 1e-30F;

/// n <= 128 finite values -> codes [n] and the scale.
void QuantizeGroup(const float* values, int64_t n, WeightType type, int8_t* codes, float* scale);

}  // namespace deepseek::engine
