#pragma once
// Rotary angles (arXiv 2104.09864), plain or scaled: linearly, as Llama 3.1, or by yarn (Peng et
// al., "YaRN", arXiv 2309.00071), which like the others is static: applied at every position.

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
