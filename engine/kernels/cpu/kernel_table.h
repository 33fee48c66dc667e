#pragma once
// The vectorised inner loops, one table per instruction set. Chosen once, in isa.cc.
//
// Order of arithmetic, the same in every kernel and for any number of rows: an output of a linear
// is the sum over groups of columns, in order, of scale * (sum over the group's columns, in order,
// of w * x).

#include <cstdint>

#include "engine/kernels/cpu/tile_layout.h"

namespace deepseek::engine {

struct KernelTable {
  const char* name;
  /// vdpbf16ps: bf16 and FP8 weights may be multiplied with bf16 rows.
  bool bf16_dot;
  /// out[i][n - out_row] = (accumulate ? out[i][n - out_row] : 0) + W[n] . x[i] for the rows n of
  /// `tiles`, i < m. x[i]: a row in `form` (kF32 for every format; kBf16 for kBf16 and kF8 where
  /// bf16_dot; kInt8 for kI8 and kI4).
  void (*gemm)(const PackedMatrix& w, RowForm form, const TileRange& tiles, const uint8_t* const* x,
               int64_t m, float* const* out, int64_t out_row, bool accumulate);
  /// x [cols] -> RowBytes(form, cols) bytes.
  void (*prepare)(RowForm form, const float* x, int64_t cols, uint8_t* out);
  /// 16 rows of one group, values [n][16] -> codes [n][16] and scales [16]: QuantizeGroup of each.
  void (*quantize)(const float* values, int64_t n, bool int4, int8_t* codes, float* scales);
  /// The exact values of a tile: out [cols][16], zero for rows beyond the matrix. Integer formats
  /// are not served: kv_b_proj is never quantised.
  void (*unpack_tile)(const PackedMatrix& w, int64_t tile, float* out);
  void (*rms_norm)(const float* x, const float* weight, float eps, int64_t n, float* out);
  /// out = silu(gate) * up; out may be gate.
  void (*swiglu)(const float* gate, const float* up, int64_t n, float* out);
  /// out += scale * x.
  void (*add_scaled)(float scale, const float* x, int64_t n, float* out);
  /// Where the largest of n > 0 numbers is first; -1 when one is NaN or infinite.
  int64_t (*argmax)(const float* x, int64_t n);
};

extern const KernelTable kBaselineKernels;
extern const KernelTable kAvx2Kernels;    // x86-64 only
extern const KernelTable kAvx512Kernels;  // x86-64 only
/// With VNNI, BF16 and VBMI: Zen 4, Sapphire Rapids and later.
extern const KernelTable kAvx512Bf16Kernels;
/// Those with integer products of many rows on the tile unit: Sapphire Rapids and later.
extern const KernelTable kAmxKernels;

}  // namespace deepseek::engine
