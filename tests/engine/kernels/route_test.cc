#include "engine/kernels/reference/route.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace deepseek::engine {
namespace {

using testing::ElementsAre;

struct Routed {
  std::vector<int32_t> ids;
  std::vector<float> weights;
};

Routed Route(const std::vector<float>& scores, const std::vector<float>& bias, int groups, int kept,
             int k, bool normalize = true, float scale = 1,
             Router router = Router::kSigmoidNoauxTc) {
  RouteSpec spec;
  spec.router = router;
  spec.experts = static_cast<int32_t>(scores.size());
  spec.experts_per_token = k;
  spec.groups = groups;
  spec.groups_kept = kept;
  spec.normalize = normalize;
  spec.scale = scale;
  Routed routed{std::vector<int32_t>(static_cast<size_t>(k)),
                std::vector<float>(static_cast<size_t>(k))};
  std::vector<float> scratch(2 * static_cast<size_t>(spec.experts + groups));
  RouteRow(scores.data(), bias.empty() ? nullptr : bias.data(), spec, routed.ids.data(),
           routed.weights.data(), scratch.data());
  return routed;
}

float Sigmoid(float x) {
  return 1 / (1 + std::exp(-x));
}

TEST(Route, BestFirstLowestIndexOnATie) {
  EXPECT_THAT(Route({1, 3, 2, 3}, {}, 1, 1, 3).ids, ElementsAre(1, 3, 2));
}

TEST(Route, BiasChoosesButDoesNotWeigh) {
  const Routed r = Route({0, 1, 2, 3}, {10, 0, 0, 0}, 1, 1, 2, false, 2.0F);
  EXPECT_THAT(r.ids, ElementsAre(0, 3));
  EXPECT_FLOAT_EQ(r.weights[0], 2 * Sigmoid(0));
  EXPECT_FLOAT_EQ(r.weights[1], 2 * Sigmoid(3));
}

TEST(Route, WeightsAreNormalisedThenScaled) {
  const Routed r = Route({0, 1, 2, 3}, {}, 1, 1, 2, true, 2.5F);
  EXPECT_FLOAT_EQ(r.weights[0] + r.weights[1], 2.5F);
  EXPECT_FLOAT_EQ(r.weights[0] / r.weights[1], Sigmoid(3) / Sigmoid(2));
}

// Groups {0,1}, {2,3}, {4,5}: sums of the best two decide, not the best one.
TEST(Route, GroupScoreIsTheSumOfTheBestTwo) {
  EXPECT_THAT(Route({3, -9, 1, 1, 0, 0}, {}, 3, 1, 2).ids, ElementsAre(2, 3));
}

// With all biased scores negative a mask of 0 would win over every kept expert.
TEST(Route, DroppedGroupsCannotWinWithNegativeScores) {
  EXPECT_THAT(Route({1, 2, 3, 4}, {-5, -5, -6, -6}, 2, 1, 2).ids, ElementsAre(1, 0));
}

// e^(0, 1, 2, 3) / 30.19...
TEST(Route, SoftmaxWeighsOverAllExperts) {
  const Routed r = Route({0, 1, 2, 3}, {}, 1, 1, 2, false, 1, Router::kSoftmaxGreedy);
  EXPECT_THAT(r.ids, ElementsAre(3, 2));
  EXPECT_NEAR(r.weights[0], 0.6439142, 1e-6);
  EXPECT_NEAR(r.weights[1], 0.2368828, 1e-6);
  const Routed scaled = Route({0, 1, 2, 3}, {}, 1, 1, 2, false, 16, Router::kSoftmaxGreedy);
  EXPECT_FLOAT_EQ(scaled.weights[0], 16 * r.weights[0]);
  const Routed normal = Route({0, 1, 2, 3}, {}, 1, 1, 2, true, 1, Router::kSoftmaxGreedy);
  EXPECT_FLOAT_EQ(normal.weights[0] + normal.weights[1], 1);
}

TEST(Route, LargeScoresDoNotOverflow) {
  const Routed r = Route({1e4F, 1e4F, -1e4F}, {}, 1, 1, 2, false, 1, Router::kSoftmaxGreedy);
  EXPECT_THAT(r.weights, ElementsAre(0.5F, 0.5F));
}

// Groups {0,1}, {2,3}, {4,5}: the single best expert decides here, not the best two.
TEST(Route, GroupMaxKeepsTheGroupOfTheBestExpert) {
  EXPECT_THAT(Route({3, -9, 1, 1, 0, 0}, {}, 3, 1, 2, false, 1, Router::kSoftmaxGroupMax).ids,
              ElementsAre(0, 1));
  EXPECT_THAT(Route({3, -9, 2, 1, 2.5F, 0}, {}, 3, 2, 3, false, 1, Router::kSoftmaxGroupMax).ids,
              ElementsAre(0, 4, 5));
}

TEST(Route, NonFiniteScoresStayInRange) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const Router router :
       {Router::kSigmoidNoauxTc, Router::kSoftmaxGreedy, Router::kSoftmaxGroupMax}) {
    for (const int32_t id : Route({nan, 1, nan, nan}, {}, 2, 1, 2, true, 1, router).ids) {
      EXPECT_GE(id, 0);
      EXPECT_LT(id, 4);
    }
  }
}

}  // namespace
}  // namespace deepseek::engine
