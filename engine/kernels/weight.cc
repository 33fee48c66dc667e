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
  const int64_t i = row * row_stride + col * col_stride;
  switch (dtype) {
    case DType::kF32:
      return Load<float>(data, i);
    case DType::kBf16:
      return Bf16ToFloat(Load<uint16_t>(data, i));
    case DType::kF16:
      return HalfToFloat(Load<uint16_t>(data, i));
    case DType::kF8E4M3:
      return kE4M3[Load<uint8_t>(data, i)] * ScaleAt(row, col);
    default:
      return 0;
  }
}

void HostMatrix::ReadRow(int64_t row, int64_t col, int64_t n, float* out, int64_t stride) const {
  if (col_stride != 1 || (dtype != DType::kBf16 && dtype != DType::kF8E4M3)) {
    for (int64_t k = 0; k < n; ++k) out[k * stride] = At(row, col + k);
    return;
  }
  const int64_t first = row * row_stride + col;
  if (dtype == DType::kBf16) {
    for (int64_t k = 0; k < n; ++k) out[k * stride] = Bf16ToFloat(Load<uint16_t>(data, first + k));
    return;
  }
  const auto* codes = static_cast<const uint8_t*>(data) + first;
  for (int64_t k = 0; k < n; ++k) out[k * stride] = kE4M3[codes[k]] * ScaleAt(row, col + k);
}

}  // namespace deepseek::engine
