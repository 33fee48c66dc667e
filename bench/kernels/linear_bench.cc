// Linear of every weight format at the shapes of DeepSeek-V2-Lite and V3, from one row (decoding)
// to a chunk of a prompt. Bytes: the packed matrix, read once per call. FLOPs: 2 x rows x out x in.
// Bound: memory up to about 16 rows (bf16: 16 bits per weight against 472 Gop/s at 60 GB/s), the
// multiply-add rate above.

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "bench/kernels/benchmarks.h"
#include "bench/kernels/operands.h"

namespace deepseek::bench {
namespace {

struct Shape {
  int64_t out, in;
};
constexpr Shape kShapes[] = {
    {2048, 2048},    // V2-Lite o_proj
    {3072, 2048},    // V2-Lite q_proj
    {1408, 2048},    // V2-Lite expert gate and up
    {2048, 1408},    // V2-Lite expert down
    {10944, 2048},   // V2-Lite dense gate and up
    {102400, 2048},  // V2-Lite lm_head
    {2048, 7168},    // V3 expert gate and up
    {7168, 2048},    // V3 expert down
    {24576, 1536},   // V3 q_b_proj
};
constexpr int32_t kRows[] = {1, 8, 32, 128, 512};
constexpr int32_t kMaxRows = 512;

struct Linears {
  Linears(const Format& format, const Shape& shape) : operands(format, PlanFor(shape)) {
    weights.push_back(operands.Weight(shape.out, shape.in, 1));
    const int copies = CopiesFor(weights[0].bytes);
    for (int i = 1; i < copies; ++i)
      weights.push_back(operands.Weight(shape.out, shape.in, static_cast<uint32_t>(i + 1)));
    x = operands.Rows(kMaxRows, shape.in, 99);
    out = operands.Zeros(kMaxRows, shape.out);
  }
  static engine::StepPlan PlanFor(const Shape& shape) {
    engine::StepPlan plan;
    plan.max_rows = plan.max_logit_rows = kMaxRows;
    plan.hidden = static_cast<int32_t>(shape.in);
    // The scratch of a Linear is at most that of an Ffn of this width.
    plan.ffn_intermediate = static_cast<int32_t>(shape.in);
    return plan;
  }
  Operands operands;
  std::vector<engine::PackedWeight> weights;  // copies: one alone would stay in the cache
  engine::Buffer x, out;
};

// One at a time: a benchmark's operands take up to a gigabyte.
Linears& LinearsFor(const Format& format, const Shape& shape) {
  static std::pair<const Format*, const Shape*> key;
  static std::unique_ptr<Linears> linears;
  if (key != std::make_pair(&format, &shape)) {
    linears.reset();
    linears = std::make_unique<Linears>(format, shape);
    key = {&format, &shape};
  }
  return *linears;
}

void Run(benchmark::State& state, const Format& format, const Shape& shape) {
  Linears& l = LinearsFor(format, shape);
  if (l.operands.packed_bits() > format.bits * 1.25) {
    state.SkipWithError("the engine has no packed form of this format");
    return;
  }
  const auto rows = static_cast<int32_t>(state.range(0));
  l.operands.BeginStep(rows);
  size_t next = 0;
  const Meter meter;
  for (auto _ : state) {
    l.operands.backend().Linear(l.x, l.weights[next], rows, false, l.out);
    next = next + 1 == l.weights.size() ? 0 : next + 1;
  }
  meter.Report(state, static_cast<double>(l.weights[0].bytes),
               2.0 * rows * static_cast<double>(shape.out * shape.in), format.unit,
               MeasuredLimits().threads);
}

}  // namespace

void RegisterLinear() {
  for (const Format& format : Formats()) {
    for (const Shape& shape : kShapes) {
      const std::string name = std::string("linear/") + format.name + "/" +
                               std::to_string(shape.out) + "x" + std::to_string(shape.in);
      auto* bench = benchmark::RegisterBenchmark(
          name.c_str(), [&format, &shape](benchmark::State& state) { Run(state, format, shape); });
      for (const int32_t rows : kRows) bench->Arg(rows);
      bench->UseRealTime();
    }
  }
}

}  // namespace deepseek::bench
