// kernel_bench: kernels as shares of the machine's ceilings.
//
//   kernel_bench [--threads=2] [google-benchmark's flags, such as --benchmark_filter=linear/int4
//                --benchmark_out=FILE --benchmark_repetitions=3]

#include <benchmark/benchmark.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <thread>

#include "bench/kernels/benchmarks.h"
#include "bench/kernels/limits.h"

namespace {

// Takes --threads=N out of the arguments; -1: not a number of 1 to 64.
int TakeThreads(int* argc, char** argv) {
  constexpr std::string_view kFlag = "--threads=";
  int threads = std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, 64);
  const auto end = std::remove_if(argv + 1, argv + *argc, [&](const char* arg) {
    std::string_view text = arg;
    if (text.substr(0, kFlag.size()) != kFlag) return false;
    text.remove_prefix(kFlag.size());
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), threads);
    if (error != std::errc() || rest != text.data() + text.size() || threads < 1 || threads > 64)
      threads = -1;
    return true;
  });
  *argc = static_cast<int>(end - argv);
  argv[*argc] = nullptr;
  return threads;
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = TakeThreads(&argc, argv);
  if (threads < 0) {
    std::fprintf(stderr, "error: kernel_bench: --threads: must be 1 to 64\n");
    return 1;
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  deepseek::bench::MeasureLimits(threads);
  deepseek::bench::RegisterAttention();
  deepseek::bench::RegisterLinear();
  deepseek::bench::RegisterMoe();
  deepseek::bench::RegisterRows();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
