#include "engine/kernels/cpu/simd_baseline.h"
// After the vector type:
#include "engine/kernels/cpu/gemm_inl.h"
#include "engine/kernels/cpu/absorb_inl.h"
#include "engine/kernels/cpu/rows_inl.h"

namespace deepseek::engine {

const KernelTable kBaselineKernels = MakeTable("baseline");

}  // namespace deepseek::engine
