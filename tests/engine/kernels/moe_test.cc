// Route, Moe and Ffn against the reference.

#include <gtest/gtest.h>

#include "tests/engine/kernels/backend_fixture.h"

namespace deepseek::engine {
namespace {

struct Shape {
  int32_t rows, hidden, intermediate, experts, top_k;
  DType weight;
};

// `largest`: rows of the largest step, which makes room for what smaller ones do. `apart`: the
// shared experts in an operation of their own.
std::vector<float> RunMoe(Backend* b, const Shape& s, uint32_t seed, int32_t largest,
                          bool apart = false) {
  Random random(seed);
  StepPlan plan;
  plan.max_rows = plan.max_logit_rows = largest;
  plan.hidden = s.hidden;
  plan.ffn_intermediate = 2 * s.intermediate;
  plan.expert_intermediate = s.intermediate;
  plan.experts = s.experts;
  plan.experts_per_token = s.top_k;
  const auto make = [&](int32_t intermediate) {
    FfnWeights ffn;
    ffn.gate = TestMatrix(&random, intermediate, s.hidden, s.weight).Pack(b);
    ffn.up = TestMatrix(&random, intermediate, s.hidden, s.weight).Pack(b);
    ffn.down = TestMatrix(&random, s.hidden, intermediate, s.weight).Pack(b);
    return ffn;
  };
  std::vector<FfnWeights> experts;
  experts.reserve(static_cast<size_t>(s.experts));
  for (int32_t e = 0; e < s.experts; ++e) experts.push_back(make(s.intermediate));
  const FfnWeights shared = make(2 * s.intermediate);
  EXPECT_TRUE(b->Plan(plan).ok());
  const std::vector<int32_t> tokens(static_cast<size_t>(s.rows), 0);
  Segment segment;
  segment.rows = s.rows;
  b->BeginStep({tokens, {&segment, 1}, {}, {}});
  RouteSpec route;
  route.experts = s.experts;
  route.experts_per_token = s.top_k;
  route.groups = s.experts % 4 == 0 && s.experts >= 8 ? 4 : 1;
  route.groups_kept = route.groups == 4 ? 2 : 1;
  route.normalize = true;
  route.scale = 2.5F;
  const Buffer ids = Zeros(b, {s.rows, s.top_k, 0}, DType::kI32);
  const Buffer weights = Zeros(b, {s.rows, s.top_k, 0});
  b->Route(Upload(b, random.Normal(int64_t{s.rows} * s.experts, 2), {s.rows, s.experts, 0}),
           Upload(b, random.Normal(s.experts, 0.3F), {s.experts, 0, 0}), route, ids, weights);
  const Buffer x = Upload(b, random.Normal(int64_t{s.rows} * s.hidden), {s.rows, s.hidden, 0});
  const Buffer out = Upload(b, random.Normal(int64_t{s.rows} * s.hidden), {s.rows, s.hidden, 0});
  b->Moe(x, ids, weights, {experts, s.top_k, apart ? nullptr : &shared}, out);
  if (apart) b->Ffn(x, shared, out);
  return Download(b, out);
}

class CpuMoe : public testing::TestWithParam<std::string> {};

const std::vector<Shape> kMoeShapes = {
    {1, 16, 8, 2, 1, DType::kF32},       {1, 128, 24, 12, 3, DType::kBf16},
    {9, 192, 64, 16, 4, DType::kF8E4M3}, {40, 130, 70, 8, 2, DType::kF8E4M3},
    {64, 33, 17, 5, 5, DType::kBf16},    {3, 300, 129, 8, 3, DType::kF16}};

TEST_P(CpuMoe, AgreesWithTheReference) {
  const auto cpu = CpuBackendFor(GetParam());
  uint32_t seed = 40;
  for (const Shape& shape : kMoeShapes) {
    SCOPED_TRACE(testing::Message() << shape.rows << " rows, hidden " << shape.hidden);
    ++seed;
    ExpectSame(cpu.get(), 2e-4, [&](Backend* b) { return RunMoe(b, shape, seed, shape.rows); });
  }
}

// In the largest step the shared experts come after the others, in smaller ones beside them.
TEST_P(CpuMoe, SharedExpertsBesideTheOthersOrAfterThemGiveTheSameBits) {
  uint32_t seed = 60;
  for (const Shape& shape : kMoeShapes) {
    SCOPED_TRACE(testing::Message() << shape.rows << " rows, hidden " << shape.hidden);
    ++seed;
    const auto run = [&](int32_t largest, bool apart) {
      return RunMoe(CpuBackendFor(GetParam()).get(), shape, seed, largest, apart);
    };
    const std::vector<float> apart = run(shape.rows, true);
    EXPECT_EQ(run(shape.rows, false), apart);
    EXPECT_EQ(run(4 * shape.rows, false), apart);
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, CpuMoe, testing::ValuesIn(Isas()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace deepseek::engine
