#include "engine/kernels/cpu/simd_avx512.h"
// After the vector type, in this order:
#include "engine/kernels/cpu/gemm_inl.h"
// clang-format off
#include "engine/kernels/cpu/unpack_inl.h"
#include "engine/kernels/cpu/quantize_inl.h"
#include "engine/kernels/cpu/rows_inl.h"
// clang-format on

namespace deepseek::engine {

const KernelTable kAvx512Bf16Kernels = MakeTable("avx512_bf16");

}  // namespace deepseek::engine
