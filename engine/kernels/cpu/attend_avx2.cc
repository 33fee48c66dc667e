#include "engine/kernels/cpu/simd_avx2.h"
#include "engine/kernels/cpu/transpose_avx2.h"
// After the vector type:
#include "engine/kernels/cpu/attend_f32_inl.h"
#include "engine/kernels/cpu/attend_inl.h"

namespace deepseek::engine {

const AttendKernels kAvx2Attend = MakeAttend<F32Operand>("avx2");

}  // namespace deepseek::engine
