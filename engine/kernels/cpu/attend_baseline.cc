#include "engine/kernels/cpu/simd_baseline.h"

// After the vector type:
#include "engine/kernels/cpu/attend_f32_inl.h"
#include "engine/kernels/cpu/attend_inl.h"

namespace deepseek::engine {

const AttendKernels kBaselineAttend = MakeAttend<F32Operand>("baseline");

}  // namespace deepseek::engine
