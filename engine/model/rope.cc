#include "engine/model/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace deepseek::engine {
namespace {

// Yarn's attention temperature term.
double Mscale(double factor, double mscale) {
  return factor <= 1 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0;
}

// Long waves are stretched, short ones stay, between the two a linear mix (Llama 3.1's release).
void ScaleLlama3(const RopeSpec& rope, std::vector<double>* frequencies) {
  for (double& f : *frequencies) {
    const double turns = rope.original_max_positions * f / (2 * std::numbers::pi);
    if (turns < rope.low_freq_factor) {
      f /= rope.factor;
    } else if (turns <= rope.high_freq_factor) {
      const double share =
          (turns - rope.low_freq_factor) / (rope.high_freq_factor - rope.low_freq_factor);
      f = (1 - share) * f / rope.factor + share * f;
    }
  }
}

// What cos and sin are multiplied by.
double TableFactor(const RopeSpec& rope) {
  if (rope.scaling != RopeScaling::kYarn) return 1;
  if (rope.attention_factor != 0) return rope.attention_factor;
  return Mscale(rope.factor, rope.mscale) / Mscale(rope.factor, rope.mscale_all_dim);
}

}  // namespace

std::vector<double> RopeFrequencies(const RopeSpec& rope, int32_t rope_dim) {
  std::vector<double> frequencies(static_cast<size_t>(rope_dim / 2));
  for (size_t i = 0; i < frequencies.size(); ++i) {
    frequencies[i] = std::pow(rope.theta, -2.0 * static_cast<double>(i) / rope_dim);
  }
  if (rope.scaling == RopeScaling::kLinear) {
    for (double& f : frequencies) f /= rope.factor;
  }
  if (rope.scaling == RopeScaling::kLlama3) ScaleLlama3(rope, &frequencies);
  if (rope.scaling != RopeScaling::kYarn) return frequencies;
  // The channel whose wave makes `rotations` turns within the original length.
  const auto correction = [&](double rotations) {
    return rope_dim * std::log(rope.original_max_positions / (rotations * 2 * std::numbers::pi)) /
           (2 * std::log(rope.theta));
  };
  // Clamped to rope_dim - 1, not rope_dim / 2 - 1: as in the official code.
  const double low = std::max(std::floor(correction(rope.beta_fast)), 0.0);
  double high = std::min(std::ceil(correction(rope.beta_slow)), rope_dim - 1.0);
  if (low == high) high += 0.001;
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    frequencies[i] = frequencies[i] / rope.factor * ramp + frequencies[i] * (1 - ramp);
  }
  return frequencies;
}

RopeAngles BuildRope(const RopeSpec& rope, int32_t rope_dim, int32_t positions) {
  const std::vector<double> frequencies = RopeFrequencies(rope, rope_dim);
  const double factor = TableFactor(rope);
  RopeAngles angles;
  angles.cos.reserve(frequencies.size() * static_cast<size_t>(positions));
  angles.sin.reserve(frequencies.size() * static_cast<size_t>(positions));
  for (int32_t p = 0; p < positions; ++p) {
    for (const double f : frequencies) {
      angles.cos.push_back(static_cast<float>(std::cos(p * f) * factor));
      angles.sin.push_back(static_cast<float>(std::sin(p * f) * factor));
    }
  }
  return angles;
}

double MlaSoftmaxScale(const ModelSpec& spec) {
  double scale = 1.0 / std::sqrt(static_cast<double>(spec.nope_dim + spec.rope_dim));
  if (spec.rope.scaling == RopeScaling::kYarn && spec.rope.mscale_all_dim != 0) {
    const double m = Mscale(spec.rope.factor, spec.rope.mscale_all_dim);
    scale *= m * m;
  }
  return scale;
}

}  // namespace deepseek::engine
