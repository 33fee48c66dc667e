#pragma once
// Rotary angles with yarn scaling (Peng et al., "YaRN", arXiv 2309.00071), as DeepSeek applies it:
// static, at every position.

#include <cstdint>
#include <vector>

#include "engine/arch/model_spec.h"

namespace deepseek::engine {

struct RopeAngles {
  std::vector<float> cos, sin;  // [positions, rope_dim / 2], times the table's factor
};

/// Inverse frequencies [rope_dim / 2] after scaling.
std::vector<double> RopeFrequencies(const RopeSpec& rope, int32_t rope_dim);
/// Computed in double, rounded once.
RopeAngles BuildRope(const RopeSpec& rope, int32_t rope_dim, int32_t positions);
/// (nope + rope)^-0.5, times the square of yarn's mscale_all_dim term.
double MlaSoftmaxScale(const ModelSpec& spec);

}  // namespace deepseek::engine
