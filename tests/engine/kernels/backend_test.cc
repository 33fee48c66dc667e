// Embed, RmsNorm, Linear, Rope, GatherLogitRows, Sample, memory.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "engine/kernels/cpu/cpu_backend.h"
#include "tests/engine/kernels/backend_fixture.h"

namespace deepseek::engine {
namespace {

class CpuOps : public testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<Backend> cpu = CpuBackendFor(GetParam());
};

StepPlan PlanFor(int32_t rows) {
  StepPlan plan;
  plan.max_rows = plan.max_logit_rows = rows;
  return plan;
}

void Begin(Backend* backend, const std::vector<int32_t>& tokens, int32_t context,
           const std::vector<int32_t>& logit_rows = {}) {
  Segment segment;
  segment.rows = static_cast<int32_t>(tokens.size());
  segment.context = context;
  ASSERT_TRUE(backend->Plan(PlanFor(segment.rows)).ok());
  backend->BeginStep({tokens, {&segment, 1}, {}, logit_rows});
}

TEST_P(CpuOps, LinearOverShapesTypesAndSeeds) {
  struct Shape {
    int64_t rows, cols, m;
  };
  const std::vector<Shape> shapes = {{1, 1, 1},     {16, 2, 1},     {17, 3, 2},    {15, 24, 3},
                                     {64, 128, 4},  {240, 40, 5},   {80, 192, 7},  {33, 129, 8},
                                     {160, 300, 9}, {129, 384, 16}, {512, 96, 31}, {70, 1408, 13},
                                     {33, 300, 50}};
  uint32_t seed = 1;
  for (const Shape& s : shapes) {
    for (const DType dtype : {DType::kF32, DType::kBf16, DType::kF16, DType::kF8E4M3}) {
      for (const bool accumulate : {false, true}) {
        Random random(++seed);
        const TestMatrix w(&random, s.rows, s.cols, dtype, seed % 3 == 0 ? 64 : 128);
        const std::vector<float> x = random.Normal(s.m * s.cols);
        const std::vector<float> y = random.Normal(s.m * s.rows);
        SCOPED_TRACE(testing::Message()
                     << s.rows << "x" << s.cols << " m " << s.m << " type " << int(dtype));
        ExpectSame(cpu.get(), 3e-5, [&](Backend* b) {
          EXPECT_TRUE(b->Plan(PlanFor(static_cast<int32_t>(s.m))).ok());
          const Buffer out = Upload(b, y, {s.m, s.rows, 0});
          b->Linear(Upload(b, x, {s.m, s.cols, 0}), w.Pack(b), s.m, accumulate, out);
          return Download(b, out);
        });
      }
    }
  }
}

// The contract of bits: a row alone gives the same bits as in any company.
TEST_P(CpuOps, LinearRowsDoNotDependOnCompany) {
  Random random(5);
  constexpr int64_t kRows = 55;  // more than any kernel takes at once, and no multiple
  for (const DType dtype : {DType::kF32, DType::kBf16, DType::kF8E4M3}) {
    const TestMatrix w(&random, 150, 333, dtype);
    const std::vector<float> x = random.Normal(kRows * 333);
    ASSERT_TRUE(cpu->Plan(PlanFor(kRows)).ok());
    const PackedWeight packed = w.Pack(cpu.get());
    const Buffer all = Zeros(cpu.get(), {kRows, 150, 0});
    cpu->Linear(Upload(cpu.get(), x, {kRows, 333, 0}), packed, kRows, false, all);
    const std::vector<float> expected = Download(cpu.get(), all);
    for (int64_t row = 0; row < kRows; ++row) {
      const Buffer one = Zeros(cpu.get(), {1, 150, 0});
      cpu->Linear(
          Upload(cpu.get(), {x.begin() + row * 333, x.begin() + (row + 1) * 333}, {1, 333, 0}),
          packed, 1, false, one);
      EXPECT_EQ(Download(cpu.get(), one), std::vector<float>(expected.begin() + row * 150,
                                                             expected.begin() + (row + 1) * 150));
    }
  }
}

TEST_P(CpuOps, SlicesOfFp8MatricesKeepTheirScales) {
  Random random(6);
  const TestMatrix w(&random, 300, 320, DType::kF8E4M3);
  // Rows inside a block, columns at a block's start, columns inside a block.
  for (const HostMatrix& slice : {w.host().Slice(130, 48, 0, 320), w.host().Slice(0, 300, 128, 192),
                                  w.host().Slice(5, 60, 100, 130)}) {
    const std::vector<float> x = random.Normal(3 * slice.cols);
    ExpectSame(cpu.get(), 3e-5, [&](Backend* b) {
      EXPECT_TRUE(b->Plan(PlanFor(3)).ok());
      const Buffer out = Zeros(b, {3, slice.rows, 0});
      b->Linear(Upload(b, x, {3, slice.cols, 0}), *b->Pack(slice), 3, false, out);
      return Download(b, out);
    });
  }
}

TEST_P(CpuOps, RmsNorm) {
  for (const int64_t n : {1, 5, 16, 48, 65, 512, 7168}) {
    for (const float sigma : {1e-4F, 1.0F, 100.0F}) {
      Random random(static_cast<uint32_t>(n));
      const std::vector<float> x = random.Normal(4 * n, sigma);
      const std::vector<float> w = random.Normal(n);
      ExpectSame(cpu.get(), 1e-5, [&](Backend* b) {
        const Buffer data = Upload(b, x, {4, n, 0});
        b->RmsNorm(data, Upload(b, w, {n, 0, 0}), 1e-6F, 4, data);  // in place
        return Download(b, data);
      });
    }
  }
}

TEST_P(CpuOps, Rope) {
  for (const RopeLayout layout : {RopeLayout::kInterleaved, RopeLayout::kHalf}) {
    Random random(8);
    const std::vector<float> q = random.Normal(5 * 3 * 24);
    const std::vector<float> cos = random.Normal(20 * 4);
    const std::vector<float> sin = random.Normal(20 * 4);
    ExpectSame(cpu.get(), 1e-6, [&](Backend* b) {
      Begin(b, {1, 2, 3, 4, 5}, 9);
      const RopeTable table{Upload(b, cos, {20, 4, 0}), Upload(b, sin, {20, 4, 0}), layout};
      const Buffer data = Upload(b, q, {5, 3, 24});
      b->Rope(data, 3, 24, 8, table);
      return Download(b, data);
    });
  }
}

TEST_P(CpuOps, EmbedAndGather) {
  Random random(9);
  const std::vector<float> table = random.Normal(10 * 33);
  ExpectSame(cpu.get(), 0, [&](Backend* b) {
    Begin(b, {3, 0, 9, 3}, 0, {1, 3});
    const Buffer x = Zeros(b, {4, 33, 0});
    b->Embed(Upload(b, table, {10, 33, 0}), x);
    const Buffer out = Zeros(b, {2, 33, 0});
    b->GatherLogitRows(x, out);
    std::vector<float> all = Download(b, x);
    const std::vector<float> gathered = Download(b, out);
    EXPECT_EQ(gathered[33], table[3 * 33]);
    all.insert(all.end(), gathered.begin(), gathered.end());
    return all;
  });
}

TEST_P(CpuOps, SampleGivesTheReferencesIds) {
  Random random(10);
  const std::vector<float> logits = random.Normal(6 * 2000, 3);
  std::vector<SampleSpec> specs(12);
  for (size_t i = 0; i < specs.size(); ++i) {
    specs[i].row = static_cast<int32_t>(i % 6);
    specs[i].temperature = i % 3 == 0 ? 0.0F : 0.8F;
    specs[i].top_p = i % 2 == 0 ? 0.9F : 1.0F;
    specs[i].top_k = i % 4 == 0 ? 20 : 0;
    specs[i].seed = 77 + i;
    specs[i].position = static_cast<uint32_t>(i);
  }
  ExpectSame(cpu.get(), 0, [&](Backend* b) {
    EXPECT_TRUE(b->Plan(PlanFor(6)).ok());
    std::vector<SampleResult> results;
    b->Sample(Upload(b, logits, {6, 2000, 0}), specs, &results);
    EXPECT_TRUE(b->Synchronize().ok());
    std::vector<float> ids;
    ids.reserve(results.size());
    for (const SampleResult& r : results) ids.push_back(static_cast<float>(r.id));
    return ids;
  });
}

TEST_P(CpuOps, GreedyRowsGiveTheReferencesIds) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  Random random(12);
  SampleSpec spec;
  spec.temperature = 0;
  for (const int64_t vocab : {1, 2, 15, 16, 17, 255, 256, 257, 511, 2000}) {
    const auto last = static_cast<size_t>(vocab - 1);
    std::vector<std::vector<float>> rows(9, random.Normal(vocab, 3));
    rows[1] = std::vector<float>(static_cast<size_t>(vocab), -2.5F);  // all tie
    rows[2][last] = 99;                                               // the last one
    rows[3][last / 2] = rows[3][last] = 99;                           // the first of two
    rows[4][last / 3] = kNan;
    rows[5][last] = kInfinity;
    rows[6][random.Below(static_cast<uint32_t>(vocab))] = -kInfinity;
    rows[7][last / 2] = 1e31F;  // both are clamped to the same
    rows[7][last] = 1e35F;
    for (float& x : rows[8]) x = -1e32F;
    std::vector<float> logits;
    std::vector<SampleSpec> specs;
    for (const std::vector<float>& row : rows) {
      spec.row = static_cast<int32_t>(specs.size());
      specs.push_back(spec);
      logits.insert(logits.end(), row.begin(), row.end());
    }
    const auto count = static_cast<int64_t>(rows.size());
    ExpectSame(cpu.get(), 0, [&](Backend* b) {
      EXPECT_TRUE(b->Plan(PlanFor(static_cast<int32_t>(count))).ok());
      std::vector<SampleResult> results(rows.size());
      for (SampleResult& r : results) r.top.resize(3);  // what an earlier step left
      b->Sample(Upload(b, logits, {count, vocab, 0}), specs, &results);
      EXPECT_TRUE(b->Synchronize().ok());
      std::vector<float> seen;
      for (const SampleResult& r : results) {
        EXPECT_TRUE(r.top.empty());
        seen.push_back(static_cast<float>(r.id));
        seen.push_back(r.finite ? 1 : 0);
      }
      return seen;
    });
  }
}

