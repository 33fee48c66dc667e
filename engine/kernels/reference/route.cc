#include "engine/kernels/reference/route.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace deepseek::engine {
namespace {

constexpr float kOut = -std::numeric_limits<float>::infinity();

// Sum of the two best choices of a group.
float BestTwo(const float* choice, int32_t size) {
  float first = kOut;
  float second = kOut;
  for (int32_t i = 0; i < size; ++i) {
    if (choice[i] > first) {
      second = first;
      first = choice[i];
    } else if (choice[i] > second) {
      second = choice[i];
    }
  }
  return first + second;
}

int32_t Best(const float* values, int32_t n) {
  return static_cast<int32_t>(std::max_element(values, values + n) - values);
}

// scores -> probabilities over all experts.
void SoftmaxScores(const float* scores, int32_t n, float* out) {
  const float max = *std::max_element(scores, scores + n);
  float sum = 0;
  for (int32_t e = 0; e < n; ++e) sum += out[e] = std::exp(scores[e] - max);
  for (int32_t e = 0; e < n; ++e) out[e] /= sum;
}

}  // namespace

void RouteRow(const float* scores, const float* bias, const RouteSpec& spec, int32_t* ids,
              float* weights, float* scratch) {
  float* s = scratch;                      // [experts]
  float* choice = scratch + spec.experts;  // [experts]
  float* groups = choice + spec.experts;   // [groups]
  float* kept = groups + spec.groups;      // [groups] 1: stays
  const bool sigmoid = spec.router == Router::kSigmoidNoauxTc;
  if (sigmoid) {
    for (int32_t e = 0; e < spec.experts; ++e) s[e] = 1.0F / (1.0F + std::exp(-scores[e]));
  } else {
    SoftmaxScores(scores, spec.experts, s);
  }
  for (int32_t e = 0; e < spec.experts; ++e) choice[e] = bias == nullptr ? s[e] : s[e] + bias[e];
  if (spec.groups_kept < spec.groups) {
    const int32_t size = spec.experts / spec.groups;
    for (int32_t g = 0; g < spec.groups; ++g) {
      const float* group = choice + g * size;
      groups[g] = sigmoid ? BestTwo(group, size) : *std::max_element(group, group + size);
    }
    std::fill_n(kept, spec.groups, 0.0F);
    for (int32_t i = 0; i < spec.groups_kept; ++i) {
      const int32_t best = Best(groups, spec.groups);
      kept[best] = 1;
      groups[best] = kOut;
    }
    // Dropped groups leave by -infinity, not by 0: a biased score may be negative.
    for (int32_t g = 0; g < spec.groups; ++g) {
      if (kept[g] == 0) std::fill_n(choice + g * size, size, kOut);
    }
  }
  float sum = 0;
  for (int32_t k = 0; k < spec.experts_per_token; ++k) {
    ids[k] = Best(choice, spec.experts);
    choice[ids[k]] = kOut;
    weights[k] = s[ids[k]];
    sum += weights[k];
  }
  const float scale = spec.normalize ? spec.scale / (sum + 1e-20F) : spec.scale;
  for (int32_t k = 0; k < spec.experts_per_token; ++k) weights[k] *= scale;
}

}  // namespace deepseek::engine
