#pragma once
// One registration function for each file of benchmarks; kernel_bench.cc calls them all.

namespace deepseek::bench {

void RegisterAttention();
void RegisterLinear();
void RegisterMoe();
void RegisterRows();

}  // namespace deepseek::bench
