// kernel_bench: kernels as shares of the machine's ceilings.
//
//   kernel_bench [--threads=2] [--isa=avx512] [google-benchmark's flags, such as
//   --benchmark_filter=linear/int4
//                --benchmark_out=FILE --benchmark_repetitions=3]

#include <benchmark/benchmark.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <optional>
#include <string_view>
#include <thread>

#include "bench/kernels/benchmarks.h"
#include "bench/kernels/limits.h"
#include "engine/kernels/cpu/cpu_backend.h"

namespace {

// Takes FLAG=VALUE (the last one) out of the arguments.
std::optional<std::string_view> Take(std::string_view flag, int* argc, char** argv) {
  std::optional<std::string_view> value;
  const auto end = std::remove_if(argv + 1, argv + *argc, [&](const char* arg) {
    const std::string_view text = arg;
    if (text.size() <= flag.size() || text.substr(0, flag.size()) != flag ||
        text[flag.size()] != '=')
      return false;
    value = text.substr(flag.size() + 1);
    return true;
  });
  *argc = static_cast<int>(end - argv);
  argv[*argc] = nullptr;
  return value;
}

// -1: not a number of 1 to 64.
int ToThreads(std::string_view text) {
  int threads = -1;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), threads);
  const bool whole = error == std::errc() && rest == text.data() + text.size();
  return whole && threads >= 1 && threads <= 64 ? threads : -1;
}

}  // namespace

int main(int argc, char** argv) {
  const auto given = Take("--threads", &argc, argv);
  const int threads =
      given ? ToThreads(*given)
            : std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, 64);
  const std::string_view isa = Take("--isa", &argc, argv).value_or("auto");
  if (threads < 0) {
    std::fprintf(stderr, "error: kernel_bench: --threads: must be 1 to 64\n");
    return 1;
  }
  if (const auto kernels = deepseek::engine::FindCpuKernels(isa); !kernels.ok()) {
    std::fprintf(stderr, "error: kernel_bench: %s\n", kernels.status().ToString().c_str());
    return 1;
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  deepseek::bench::MeasureLimits(threads, isa);
  deepseek::bench::RegisterAttention();
  deepseek::bench::RegisterLinear();
  deepseek::bench::RegisterMoe();
  deepseek::bench::RegisterRows();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
