// Row operations between the matrices: RMSNorm and sampling through the backend, SwiGLU as the bare
// kernel on one thread (it is fused into the experts). Operands sit in the cache, as they do in a
// step, so GB/s may exceed the memory's; what counts is the time beside a linear's.

#include <string>
#include <vector>

#include "bench/kernels/benchmarks.h"
#include "bench/kernels/operands.h"
#include "engine/kernels/cpu/isa.h"
#include "engine/kernels/cpu/kernel_table.h"

namespace deepseek::bench {
namespace {

void Norm(benchmark::State& state) {
  const auto rows = static_cast<int32_t>(state.range(0));
  const auto cols = static_cast<int32_t>(state.range(1));
  engine::StepPlan plan;
  plan.max_rows = rows;
  plan.max_logit_rows = 1;
  plan.hidden = cols;
  Operands operands(Formats()[0], plan);
  const engine::Buffer x = operands.Rows(rows, cols, 1), out = operands.Zeros(rows, cols);
  engine::Buffer weight = operands.Rows(1, cols, 2);
  weight.shape = {cols, 0, 0};
  operands.BeginStep(rows);
  const Meter meter;
  for (auto _ : state) operands.backend().RmsNorm(x, weight, 1e-6F, rows, out);
  // x twice (the sum of squares, the product), weight and out once.
  meter.Report(state, 4.0 * 4 * rows * cols, 4.0 * rows * cols, Unit::kFp32,
               MeasuredLimits().threads);
}

void Swiglu(benchmark::State& state) {
  const auto kernels = engine::SelectKernels(MeasuredLimits().isa);
  if (!kernels.ok()) {
    state.SkipWithError("no kernels for this CPU");
    return;
  }
  const auto n = state.range(0);
  std::vector<float> gate(static_cast<size_t>(n), 0.5F), up(static_cast<size_t>(n), 2.0F);
  std::vector<float> out(static_cast<size_t>(n));
  const Meter meter;
  for (auto _ : state) {
    (*kernels)->swiglu(gate.data(), up.data(), n, out.data());
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  // About 20 operations an element: exp as a polynomial, a division, two products.
  meter.Report(state, 3.0 * 4 * static_cast<double>(n), 20.0 * static_cast<double>(n), Unit::kFp32,
               1);
}

// DeepSeek-V3's vocabulary. Bytes: the logits once.
struct Sampling {
  const char* name;
  float temperature, top_p;
  int32_t top_k;
};
constexpr Sampling kSampling[] = {{"sample/greedy", 0, 1, 0},
                                  {"sample/plain", 1, 1, 0},
                                  {"sample/top_p", 1, 0.95F, 0},
                                  {"sample/top_k", 1, 1, 50},
                                  {"sample/top_k_top_p", 0.7F, 0.9F, 40}};

void Sample(benchmark::State& state, const Sampling& sampling) {
  constexpr int32_t kVocab = 129280;
  const auto rows = static_cast<int32_t>(state.range(0));
  engine::StepPlan plan;
  plan.max_rows = plan.max_logit_rows = rows;
  Operands operands(Formats()[0], plan);
  const engine::Buffer logits = operands.Rows(rows, kVocab, 1);
  operands.BeginStep(rows);
  std::vector<engine::SampleSpec> specs(static_cast<size_t>(rows));
  for (int32_t r = 0; r < rows; ++r) {
    engine::SampleSpec& spec = specs[static_cast<size_t>(r)];
    spec.row = r;
    spec.temperature = sampling.temperature;
    spec.top_p = sampling.top_p;
    spec.top_k = sampling.top_k;
  }
  std::vector<engine::SampleResult> results;
  const Meter meter;
  for (auto _ : state) {
    for (engine::SampleSpec& spec : specs) ++spec.position;
    operands.backend().Sample(logits, specs, &results);
  }
  meter.Report(state, 4.0 * rows * kVocab, 20.0 * rows * kVocab, Unit::kFp32,
               MeasuredLimits().threads);
}

}  // namespace

void RegisterRows() {
  benchmark::RegisterBenchmark("rms_norm", Norm)
      ->ArgsProduct({{1, 32, 512}, {2048, 7168}})
      ->UseRealTime();
  benchmark::RegisterBenchmark("swiglu", Swiglu)->Arg(1408)->Arg(10944);
  for (const Sampling& sampling : kSampling) {
    benchmark::RegisterBenchmark(sampling.name,
                                 [&sampling](benchmark::State& state) { Sample(state, sampling); })
        ->Arg(1)
        ->Arg(32)
        ->UseRealTime();
  }
}

}  // namespace deepseek::bench
