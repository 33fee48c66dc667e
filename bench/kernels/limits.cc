#include "bench/kernels/limits.h"

#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace deepseek::bench {
namespace {

constexpr size_t kReadBytes = size_t{512} << 20;  // far above any last-level cache
constexpr double kSecondsPerCase = 0.25;

double CpuSeconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

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

void MeasureLimits(int threads, std::string_view isa) {
  Limits& limits = Stored();
  limits.threads = threads;
  limits.isa = std::string(isa);
  limits.bandwidth = membw_ceiling(kReadBytes, kSecondsPerCase, threads);
  std::fprintf(stderr, "read bandwidth, %d threads, huge pages: %.1f GB/s (median %.1f)\n", threads,
               limits.bandwidth.best, limits.bandwidth.median);
  benchmark::AddCustomContext("membw_gb_per_s", std::to_string(limits.bandwidth.best));
  benchmark::AddCustomContext("threads", std::to_string(threads));
  benchmark::AddCustomContext("isa", limits.isa);
  limits.int8 = Peak("int8", threads);
  limits.bf16 = Peak("bf16", threads);
  limits.fp32 = Peak("fp32", threads);
}

const Limits& MeasuredLimits() {
  return Stored();
}

Meter::Meter() : start_(std::chrono::steady_clock::now()), cpu_(CpuSeconds()) {}

void Meter::Report(benchmark::State& state, double bytes, double flops, Unit unit,
                   int threads) const {
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start_;
  const auto n = static_cast<double>(state.iterations());
  const double seconds = taken.count() / n, cpu = (CpuSeconds() - cpu_) / n / threads;
  if (seconds <= 0 || cpu <= 0) return;
  state.counters["GB_s"] = bytes / seconds * 1e-9;
  state.counters["Gop_s"] = flops / seconds * 1e-9;
  state.counters["cpu"] = cpu / seconds;
  const Limits& limits = MeasuredLimits();
  const double peak = limits.Gops(unit);
  if (limits.bandwidth.best <= 0 || peak <= 0) return;
  // The ceilings are those of all threads: one thread's part of the rate is its share of them.
  const double part = static_cast<double>(threads) / limits.threads;
  const double least = std::max(bytes / limits.bandwidth.best, flops / peak / part) * 1e-9;
  state.counters["share"] = least / seconds;
  state.counters["share_cpu"] = least / cpu;
}

}  // namespace deepseek::bench
