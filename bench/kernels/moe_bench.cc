// The routed experts of DeepSeek-V2-Lite: 64 experts of 2048 x 1408, six per row, as one grouped
// operation. Bytes: the packed experts that are read, each once per call. FLOPs: 2 x pairs x 3 x
// 2048 x 1408. One row reads six experts and is bound by memory; 512 rows give 48 to each expert.
// "even" gives every expert the same number of rows: 11, 21, 32, 43, 53, 64 and 85 rows some 1 to
// 6, and 8.

#include <algorithm>
#include <memory>
#include <numeric>
#include <random>
#include <string>

#include "bench/kernels/benchmarks.h"
#include "bench/kernels/operands.h"

namespace deepseek::bench {
namespace {

constexpr int32_t kExperts = 64, kTopK = 6, kHidden = 2048, kIntermediate = 1408, kMaxRows = 512;
constexpr int kChoices = 16;  // id tables to rotate over: other experts in each call

struct Experts {
  explicit Experts(const Format& format) : operands(format, Plan()) {
    for (int32_t e = 0; e < kExperts; ++e) {
      const auto seed = static_cast<uint32_t>(3 * e + 1);
      weights.push_back({operands.Weight(kIntermediate, kHidden, seed),
                         operands.Weight(kIntermediate, kHidden, seed + 1),
                         operands.Weight(kHidden, kIntermediate, seed + 2)});
    }
    x = operands.Rows(kMaxRows, kHidden, 99);
    out = operands.Zeros(kMaxRows, kHidden);
    shares = operands.Rows(kMaxRows, kTopK, 98);
  }
  static engine::StepPlan Plan() {
    engine::StepPlan plan;
    plan.max_rows = plan.max_logit_rows = kMaxRows;
    plan.hidden = kHidden;
    plan.ffn_intermediate = kIntermediate;
    plan.experts = kExperts;
    plan.experts_per_token = kTopK;
    plan.expert_intermediate = kIntermediate;
    return plan;
  }
  Operands operands;
  std::vector<engine::FfnWeights> weights;
  engine::Buffer x, out, shares;
};

Experts& ExpertsFor(const Format& format) {
  static const Format* key = nullptr;
  static std::unique_ptr<Experts> experts;
  if (key != &format) {
    experts.reset();
    experts = std::make_unique<Experts>(format);
    key = &format;
  }
  return *experts;
}

// Distinct experts for each row: in turn, or uniform, as real routers are balanced to be.
std::vector<int32_t> Choose(int32_t rows, bool even, std::mt19937* random) {
  std::vector<int32_t> all(kExperts), ids;
  for (int32_t i = 0; even && i < rows * kTopK; ++i) ids.push_back(i % kExperts);
  if (even) return ids;
  std::iota(all.begin(), all.end(), 0);
  for (int32_t r = 0; r < rows; ++r) {
    std::shuffle(all.begin(), all.end(), *random);
    ids.insert(ids.end(), all.begin(), all.begin() + kTopK);
  }
  return ids;
}

void Run(benchmark::State& state, const Format& format, bool even) {
  Experts& e = ExpertsFor(format);
  if (e.operands.packed_bits() > format.bits * 1.25) {
    state.SkipWithError("the engine has no packed form of this format");
    return;
  }
  const auto rows = static_cast<int32_t>(state.range(0));
  std::mt19937 random(7);
  std::vector<engine::Buffer> choices;
  int64_t bytes = 0;  // of all choices
  for (int i = 0; i < kChoices; ++i) {
    std::vector<int32_t> ids = Choose(rows, even, &random);
    choices.push_back(e.operands.Ints(ids, rows, kTopK));
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    for (const int32_t id : ids) {
      const engine::FfnWeights& w = e.weights[static_cast<size_t>(id)];
      bytes += w.gate.bytes + w.up.bytes + w.down.bytes;
    }
  }
  e.operands.BeginStep(rows);
  size_t next = 0;
  const Meter meter;
  for (auto _ : state) {
    e.operands.backend().Moe(e.x, choices[next], e.shares, {e.weights, kTopK}, e.out);
    next = (next + 1) % kChoices;
  }
  meter.Report(state, static_cast<double>(bytes) / kChoices,
               2.0 * rows * kTopK * 3 * kHidden * kIntermediate, format.unit,
               MeasuredLimits().threads);
}

}  // namespace

void RegisterMoe() {
  for (const Format& format : Formats()) {
    const auto add = [&](const char* kind, bool even, const std::vector<int64_t>& rows) {
      const std::string name = std::string("moe/") + format.name + kind;
      auto* bench = benchmark::RegisterBenchmark(
          name.c_str(), [&format, even](benchmark::State& state) { Run(state, format, even); });
      for (const int64_t n : rows) bench->Arg(n);
      bench->UseRealTime();
    };
    add("/64x6", false, {1, 8, 32, 512});
    add("/64x6/even", true, {11, 21, 32, 43, 53, 64, 85});
  }
}

}  // namespace deepseek::bench
