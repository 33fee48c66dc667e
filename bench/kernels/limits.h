#pragma once
// The machine's ceilings, measured once in the process that runs the benchmarks, and what a
// benchmark reports against them.

#include <benchmark/benchmark.h>

#include <cstdint>

#include "bench/ceilings.h"

namespace deepseek::bench {

/// Which multiply-add rate bounds a kernel.
enum class Unit { kInt8, kBf16, kFp32 };

struct Limits {
  int threads = 0;
  ceiling bandwidth{};             ///< GB/s out of huge pages
  ceiling int8{}, bf16{}, fp32{};  ///< Gop/s of all threads
  double Gops(Unit unit) const;
};

/// Measures (some seconds), prints and puts into the JSON context. Once, before the benchmarks run.
void MeasureLimits(int threads);
const Limits& MeasuredLimits();

/// Sets the counters of a benchmark that moves `bytes` and makes `flops` operations (multiply and
/// add: two) per iteration: GB/s, Gop/s, and share: the time that the tighter of the two ceilings
/// asks for, over the time taken. 1 is the roof. Ceilings are the best case's best pass, so a share
/// on a crowded machine is too low, never too high.
void Report(benchmark::State& state, double bytes, double flops, Unit unit);

}  // namespace deepseek::bench
