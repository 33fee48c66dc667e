// Attention with bf16 operands: vdpbf16ps does twice the multiply-adds of fp32.

#include "engine/kernels/cpu/simd_avx512.h"
// After the vector type:
#include "engine/kernels/cpu/attend_bf16_inl.h"

namespace deepseek::engine {

const AttendKernels kAvx512Bf16Attend = MakeAttend<Bf16Operand>("avx512_bf16");

}  // namespace deepseek::engine
