#include "engine/kernels/weight.h"

#include <cstring>

namespace deepseek::engine {
namespace {

template <typename T>
T Load(const void* data, int64_t index) {
  T value;
  std::memcpy(&value, static_cast<const uint8_t*>(data) + index * int64_t{sizeof(T)}, sizeof(T));
  return value;
}

}  // namespace

float HostMatrix::At(int64_t row, int64_t col) const {
  const int64_t i = row * row_stride + col;
  switch (dtype) {
    case DType::kF32:
      return Load<float>(data, i);
    case DType::kBf16:
      return Bf16ToFloat(Load<uint16_t>(data, i));
    case DType::kF16:
      return HalfToFloat(Load<uint16_t>(data, i));
    case DType::kF8E4M3:
      return kE4M3[Load<uint8_t>(data, i)] *
             scales[(row0 + row) / block_rows * scale_stride + (col0 + col) / block_cols];
    default:
      return 0;
  }
}

}  // namespace deepseek::engine
