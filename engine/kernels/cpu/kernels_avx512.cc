#include "engine/kernels/cpu/simd_avx512.h"
// After the vector type:
#include "engine/kernels/cpu/gemm_inl.h"
#include "engine/kernels/cpu/absorb_inl.h"
#include "engine/kernels/cpu/rows_inl.h"

namespace deepseek::engine {

const KernelTable kAvx512Kernels = MakeTable("avx512");

}  // namespace deepseek::engine