TEST_P(CpuOps, ReportsItsMemory) {
  Random random(11);
  const TestMatrix w(&random, 64, 128, DType::kBf16);
  EXPECT_EQ(cpu->weight_bytes(), 0);
  w.Pack(cpu.get());
  EXPECT_EQ(cpu->weight_bytes(), 64 * 128 * 2);
  const Buffer buffer = Zeros(cpu.get(), {4, 0, 0});
  std::vector<uint8_t> bytes(17);
  EXPECT_FALSE(cpu->Upload(buffer, bytes).ok());
  EXPECT_FALSE(cpu->Download(buffer, absl::MakeSpan(bytes)).ok());
  EXPECT_EQ(cpu->Allocate({int64_t{1} << 62, 0, 0}, DType::kU8, false).status().code(),
            absl::StatusCode::kResourceExhausted);
}

INSTANTIATE_TEST_SUITE_P(Isa, CpuOps, testing::ValuesIn(Isas()),
                         [](const auto& info) { return info.param; });

TEST(CpuBackend, RefusesWhatItDoesNotServe) {
  EXPECT_THAT(std::string(CreateCpuBackend({Compute::kAuto, 0}).status().message()),
              testing::HasSubstr("--compute auto"));
  EXPECT_FALSE(CreateCpuBackend({Compute::kFp32, -1}).ok());
  EXPECT_THAT(std::string(CreateCpuBackend({Compute::kFp32, 1}, "sse9").status().message()),
              testing::HasSubstr("baseline"));
}

}  // namespace
}  // namespace deepseek::engine
