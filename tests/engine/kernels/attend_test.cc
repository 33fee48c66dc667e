// Attention of the CPU backend, MLA and GQA: against the reference over shapes, cache types and
// compute types; the bits of a row whatever the cut, the company and the threads; INT8 caches.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "engine/kernels/reference/reference_backend.h"
#include "tests/engine/kernels/attention_rig.h"

namespace deepseek::engine {
namespace {

AttentionShape Mla(int32_t heads, int32_t lora, int32_t nope, int32_t rope, int32_t v, DType weight,
                   DType cache) {
  AttentionShape s;
  s.heads = heads;
  s.lora = lora;
  s.nope = nope;
  s.rope = rope;
  s.v = v;
  s.weight = weight;
  s.cache = cache;
  return s;
}
AttentionShape Gqa(int32_t heads, int32_t kv_heads, int32_t head_dim, DType cache) {
  AttentionShape s;
  s.heads = heads;
  s.kv_heads = kv_heads;
  s.head_dim = head_dim;
  s.cache = cache;
  return s;
}

std::string Describe(const AttentionShape& s) {
  return (s.mla() ? "mla " : "gqa ") + std::to_string(s.heads) + " heads, " +
         std::to_string(s.mla() ? s.lora : s.head_dim) + " wide, cache " +
         std::to_string(static_cast<int>(s.cache));
}

// |actual - expected| / |expected|, over all outputs; infinite for a NaN.
double RelativeError(const std::vector<float>& actual, const std::vector<float>& expected) {
  EXPECT_EQ(actual.size(), expected.size());
  double error = 0;
  double norm = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double d = static_cast<double>(actual[i]) - expected[i];
    error += d * d;
    norm += static_cast<double>(expected[i]) * expected[i];
  }
  return error == error ? std::sqrt(error / norm) : INFINITY;
}

class Attention : public testing::TestWithParam<std::string> {
 protected:
  std::vector<AttentionShape> Shapes() {
    std::vector<AttentionShape> shapes;
    for (const DType cache : {DType::kF32, DType::kBf16, DType::kI8}) {
      shapes.push_back(Mla(1, 16, 16, 2, 16, DType::kF32, cache));
      shapes.push_back(Mla(3, 40, 24, 8, 20, DType::kF8E4M3, cache));
      shapes.push_back(Mla(9, 33, 17, 6, 5, DType::kBf16, cache));
      shapes.push_back(Mla(5, 200, 80, 18, 70, DType::kBf16, cache));
      shapes.push_back(Gqa(6, 2, 20, cache));
      shapes.push_back(Gqa(7, 1, 10, cache));
      shapes.push_back(Gqa(3, 3, 34, cache));
      shapes.push_back(Gqa(4, 1, 136, cache));
    }
    return shapes;
  }
};

TEST_P(Attention, AgreesWithTheReferenceInFp32) {
  const auto reference = CreateReferenceBackend();
  const auto cpu = CpuBackendFor(GetParam());
  uint32_t seed = 100;
  for (const AttentionShape& shape : Shapes()) {
    SCOPED_TRACE(Describe(shape));
    // The norm's sum has another order: a rounded cache may differ by a last bit.
    const double limit = shape.cache == DType::kF32 ? 3e-6 : shape.mla() ? 2e-3 : 3e-6;
    for (int round = 0; round < 2; ++round, ++seed) {
      EXPECT_LT(RelativeError(RandomSteps(cpu.get(), shape, seed),
                              RandomSteps(reference.get(), shape, seed)),
                limit);
    }
  }
}

TEST_P(Attention, AgreesWithTheReferenceInBf16) {
  const auto reference = CreateReferenceBackend();
  const auto cpu = CpuBackendFor(GetParam(), 2, Compute::kBf16);
  uint32_t seed = 200;
  for (const AttentionShape& shape : Shapes()) {
    SCOPED_TRACE(Describe(shape));
    EXPECT_LT(RelativeError(RandomSteps(cpu.get(), shape, seed),
                            RandomSteps(reference.get(), shape, seed)),
              0.01);
    ++seed;
  }
}

// One sequence, in one step or in chunks, alone or beside another one, on 1 or 2 threads.
TEST_P(Attention, TheCutDoesNotShowInTheBits) {
  constexpr int32_t kRows = 140;
  constexpr int32_t kBlocks = 3;
  const std::vector<int32_t> block_ids = {4, 0, 3, 5, 1, 2};
  std::vector<AttentionShape> shapes;
  for (const DType cache : {DType::kF32, DType::kBf16, DType::kI8}) {
    shapes.push_back(Mla(5, 33, 24, 6, 20, DType::kF8E4M3, cache));
    shapes.push_back(Gqa(6, 2, 20, cache));
  }
  for (const AttentionShape& s : shapes) {
    for (const Compute compute : {Compute::kFp32, Compute::kBf16}) {
      SCOPED_TRACE(Describe(s) + (compute == Compute::kFp32 ? ", fp32" : ", bf16"));
      Random data(9);
      const std::vector<float> kv = data.Normal(kRows * s.kv_width());
      const std::vector<float> q = data.Normal(kRows * s.q_width());
      const auto run = [&](int threads, int32_t chunk, RowPath path, bool company) {
        const auto cpu = CpuBackendFor(GetParam(), threads, compute);
        AttentionRig rig(cpu.get(), s, 2 * kRows, 2 * kBlocks, 4);
        Random other(5);
        std::vector<float> all;
        for (int32_t begin = 0; begin < kRows; begin += chunk) {
          const int32_t n = std::min(kRows - begin, chunk);
          std::vector<Segment> segments;
          std::vector<float> step_kv;
          std::vector<float> step_q;
          int32_t first = 0;
          if (company) {
            first = 1 + begin % 50;
            segments.push_back({0, first, begin % 64, RowPath::kAbsorbed, kBlocks, kBlocks});
            step_kv = other.Normal(first * s.kv_width());
            step_q = other.Normal(first * s.q_width());
          }
          segments.push_back({first, n, begin, path, 0, kBlocks});
          step_kv.insert(step_kv.end(), kv.begin() + begin * s.kv_width(),
                         kv.begin() + (begin + n) * s.kv_width());
          step_q.insert(step_q.end(), q.begin() + begin * s.q_width(),
                        q.begin() + (begin + n) * s.q_width());
          const std::vector<float> out = rig.Step(segments, block_ids, step_kv, step_q);
          all.insert(all.end(), out.begin() + first * s.out_width(), out.end());
        }
        return all;
      };
      for (const RowPath path : {RowPath::kMaterialised, RowPath::kAbsorbed}) {
        const std::vector<float> whole = run(2, kRows, path, false);
        EXPECT_EQ(run(1, kRows, path, false), whole);
        EXPECT_EQ(run(3, kRows, path, true), whole);
        for (const int32_t chunk : {1, 7, 63, 64, 65}) {
          EXPECT_EQ(run(2, chunk, path, chunk != 63), whole) << chunk;
        }
      }
    }
  }
}

TEST_P(Attention, Int8CacheHoldsTheReferencesCodes) {
  const AttentionShape gqa = Gqa(4, 2, 136, DType::kI8);
  const AttentionShape mla = Mla(2, 160, 16, 8, 16, DType::kBf16, DType::kI8);
  for (const AttentionShape& shape : {gqa, mla}) {
    const auto cache = [&](Backend* backend) {
      AttentionRig rig(backend, shape, 100, 2, 7);
      Random random(8);
      rig.Step({{0, 100, 0, RowPath::kMaterialised, 0, 2}}, {1, 0},
               random.Normal(100 * shape.kv_width()), random.Normal(100 * shape.q_width()));
      return rig.CacheBytes();
    };
    const auto cpu = CpuBackendFor(GetParam());
    const std::vector<uint8_t> actual = cache(cpu.get());
    const std::vector<uint8_t> expected = cache(CreateReferenceBackend().get());
    if (!shape.mla()) {
      EXPECT_EQ(actual, expected);
      continue;
    }
    // The norm's last bit may move a number across a code's edge, and a scale by its last bit.
    ASSERT_EQ(actual.size(), expected.size());
    const int64_t codes = int64_t{kBlockTokens} * shape.kv_width();
    const int64_t tile = static_cast<int64_t>(actual.size()) / 2;
    int moved = 0;
    for (int64_t i = 0; i < tile + codes; ++i) {
      if (i >= codes && i < tile) continue;
      const int by = std::abs(static_cast<int8_t>(actual[i]) - static_cast<int8_t>(expected[i]));
      EXPECT_LE(by, 1);
      moved += by;
    }
    EXPECT_LT(moved, codes / 1000);
  }
}

// What INT8 costs: less than a percent of the output at Gaussian keys and values.
TEST_P(Attention, Int8CacheIsCloseToFp32) {
  for (AttentionShape shape :
       {Mla(4, 256, 32, 16, 32, DType::kBf16, DType::kF32), Gqa(6, 2, 64, DType::kF32)}) {
    SCOPED_TRACE(Describe(shape));
    const auto cpu = CpuBackendFor(GetParam());
    const std::vector<float> exact = RandomSteps(cpu.get(), shape, 31);
    shape.cache = DType::kI8;
    const double error = RelativeError(RandomSteps(cpu.get(), shape, 31), exact);
    EXPECT_LT(error, 0.02);
    EXPECT_GT(error, 1e-4);  // it is INT8 that was tested
  }
}

// A poisoned row spoils those who see it, and nobody else.
TEST_P(Attention, NanStaysWithThoseWhoSeeIt) {
  for (const DType cache : {DType::kF32, DType::kBf16, DType::kI8}) {
    for (const AttentionShape& s :
         {Mla(2, 32, 16, 4, 16, DType::kBf16, cache), Gqa(4, 2, 16, cache)}) {
      SCOPED_TRACE(Describe(s));
      const auto cpu = CpuBackendFor(GetParam(), 2, Compute::kBf16);
      AttentionRig rig(cpu.get(), s, 100, 2, 7);
      Random random(8);
      std::vector<float> kv = random.Normal(100 * s.kv_width());
      for (int64_t i = 0; i < s.kv_width(); ++i) kv[70 * s.kv_width() + i] = NAN;
      rig.Step({{0, 100, 0, RowPath::kMaterialised, 0, 2}}, {1, 0}, kv,
               random.Normal(100 * s.q_width()));
      // Another sequence takes over the blocks: stale rows behind its end must not be read.
      const std::vector<float> out =
          rig.Step({{0, 3, 0, RowPath::kMaterialised, 1, 1}, {3, 3, 0, RowPath::kAbsorbed, 0, 1}},
                   {1, 0}, random.Normal(6 * s.kv_width()), random.Normal(6 * s.q_width()));
      for (const float x : out) ASSERT_TRUE(std::isfinite(x));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, Attention, testing::ValuesIn(Isas()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace deepseek::engine
