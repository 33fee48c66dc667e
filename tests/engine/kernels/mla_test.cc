// MlaAppend and MlaAttend against the reference: both forms, ragged segments, block tables out of
// order.

#include <gtest/gtest.h>

#include "tests/engine/kernels/backend_fixture.h"

namespace deepseek::engine {
namespace {

struct Shape {
  int32_t heads, lora, nope, rope, v;
  DType weight;
  DType cache;
};

// Attention outputs of a first step that fills the caches and a second, mixed one.
std::vector<float> RunSteps(Backend* b, const Shape& s, uint32_t seed) {
  Random random(seed);
  StepPlan plan;
  plan.max_rows = plan.max_logit_rows = 256;
  plan.heads = s.heads;
  plan.kv_lora_rank = s.lora;
  plan.nope_dim = s.nope;
  plan.rope_dim = s.rope;
  plan.v_dim = s.v;
  EXPECT_TRUE(b->Plan(plan).ok());
  const TestMatrix kv_b(&random, int64_t{s.heads} * (s.nope + s.v), s.lora, s.weight);
  std::vector<PackedWeight> k_up;
  std::vector<PackedWeight> v_up;
  for (int32_t h = 0; h < s.heads; ++h) {
    const int64_t row = int64_t{h} * (s.nope + s.v);
    k_up.push_back(*b->Pack(kv_b.host().Slice(row, s.nope, 0, s.lora).Transposed()));
    v_up.push_back(*b->Pack(kv_b.host().Slice(row + s.nope, s.v, 0, s.lora)));
  }
  const int32_t width = s.lora + s.rope;
  MlaLayer layer;
  layer.cache = Zeros(b, {12, kBlockTokens, width}, s.cache);
  layer.latent_norm = Upload(b, random.Normal(s.lora), {s.lora, 0, 0});
  layer.k_up = k_up;
  layer.v_up = v_up;
  layer.heads = s.heads;
  layer.kv_lora_rank = s.lora;
  layer.nope_dim = s.nope;
  layer.rope_dim = s.rope;
  layer.v_dim = s.v;
  layer.softmax_scale = 0.2F;
  const RopeTable table{Upload(b, random.Normal(400 * s.rope / 2), {400, s.rope / 2, 0}),
                        Upload(b, random.Normal(400 * s.rope / 2), {400, s.rope / 2, 0}),
                        RopeLayout::kInterleaved};

  std::vector<float> all;
  const std::vector<int32_t> blocks = {7, 2, 9, 0, 11, 4, 1, 3};
  const auto step = [&](const std::vector<Segment>& segments) {
    int32_t rows = 0;
    for (const Segment& segment : segments) rows += segment.rows;
    const std::vector<int32_t> tokens(static_cast<size_t>(rows), 0);
    b->BeginStep({tokens, segments, blocks, {}});
    b->MlaAppend(Upload(b, random.Normal(int64_t{rows} * width), {rows, width, 0}), layer, table);
    const Buffer q = Upload(b, random.Normal(int64_t{rows} * s.heads * (s.nope + s.rope)),
                            {rows, s.heads * (s.nope + s.rope), 0});
    const Buffer out = Zeros(b, {rows, s.heads * s.v, 0});
    b->MlaAttend(q, layer, out);
    const std::vector<float> values = Download(b, out);
    all.insert(all.end(), values.begin(), values.end());
  };
  // {first_row, rows, context, path, first_block, blocks}
  step({{0, 130, 0, RowPath::kMaterialised, 0, 3},
        {130, 1, 0, RowPath::kMaterialised, 3, 2},
        {131, 64, 0, RowPath::kAbsorbed, 5, 3}});
  step({{0, 5, 130, RowPath::kMaterialised, 0, 3},
        {5, 3, 135, RowPath::kAbsorbed, 0, 3},
        {8, 1, 1, RowPath::kAbsorbed, 3, 2},
        {9, 70, 64, RowPath::kMaterialised, 5, 3}});
  return all;
}

class CpuMla : public testing::TestWithParam<std::string> {};

TEST_P(CpuMla, AgreesWithTheReference) {
  const std::vector<Shape> shapes = {{1, 16, 16, 2, 16, DType::kF32, DType::kF32},
                                     {6, 64, 48, 16, 32, DType::kBf16, DType::kF32},
                                     {4, 128, 64, 32, 32, DType::kF8E4M3, DType::kF32},
                                     {3, 40, 24, 8, 20, DType::kF8E4M3, DType::kBf16},
                                     {9, 33, 17, 6, 5, DType::kBf16, DType::kBf16},
                                     {2, 512, 128, 64, 128, DType::kF8E4M3, DType::kBf16}};
  const auto cpu = CpuBackendFor(GetParam());
  uint32_t seed = 20;
  for (const Shape& shape : shapes) {
    SCOPED_TRACE(testing::Message() << shape.heads << " heads, lora " << shape.lora);
    ++seed;
    // A bf16 cache may round a last bit differently: the norm's sum has another order.
    ExpectSame(cpu.get(), shape.cache == DType::kBf16 ? 0.02 : 2e-4,
               [&](Backend* b) { return RunSteps(b, shape, seed); });
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, CpuMla, testing::ValuesIn(Isas()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace deepseek::engine
