#include "engine/kernels/cpu/simd_avx512.h"
#include "engine/kernels/cpu/transpose_avx512.h"
// After the vector type:
#include "engine/kernels/cpu/attend_f32_inl.h"
#include "engine/kernels/cpu/attend_inl.h"

namespace deepseek::engine {

const AttendKernels kAvx512Attend = MakeAttend<F32Operand>("avx512");

}  // namespace deepseek::engine
