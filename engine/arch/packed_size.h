#pragma once
// Bytes of weights in the CPU backend's tiles, from shapes alone. The layout itself is
// engine/kernels/cpu/tile_layout.h; a test keeps the two equal.

#include <cstdint>

#include "engine/arch/dtype.h"
#include "engine/arch/options.h"

namespace deepseek::engine {

enum class PackedForm : uint8_t { kF32, kBf16, kF8, kInt8, kInt4 };

constexpr int64_t RoundUp(int64_t n, int64_t to) {
  return (n + to - 1) / to * to;
}

/// Rows come in tiles of 16, columns in quads. FP8 has an F32 scale per row and `group` columns;
/// INT8 and INT4 have whole groups of `group` columns with a bf16 scale per row and group.
constexpr int64_t PackedSize(PackedForm form, int64_t rows, int64_t cols, int64_t group) {
  rows = RoundUp(rows, 16);
  const int64_t groups = (cols + group - 1) / group;
  switch (form) {
    case PackedForm::kF32:
      return rows * RoundUp(cols, 4) * 4;
    case PackedForm::kBf16:
      return rows * RoundUp(cols, 4) * 2;
    case PackedForm::kF8:
      return rows * RoundUp(cols, 4) + rows * groups * 4;
    case PackedForm::kInt8:
      return rows * groups * (group + 2);
    case PackedForm::kInt4:
      return rows * groups * (group / 2 + 2);
  }
  return 0;
}

/// What a linear of type `stored` is kept as. `aligned`: it starts at a whole FP8 block of columns.
constexpr PackedForm PackedFormOf(DType stored, WeightType asked, bool aligned) {
  if (asked == WeightType::kInt8) return PackedForm::kInt8;
  if (asked == WeightType::kInt4) return PackedForm::kInt4;
  if (stored == DType::kBf16) return PackedForm::kBf16;
  return stored == DType::kF8E4M3 && aligned ? PackedForm::kF8 : PackedForm::kF32;
}

}  // namespace deepseek::engine
