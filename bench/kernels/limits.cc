#include "bench/kernels/limits.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace deepseek::bench {
namespace {

constexpr size_t kReadBytes = size_t{512} << 20;  // far above any last-level cache
constexpr double kSecondsPerCase = 0.25;

Limits& Stored() {
  static Limits limits;
  return limits;
}

ceiling Peak(const char* kind, int threads) {
  const ceiling peak = vnni_ceiling(kind, kSecondsPerCase, threads);
  if (peak.best < 0) {
    std::fprintf(stderr, "error: kernel_bench: %s: the peak loop gave a wrong result\n", kind);
    std::exit(1);
  }
  std::fprintf(stderr, "peak %s: %.0f Gop/s (median %.0f)\n", kind, peak.best, peak.median);
  benchmark::AddCustomContext(std::string(kind) + "_gops", std::to_string(peak.best));
  return peak;
}

}  // namespace

double Limits::Gops(Unit unit) const {
  // A CPU without the narrow instruction computes in fp32.
  const double narrow = unit == Unit::kInt8   ? int8.best
                        : unit == Unit::kBf16 ? bf16.best
                                              : fp32.best;
  return narrow > 0 ? narrow : fp32.best;
}

void MeasureLimits(int threads) {
  Limits& limits = Stored();
  limits.threads = threads;
  limits.bandwidth = membw_ceiling(kReadBytes, kSecondsPerCase, threads);
  std::fprintf(stderr, "read bandwidth, %d threads, huge pages: %.1f GB/s (median %.1f)\n", threads,
               limits.bandwidth.best, limits.bandwidth.median);
  benchmark::AddCustomContext("membw_gb_per_s", std::to_string(limits.bandwidth.best));
  benchmark::AddCustomContext("threads", std::to_string(threads));
  limits.int8 = Peak("int8", threads);
  limits.bf16 = Peak("bf16", threads);
  limits.fp32 = Peak("fp32", threads);
}

const Limits& MeasuredLimits() {
  return Stored();
}

void Report(benchmark::State& state, double bytes, double flops, Unit unit) {
  const Limits& limits = MeasuredLimits();
  const auto n = static_cast<double>(state.iterations());
  using benchmark::Counter;
  state.counters["GB/s"] = Counter(bytes * n * 1e-9, Counter::kIsRate);
  state.counters["Gop/s"] = Counter(flops * n * 1e-9, Counter::kIsRate);
  const double peak = limits.Gops(unit);
  if (limits.bandwidth.best <= 0 || peak <= 0) return;
  const double seconds = std::max(bytes / limits.bandwidth.best, flops / peak) * 1e-9;
  state.counters["share"] = Counter(seconds * n, Counter::kIsRate);
}

}  // namespace deepseek::bench
