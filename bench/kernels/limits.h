#pragma once
// The machine's ceilings, measured once in the process that runs the benchmarks, and what a
// benchmark reports against them.

#include <benchmark/benchmark.h>

#include <chrono>
#include <string>
#include <string_view>

#include "bench/ceilings.h"

namespace deepseek::bench {

/// Which multiply-add rate bounds a kernel.
enum class Unit { kInt8, kBf16, kFp32 };

struct Limits {
  int threads = 0;
  std::string isa;                 ///< whose kernels are measured: cpu_backend.h
  ceiling bandwidth{};             ///< GB/s out of huge pages
  ceiling int8{}, bf16{}, fp32{};  ///< Gop/s of all threads
  double Gops(Unit unit) const;
};

/// Measures (some seconds), prints and puts into the JSON context. Once, before the benchmarks run.
void MeasureLimits(int threads, std::string_view isa);
const Limits& MeasuredLimits();

/// Times the loop of a benchmark: made just before it, asked just after it.
class Meter {
 public:
  Meter();
  /// Sets the counters of a benchmark that moves `bytes` and makes `flops` operations (multiply and
  /// add: two) per iteration: GB_s, Gop_s, cpu (share of the threads' time that the process got),
  /// share: the time that the tighter of the two ceilings asks for over the time taken (1 is the
  /// roof), and share_cpu: the same over processor time divided by threads, which a crowded machine
  /// disturbs less. Ceilings are the best pass of the best case, so shares err to the low side.
  void Report(benchmark::State& state, double bytes, double flops, Unit unit, int threads) const;

 private:
  std::chrono::steady_clock::time_point start_;
  double cpu_;
};

}  // namespace deepseek::bench
