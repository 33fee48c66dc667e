#pragma once
// Element types of tensors and buffers, and the exact values of the narrow float formats.

#include <array>
#include <bit>
#include <cstdint>
#include <limits>
#include <string_view>

namespace deepseek::engine {

enum class DType : uint8_t { kF32, kBf16, kF16, kI32, kI8, kU8, kF8E4M3 };

/// Bytes of one element.
constexpr int64_t SizeOf(DType dtype) {
  switch (dtype) {
    case DType::kF32:
    case DType::kI32:
      return 4;
    case DType::kBf16:
    case DType::kF16:
      return 2;
    case DType::kI8:
    case DType::kU8:
    case DType::kF8E4M3:
      return 1;
  }
  return 0;
}

constexpr float Bf16ToFloat(uint16_t bits) {
  return std::bit_cast<float>(uint32_t{bits} << 16);
}

/// Round to nearest, ties to even; NaN stays NaN.
constexpr uint16_t FloatToBf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffU) > 0x7f800000U) return static_cast<uint16_t>((bits >> 16) | 0x40U);
  return static_cast<uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
}

/// IEEE binary16, subnormals included.
constexpr float HalfToFloat(uint16_t bits) {
  const uint32_t sign = uint32_t{bits & 0x8000U} << 16;
  const uint32_t exponent = (bits >> 10) & 0x1fU;
  const uint32_t mantissa = bits & 0x3ffU;
  if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000U | (mantissa << 13));
  if (exponent != 0)
    return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
  const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;
  return sign != 0 ? -magnitude : magnitude;
}

/// E4M3 "fn" (OCP FP8): bias 7, no infinities, 0x7f and 0xff are NaN, largest 448, subnormals m x
/// 2^-9.
inline constexpr std::array<float, 256> kE4M3 = [] {
  std::array<float, 256> table{};
  for (uint32_t code = 0; code < 256; ++code) {
    const uint32_t exponent = (code >> 3) & 0xfU;
    const uint32_t mantissa = code & 7U;
    float v = 0;
    if ((code & 0x7fU) == 0x7fU) {
      v = std::numeric_limits<float>::quiet_NaN();
    } else if (exponent == 0) {
      v = static_cast<float>(mantissa) * 0x1p-9F;
    } else {
      v = std::bit_cast<float>(((exponent + 120U) << 23) | (mantissa << 20));
    }
    table[code] = (code & 0x80U) != 0 ? -v : v;
  }
  return table;
}();

}  // namespace deepseek::engine
