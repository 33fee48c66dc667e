#include "engine/kernels/reference/draw.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "engine/kernels/reference/philox.h"

namespace deepseek::engine {
namespace {

// What Draw promises, written down plainly: every id sorted, every weight in double.
struct Expected {
  std::vector<int32_t> kept;    // ascending
  std::vector<double> weights;  // of the kept
};

Expected Plain(const std::vector<float>& logits, const SampleSpec& spec) {
  const double max = *std::max_element(logits.begin(), logits.end());
  const auto weight = [&](int32_t id) {
    return std::exp((double{logits[static_cast<size_t>(id)]} - max) / double{spec.temperature});
  };
  std::vector<int32_t> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  std::stable_sort(ids.begin(), ids.end(), [&](int32_t a, int32_t b) {
    return logits[static_cast<size_t>(a)] > logits[static_cast<size_t>(b)];
  });
  ids.erase(std::remove_if(ids.begin(), ids.end(),
                           [&](int32_t id) { return weight(id) < double{spec.min_p}; }),
            ids.end());
  if (spec.top_k > 0 && static_cast<size_t>(spec.top_k) < ids.size()) {
    ids.resize(static_cast<size_t>(spec.top_k));
  }
  if (spec.top_p < 1) {
    double total = 0;
    for (const int32_t id : ids) total += weight(id);
    double reached = 0;
    size_t kept = 0;
    while (kept < ids.size() && reached < double{spec.top_p} * total)
      reached += weight(ids[kept++]);
    ids.resize(std::max<size_t>(kept, 1));
  }
  std::sort(ids.begin(), ids.end());
  Expected e{ids, {}};
  for (const int32_t id : ids) e.weights.push_back(weight(id));
  return e;
}

// The id at `uniform`, and how far `uniform` is from a border between two ids.
std::pair<int32_t, double> At(const Expected& e, double uniform) {
  const double total = std::accumulate(e.weights.begin(), e.weights.end(), 0.0);
  double reached = 0;
  for (size_t i = 0; i < e.kept.size(); ++i) {
    const double before = reached / total;
    reached += e.weights[i];
    if (uniform < reached / total) {
      return {e.kept[i], std::min(uniform - before, reached / total - uniform)};
    }
  }
  return {e.kept.back(), 0};
}

TEST(Draw, FollowsThePlainDefinitionOverSizesAndFilters) {
  std::mt19937 random(3);
  DrawScratch scratch;
  int compared = 0;
  for (const size_t vocab : {1, 2, 17, 127, 128, 129, 1000, 5000, 40000}) {
    for (int round = 0; round < 40; ++round) {
      std::normal_distribution<float> normal(0, round % 3 == 0 ? 0.01F : 4.0F);
      std::vector<float> logits(vocab);
      for (float& x : logits) x = normal(random);
      if (round % 5 == 1) {  // ties
        for (float& x : logits) x = std::nearbyint(x);
      }
      if (round % 7 == 2 && vocab > 1) {  // ids that must not be drawn
        for (size_t i = 0; i + 1 < vocab; i += 2) {
          logits[i] = -std::numeric_limits<float>::infinity();
        }
      }
      SampleSpec spec;
      spec.temperature = round % 2 == 0 ? 1.0F : 0.3F + 0.1F * static_cast<float>(round % 9);
      if (round % 4 == 1) spec.top_k = 1 + static_cast<int32_t>(random() % 60);
      if (round % 4 == 2) spec.top_p = 0.05F + 0.9F * static_cast<float>(random() % 100) / 100;
      if (round % 4 == 3) spec.min_p = 0.01F;
      if (round % 8 == 5) spec.top_p = 0.9F;
      const Expected expected = Plain(logits, spec);
      for (uint32_t position = 0; position < 20; ++position) {
        spec.seed = static_cast<uint64_t>(round);
        spec.position = position;
        const auto [id, margin] = At(expected, PositionUniform(spec.seed, 0, position));
        const int32_t drawn = Draw(logits, spec, &scratch);
        ASSERT_GT(logits[static_cast<size_t>(drawn)], -1e30F);
        // A border of top_p or min_p may fall on the other side by rounding, and then moves all.
        if (margin < 1e-5) continue;
        ++compared;
        EXPECT_EQ(drawn, id) << vocab << " logits, round " << round << ", position " << position;
      }
    }
  }
  EXPECT_GT(compared, 4000);
}

TEST(Draw, TopPStartsOverWithMoreWhenTheBestAreNotEnough) {
  // 20000 equal logits: a prefix of 0.9 has 18000 ids, far more than the first 256.
  const std::vector<float> logits(20000, 1.5F);
  SampleSpec spec;
  spec.top_p = 0.9F;
  DrawScratch scratch;
  int32_t largest = 0;
  for (uint32_t i = 0; i < 300; ++i) {
    spec.position = i;
    largest = std::max(largest, Draw(logits, spec, &scratch));
  }
  EXPECT_LT(largest, 18001);
  EXPECT_GT(largest, 17000);
}

TEST(Draw, ExtremesStayInTheRow) {
  DrawScratch scratch;
  SampleSpec spec;
  for (const float t : {1e-38F, 1e-6F, 1.0F, 1e38F, std::numeric_limits<float>::infinity()}) {
    for (const float min_p : {0.0F, 1.0F, 2.0F}) {
      spec.temperature = t;
      spec.min_p = min_p;
      const float kOut = -std::numeric_limits<float>::infinity();
      const int32_t id = Draw({kOut, 1e30F, kOut, -1e30F, kOut}, spec, &scratch);
      EXPECT_TRUE(id == 1 || id == 3) << t << " " << min_p;
    }
  }
}

}  // namespace
}  // namespace deepseek::engine
