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
  /// out[i][n] = (accumulate ? out[i][n] : 0) + W[n] . x[i] for the rows n of tiles [tile_begin,
  /// tile_end), i < m.
  void (*gemm)(const PackedMatrix& w, int64_t tile_begin, int64_t tile_end, const float* const* x,
               int64_t m, float* const* out, bool accumulate);
  /// out[i] [cols] = W^T q[i], q[i] [rows], i < m. Reads W once per 4 rows.
  void (*absorb)(const PackedMatrix& w, const float* const* q, int64_t m, float* const* out);
  /// The exact values of a tile: out [cols][16], zero for rows beyond the matrix.
  void (*unpack_tile)(const PackedMatrix& w, int64_t tile, float* out);
  void (*rms_norm)(const float* x, const float* weight, float eps, int64_t n, float* out);
  /// out = silu(gate) * up; out may be gate.
  void (*swiglu)(const float* gate, const float* up, int64_t n, float* out);
  /// out += scale * x.
  void (*add_scaled)(float scale, const float* x, int64_t n, float* out);
};

extern const KernelTable kBaselineKernels;
extern const KernelTable kAvx2Kernels;    // x86-64 only
extern const KernelTable kAvx512Kernels;  // x86-64 only

}  // namespace deepseek::engine
