// Linear, Ffn and Moe over INT8 and INT4 weights and over rounded activations (compute bf16, int8).

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "engine/kernels/cpu/isa.h"
#include "engine/kernels/cpu/packed_matrix.h"
#include "tests/engine/kernels/backend_fixture.h"

namespace deepseek::engine {
namespace {

using Parameter = std::tuple<std::string, Compute>;

class Quantised : public testing::TestWithParam<Parameter> {
 protected:
  std::string isa() const { return std::get<0>(GetParam()); }
  Compute compute() const { return std::get<1>(GetParam()); }
  std::unique_ptr<Backend> Make(int threads = 2) {
    return CpuBackendFor(isa(), threads, compute());
  }
};

StepPlan PlanFor(int32_t rows) {
  StepPlan plan;
  plan.max_rows = plan.max_logit_rows = rows;
  return plan;
}

// What a row of x is worth after compute int8 has rounded it.
std::vector<float> RoundRows(const std::vector<float>& x, int64_t cols) {
  std::vector<float> rounded(x.size());
  for (size_t row = 0; row < x.size(); row += static_cast<size_t>(cols)) {
    for (int64_t c = 0; c < cols; c += 128) {
      const int64_t end = std::min<int64_t>(c + 128, cols);
      float max = 0;
      for (int64_t k = c; k < end; ++k) max = std::fmax(max, std::fabs(x[row + k]));
      const float inverse = max == 0 ? 0 : 127.0F / max;
      for (int64_t k = c; k < end; ++k) {
        rounded[row + k] = std::nearbyint(x[row + k] * inverse) * (max / 127.0F);
      }
    }
  }
  return rounded;
}

std::vector<float> Product(Backend* b, const HostMatrix& w, const std::vector<float>& x, int64_t m,
                           bool accumulate = false) {
  EXPECT_TRUE(b->Plan(PlanFor(static_cast<int32_t>(m))).ok());
  const Buffer out = Upload(b, std::vector<float>(m * w.rows, 0.5F), {m, w.rows, 0});
  b->Linear(Upload(b, x, {m, w.cols, 0}), *b->Pack(w), m, accumulate, out);
  return Download(b, out);
}

TEST_P(Quantised, LinearOverShapesTypesAndSeeds) {
  struct Shape {
    int64_t rows, cols, m;
  };
  uint32_t seed = 1;
  for (const Shape& s : std::vector<Shape>{{1, 1, 1},
                                           {17, 3, 2},
                                           {15, 24, 3},
                                           {64, 128, 4},
                                           {240, 40, 5},
                                           {80, 192, 7},
                                           {33, 129, 13},
                                           {129, 384, 16},
                                           {512, 96, 31},
                                           {70, 1408, 6}}) {
    for (const WeightType store : {WeightType::kInt8, WeightType::kInt4}) {
      for (const DType dtype : {DType::kF32, DType::kBf16, DType::kF8E4M3}) {
        Random random(++seed);
        const TestMatrix w(&random, s.rows, s.cols, dtype);
        HostMatrix m = w.host();
        m.store = store;
        const std::vector<float> x = random.Normal(s.m * s.cols);
        const bool rounds = compute() == Compute::kInt8;
        SCOPED_TRACE(testing::Message() << s.rows << "x" << s.cols << " m " << s.m << " type "
                                        << int(dtype) << " store " << Name(store));
        const auto backend = Make();
        ExpectSame(backend.get(), 3e-5, [&](Backend* b) {
          const bool reference = b->name() == "reference";
          return Product(b, m, reference && rounds ? RoundRows(x, s.cols) : x, s.m, seed % 2 == 0);
        });
      }
    }
  }
}

// Native weights meet bf16 rows where the CPU has the instruction: each product is off by at most
// one rounding of x.
TEST_P(Quantised, NativeWeightsAreWithinARoundingOfX) {
  Random random(50);
  for (const DType dtype : {DType::kBf16, DType::kF8E4M3}) {
    const TestMatrix w(&random, 75, 333, dtype);
    const std::vector<float> x = random.Normal(9 * 333);
    const auto backend = Make();
    ExpectSame(backend.get(), 0.04, [&](Backend* b) { return Product(b, w.host(), x, 9); });
  }
}

TEST_P(Quantised, RowsDoNotDependOnCompanyOrThreads) {
  Random random(7);
  for (const WeightType store : {WeightType::kNative, WeightType::kInt8, WeightType::kInt4}) {
    for (const DType dtype : {DType::kBf16, DType::kF8E4M3}) {
      const TestMatrix w(&random, 150, 333, dtype);
      HostMatrix m = w.host();
      m.store = store;
      const std::vector<float> x = random.Normal(19 * 333);
      const std::vector<float> all = Product(Make(2).get(), m, x, 19);
      for (int64_t rows = 1; rows <= 7; ++rows) {
        const auto alone = Make(1);
        EXPECT_EQ(
            Product(alone.get(), m, {x.begin() + 2 * 333, x.begin() + (2 + rows) * 333}, rows),
            std::vector<float>(all.begin() + 2 * 150, all.begin() + (2 + rows) * 150));
      }
    }
  }
}

// Weights and intermediates of odd widths: groups of 128 columns with a short last one.
TEST_P(Quantised, FfnAndMoe) {
  for (const WeightType store : {WeightType::kNative, WeightType::kInt8, WeightType::kInt4}) {
    for (const auto& widths : {std::pair{24, 40}, std::pair{160, 300}}) {
      const int hidden = widths.first;
      const int intermediate = widths.second;
      Random random(static_cast<uint32_t>(hidden));
      std::vector<TestMatrix> matrices;
      matrices.reserve(12);
      for (int i = 0; i < 12; ++i) {
        matrices.emplace_back(&random, i % 3 == 2 ? hidden : intermediate,
                              i % 3 == 2 ? intermediate : hidden, DType::kBf16);
      }
      constexpr int kRows = 60;
      const std::vector<float> x = random.Normal(kRows * hidden);
      std::vector<int32_t> ids;
      std::vector<float> weights;
      for (int r = 0; r < kRows; ++r) {
        const auto first = static_cast<int32_t>(random.Below(3));
        ids.insert(ids.end(), {first, (first + 1 + static_cast<int32_t>(random.Below(2))) % 3});
        weights.insert(weights.end(), {0.7F, 0.3F});
      }
      const auto run = [&](Backend* b) {
        const auto pack = [&](int i) {
          HostMatrix m = matrices[static_cast<size_t>(i)].host();
          m.store = store;
          return *b->Pack(m);
        };
        std::vector<FfnWeights> experts;
        experts.reserve(3);
        for (int e = 0; e < 3; ++e)
          experts.push_back({pack(3 * e), pack(3 * e + 1), pack(3 * e + 2)});
        const FfnWeights shared{pack(9), pack(10), pack(11)};
        StepPlan plan = PlanFor(kRows);
        plan.hidden = hidden;
        plan.ffn_intermediate = plan.expert_intermediate = intermediate;
        plan.experts = 3;
        plan.experts_per_token = 2;
        EXPECT_TRUE(b->Plan(plan).ok());
        Segment segment;
        segment.rows = kRows;
        const std::vector<int32_t> tokens(kRows, 1);
        b->BeginStep({tokens, {&segment, 1}, {}, {}});
        const Buffer in = Upload(b, x, {kRows, hidden, 0});
        const Buffer out = Zeros(b, {kRows, hidden, 0});
        b->Moe(in, UploadInts(b, ids, {kRows, 2, 0}), Upload(b, weights, {kRows, 2, 0}),
               {experts, 2, &shared}, out);
        return Download(b, out);
      };
      const auto backend = Make();
      const std::vector<float> actual = run(backend.get());
      const std::vector<float> expected = run(CpuBackendFor("baseline", 1, Compute::kFp32).get());
      double error = 0;
      double energy = 0;
      for (size_t i = 0; i < actual.size(); ++i) {
        error += std::pow(actual[i] - expected[i], 2);
        energy += std::pow(expected[i], 2);
      }
      // Rounding of activations only: the weights are the same numbers.
      EXPECT_LT(std::sqrt(error / energy), compute() == Compute::kFp32 ? 1e-5 : 0.02);
      EXPECT_EQ(actual, run(Make(1).get()));
    }
  }
}

TEST_P(Quantised, NanAndInfinityShowInTheResult) {
  Random random(9);
  const TestMatrix w(&random, 20, 200, DType::kBf16);
  HostMatrix m = w.host();
  m.store = WeightType::kInt8;
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    std::vector<float> x = random.Normal(200);
    x[150] = bad;
    const auto backend = Make();
    for (const float y : Product(backend.get(), m, x, 1)) EXPECT_FALSE(std::isfinite(y));
  }
}

// How many rows there are decides which of several loops, or of two units, computes them, and what
// they share; rows lie side by side in a linear, anywhere in an expert. None may show it.
class ManyRows : public testing::TestWithParam<std::string> {
 protected:
  static constexpr int64_t kRows = 600;

