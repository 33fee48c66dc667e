// Route, Moe and Ffn against the reference.

#include <gtest/gtest.h>

#include "tests/engine/kernels/backend_fixture.h"

namespace deepseek::engine {
namespace {

struct Shape {
  int32_t rows, hidden, intermediate, experts, top_k;
  DType weight;
};

std::vector<float> RunMoe(Backend* b, const Shape& s, uint32_t seed) {
  Random random(seed);
  StepPlan plan;
  plan.max_rows = plan.max_logit_rows = s.rows;
  plan.hidden = s.hidden;
  plan.ffn_intermediate = plan.expert_intermediate = s.intermediate;
  plan.experts = s.experts;
  plan.experts_per_token = s.top_k;
  EXPECT_TRUE(b->Plan(plan).ok());
  std::vector<FfnWeights> experts;
  for (int32_t e = 0; e < s.experts; ++e) {
    FfnWeights ffn;
    ffn.gate = TestMatrix(&random, s.intermediate, s.hidden, s.weight).Pack(b);
    ffn.up = TestMatrix(&random, s.intermediate, s.hidden, s.weight).Pack(b);
    ffn.down = TestMatrix(&random, s.hidden, s.intermediate, s.weight).Pack(b);
    experts.push_back(ffn);
  }
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
  b->Moe(x, ids, weights, s.top_k, experts, out);
  b->Ffn(x, experts[0], out);
  return Download(b, out);
}

class CpuMoe : public testing::TestWithParam<std::string> {};

TEST_P(CpuMoe, AgreesWithTheReference) {
  const std::vector<Shape> shapes = {
      {1, 16, 8, 2, 1, DType::kF32},       {1, 128, 24, 12, 3, DType::kBf16},
      {9, 192, 64, 16, 4, DType::kF8E4M3}, {40, 130, 70, 8, 2, DType::kF8E4M3},
      {64, 33, 17, 5, 5, DType::kBf16},    {3, 300, 129, 8, 3, DType::kF16}};
  const auto cpu = CpuBackendFor(GetParam());
  uint32_t seed = 40;
  for (const Shape& shape : shapes) {
    SCOPED_TRACE(testing::Message() << shape.rows << " rows, hidden " << shape.hidden);
    ++seed;
    ExpectSame(cpu.get(), 2e-4, [&](Backend* b) { return RunMoe(b, shape, seed); });
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, CpuMoe, testing::ValuesIn(Isas()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace deepseek::engine
