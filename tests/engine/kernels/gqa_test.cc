// GqaAppend, GqaAttend and AddBias against the reference; the bits of a row whatever the cut.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/engine/kernels/backend_fixture.h"

namespace deepseek::engine {
namespace {

struct Shape {
  int32_t heads, kv_heads, head_dim;
  DType cache;
  RopeLayout layout = RopeLayout::kHalf;
};

// One layer, its cache and rope table in a backend, planned for steps of `max_rows` rows.
struct Layer {
  Layer(Backend* b, const Shape& s, int32_t max_rows, Random* random) {
    StepPlan plan;
    plan.max_rows = plan.max_logit_rows = max_rows;
    plan.heads = s.heads;
    plan.kv_heads = s.kv_heads;
    plan.head_dim = s.head_dim;
    EXPECT_TRUE(b->Plan(plan).ok());
    gqa.cache = Zeros(b, {12, kBlockTokens, 2 * s.kv_heads * s.head_dim}, s.cache);
    gqa.heads = s.heads;
    gqa.kv_heads = s.kv_heads;
    gqa.head_dim = s.head_dim;
    gqa.softmax_scale = 0.3F;
    const std::array<int64_t, 3> shape{400, s.head_dim / 2, 0};
    table = {Upload(b, random->Normal(shape[0] * shape[1]), shape),
             Upload(b, random->Normal(shape[0] * shape[1]), shape), s.layout};
  }
  // Appends k and v [rows, kv_heads * head_dim] and attends with q [rows, heads * head_dim].
  std::vector<float> Step(Backend* b, const std::vector<Segment>& segments,
                          const std::vector<float>& k, const std::vector<float>& v,
                          const std::vector<float>& q) {
    const std::vector<int32_t> blocks = {7, 2, 9, 0, 11, 4, 1, 3};
    const int64_t rows = segments.back().first_row + segments.back().rows;
    const int64_t kv_width = int64_t{gqa.kv_heads} * gqa.head_dim;
    const int64_t q_width = int64_t{gqa.heads} * gqa.head_dim;
    const std::vector<int32_t> tokens(static_cast<size_t>(rows), 0);
    b->BeginStep({tokens, segments, blocks, {}});
    b->GqaAppend(Upload(b, k, {rows, kv_width, 0}), Upload(b, v, {rows, kv_width, 0}), gqa, table);
    const Buffer out = Zeros(b, {rows, q_width, 0});
    b->GqaAttend(Upload(b, q, {rows, q_width, 0}), gqa, out);
    return Download(b, out);
  }
  GqaLayer gqa;
  RopeTable table;
};

// Attention outputs of a first step that fills the caches and a second, mixed one.
std::vector<float> RunSteps(Backend* b, const Shape& s, uint32_t seed) {
  Random random(seed);
  Layer layer(b, s, 256, &random);
  std::vector<float> all;
  const auto step = [&](const std::vector<Segment>& segments) {
    const int64_t rows = segments.back().first_row + segments.back().rows;
    const auto k = random.Normal(rows * s.kv_heads * s.head_dim);
    const auto v = random.Normal(rows * s.kv_heads * s.head_dim);
    const auto q = random.Normal(rows * s.heads * s.head_dim);
    const std::vector<float> values = layer.Step(b, segments, k, v, q);
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

class CpuGqa : public testing::TestWithParam<std::string> {};

TEST_P(CpuGqa, AgreesWithTheReference) {
  const std::vector<Shape> shapes = {{1, 1, 2, DType::kF32},
                                     {4, 2, 32, DType::kF32},
                                     {6, 1, 24, DType::kF32, RopeLayout::kInterleaved},
                                     {9, 3, 18, DType::kF32},
                                     {4, 4, 16, DType::kBf16},
                                     {7, 1, 10, DType::kBf16},
                                     {28, 4, 128, DType::kBf16},
                                     {2, 1, 256, DType::kF32}};
  const auto cpu = CpuBackendFor(GetParam());
  uint32_t seed = 50;
  for (const Shape& shape : shapes) {
    SCOPED_TRACE(testing::Message() << shape.heads << " heads of " << shape.head_dim);
    ++seed;
    ExpectSame(cpu.get(), shape.cache == DType::kBf16 ? 0.02 : 2e-4,
               [&](Backend* b) { return RunSteps(b, shape, seed); });
  }
}

// The same sequence of 150 rows in one step, in chunks, as generated rows and on one thread.
TEST_P(CpuGqa, TheCutDoesNotShowInTheBits) {
  constexpr int32_t kRows = 150;
  for (const DType cache : {DType::kF32, DType::kBf16}) {
    const Shape s{6, 2, 20, cache};
    const int64_t kv_width = int64_t{s.kv_heads} * s.head_dim;
    const int64_t q_width = int64_t{s.heads} * s.head_dim;
    Random data(9);
    const auto k = data.Normal(kRows * kv_width);
    const auto v = data.Normal(kRows * kv_width);
    const auto q = data.Normal(kRows * q_width);
    const auto run = [&](int threads, int32_t chunk, RowPath path) {
      const auto cpu = CpuBackendFor(GetParam(), threads);
      Random random(4);
      Layer layer(cpu.get(), s, kRows, &random);
      std::vector<float> all;
      const auto part = [](const std::vector<float>& x, int64_t begin, int64_t end, int64_t n) {
        return std::vector<float>(x.begin() + begin * n, x.begin() + end * n);
      };
      for (int32_t begin = 0; begin < kRows; begin += chunk) {
        const int32_t end = std::min(kRows, begin + chunk);
        const std::vector<float> out = layer.Step(
            cpu.get(), {{0, end - begin, begin, path, 0, 3}}, part(k, begin, end, kv_width),
            part(v, begin, end, kv_width), part(q, begin, end, q_width));
        all.insert(all.end(), out.begin(), out.end());
      }
      return all;
    };
    const std::vector<float> whole = run(2, kRows, RowPath::kMaterialised);
    EXPECT_EQ(run(1, kRows, RowPath::kMaterialised), whole);
    for (const int32_t chunk : {1, 7, 63, 64, 65}) {
      EXPECT_EQ(run(2, chunk, RowPath::kMaterialised), whole) << chunk;
      EXPECT_EQ(run(2, chunk, RowPath::kAbsorbed), whole) << chunk;
    }
  }
}

TEST_P(CpuGqa, AddBias) {
  const auto cpu = CpuBackendFor(GetParam());
  ExpectSame(cpu.get(), 0, [](Backend* b) {
    Random random(3);
    const Buffer x = Upload(b, random.Normal(5 * 19), {5, 19, 0});
    b->AddBias(Upload(b, random.Normal(19), {19, 0, 0}), 4, x);  // the last row stays
    return Download(b, x);
  });
}

INSTANTIATE_TEST_SUITE_P(Isa, CpuGqa, testing::ValuesIn(Isas()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace deepseek::engine
