#pragma once
// Weights on their way into a backend: a host matrix as the checkpoint stores it, and the backend's
// packed handle.

#include <cstdint>
#include <string>
#include <utility>

#include "engine/arch/options.h"
#include "engine/kernels/buffer.h"

namespace deepseek::engine {

/// A matrix [rows, cols] in host memory, or a rectangular slice of one, or its transpose. Borrowed:
/// valid during the Pack call.
struct HostMatrix {
  std::string name;            ///< the tensor's name, for messages
  const void* data = nullptr;  ///< element [0, 0] of the slice
  DType dtype = DType::kF32;   ///< kF32, kBf16, kF16 or kF8E4M3
  int64_t rows = 0, cols = 0;
  int64_t row_stride = 0;  ///< elements between rows
  int64_t col_stride = 1;  ///< elements between columns
  /// FP8 only: weight[i][j] = e4m3 * scales[(row0 + i) / block_rows][(col0 + j) / block_cols].
  const float* scales = nullptr;
  int64_t scale_stride = 0, scale_col_stride = 1;
  int32_t block_rows = 128, block_cols = 128;
  bool exact = false;  ///< activations are never rounded for this one (the router)
  WeightType store = WeightType::kNative;  ///< the packed form asked for (quantize.h)
  int64_t row0 = 0, col0 = 0;              ///< place of the slice in the whole tensor

  HostMatrix Slice(int64_t row, int64_t row_count, int64_t col, int64_t col_count) const {
    HostMatrix s = *this;
    if (data != nullptr) {
      s.data =
          static_cast<const uint8_t*>(data) + (row * row_stride + col * col_stride) * SizeOf(dtype);
    }
    s.rows = row_count;
    s.cols = col_count;
    s.row0 += row;
    s.col0 += col;
    return s;
  }
  HostMatrix Transposed() const {
    HostMatrix t = *this;
    std::swap(t.rows, t.cols);
    std::swap(t.row_stride, t.col_stride);
    std::swap(t.scale_stride, t.scale_col_stride);
    std::swap(t.block_rows, t.block_cols);
    std::swap(t.row0, t.col0);
    return t;
  }
  /// The scale of [row, col].
  float ScaleAt(int64_t row, int64_t col) const {
    return scales[(row0 + row) / block_rows * scale_stride +
                  (col0 + col) / block_cols * scale_col_stride];
  }
  /// The exact value of one element (slow: for references and tests).
  float At(int64_t row, int64_t col) const;
  /// out[k * stride] = element [row, col + k], k < n.
  void ReadRow(int64_t row, int64_t col, int64_t n, float* out, int64_t stride) const;
};

/// A matrix in the backend's own layout; valid as long as the backend.
struct PackedWeight {
  uint64_t handle = 0;         ///< 0: none
  int64_t rows = 0, cols = 0;  ///< [out, in]
  int64_t bytes = 0;           ///< of the packed form
  explicit operator bool() const { return handle != 0; }
};

/// A SwiGLU unit: down(silu(gate x) * up x).
struct FfnWeights {
  PackedWeight gate, up;  ///< [intermediate, hidden]
  PackedWeight down;      ///< [hidden, intermediate]
};

}  // namespace deepseek::engine