  // Rows of x, in `form`, have the same products with `w` in company and alone.
  void ExpectAlike(const PackedMatrix& w, RowForm form, const std::vector<float>& x) {
    const KernelTable& kernels = **SelectKernels(GetParam());
    const int64_t bytes = RowBytes(form, w.cols);
    // What lies behind a row must not be read into it.
    std::vector<uint8_t> prepared(static_cast<size_t>(kRows * bytes), 0xff);
    for (int64_t i = 0; i < kRows; ++i) {
      kernels.prepare(form, x.data() + i * w.cols, w.cols, prepared.data() + i * bytes);
    }
    Random random(3);
    const auto product = [&](const std::vector<const uint8_t*>& from, bool accumulate) {
      std::vector<float> out(from.size() * static_cast<size_t>(w.rows), 0.5F);
      std::vector<float*> to;
      for (size_t i = 0; i < from.size(); ++i) to.push_back(out.data() + i * w.rows);
      kernels.gemm(w, form, {0, w.tiles}, from.data(), static_cast<int64_t>(from.size()), to.data(),
                   0, accumulate);
      return out;
    };
    for (const int64_t m : {2, 3, 4, 6, 12, 16, 17, 64, 65, 83, 130, 600}) {
      for (const bool gathered : {false, true}) {
        std::vector<const uint8_t*> from;
        for (int64_t i = 0; i < m; ++i) {
          from.push_back(prepared.data() + (gathered ? random.Below(kRows) : i) * bytes);
        }
        const std::vector<float> all = product(from, gathered);
        for (const int64_t row : {int64_t{0}, m / 2, m - 1}) {
          const float* begin = all.data() + row * w.rows;
          EXPECT_EQ(product({from[static_cast<size_t>(row)]}, gathered),
                    std::vector<float>(begin, begin + w.rows))
              << w.rows << "x" << w.cols << " row " << row << " of " << m;
        }
      }
    }
  }
};

TEST_P(ManyRows, AreComputedAsEachAlone) {
  struct Shape {
    int rows, cols;
  };
  const KernelTable& kernels = **SelectKernels(GetParam());
  // More groups than are unpacked at once; panels of four tiles and of three, a last tile of five.
  for (const Shape& shape : {Shape{181, 2500}, Shape{128, 128}, Shape{48, 40}}) {
    Random random(static_cast<uint32_t>(shape.rows));
    const std::vector<float> x = random.Normal(kRows * shape.cols);
    std::vector<float> tiny = x;  // every other row has subnormal numbers and products
    for (size_t i = 0; i < tiny.size(); ++i) {
      if (i / shape.cols % 2 == 0) tiny[i] *= 0x1p-125F;
    }
    for (const DType dtype : {DType::kBf16, DType::kF8E4M3}) {
      for (const WeightType store : {WeightType::kNative, WeightType::kInt8, WeightType::kInt4}) {
        SCOPED_TRACE(testing::Message() << "type " << int(dtype) << " store " << Name(store));
        const TestMatrix matrix(&random, shape.rows, shape.cols, dtype);
        HostMatrix host = matrix.host();
        host.store = store;
        HostArena arena;
        const PackedMatrix w = *PackMatrix(host, &arena, nullptr, kernels.quantize);
        const RowForm native = kernels.bf16_dot ? RowForm::kBf16 : RowForm::kF32;
        if (store == WeightType::kNative) {
          ExpectAlike(w, native, x);
          ExpectAlike(w, native, tiny);
        } else {
          ExpectAlike(w, RowForm::kInt8, x);
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, ManyRows, testing::ValuesIn(Isas()),
                         [](const auto& info) { return info.param; });

INSTANTIATE_TEST_SUITE_P(Isa, Quantised,
                         testing::Combine(testing::ValuesIn(Isas()),
                                          testing::Values(Compute::kFp32, Compute::kBf16,
                                                          Compute::kInt8)),
                         [](const auto& info) {
                           return std::get<0>(info.param) + "_" +
                                  std::string(Name(std::get<1>(info.param)));
                         });

}  // namespace
}  // namespace deepseek::engine
