#pragma once
// The inner loops of attention: small matrix products over one tile of 64 keys, in fp32 or with
// bf16 operands and fp32 sums. MLA in both its forms and GQA are made of these.
//
// Operands are made of 4-byte *words*, one fp32 number or a pair of bf16 numbers that one
// instruction multiplies and adds. They are typed float here whatever they hold. A left operand is
// rows of words (broadcast); a right operand is panels [64 columns of outputs] of [words][64]. Then
// keys (pairs along the channels) and values (pairs along the keys) are multiplied by one loop.
//
// Every output is a sum over the words in their order, one after the other: its bits do not depend
// on how many rows or columns are computed beside it.

#include <cstdint>
#include <string_view>

#include "engine/kernels/kv_tile.h"

namespace deepseek::engine {

/// Columns of a panel of a right operand. Equal to the keys of a tile.
inline constexpr int64_t kPanel = 64;

constexpr int64_t Panels(int64_t columns) {
  return (columns + kPanel - 1) / kPanel;
}

/// Running state of one row's softmax over key tiles; logarithms to base 2.
struct SoftmaxState {
  float max = 0;
  float sum = 0;
};

/// Query rows meeting one tile of keys.
struct AttendTile {
  const float* const* q = nullptr;  ///< [rows] left operands of `words` words
  float* const* out = nullptr;      ///< [rows] running weighted sums, [Panels(v) * 64] F32
  const int32_t* ends = nullptr;    ///< [rows] keys that a row sees in all, ascending, > begin
  SoftmaxState* state = nullptr;    ///< [rows]
  int64_t rows = 0;
  int32_t begin = 0;              ///< the tile's first key
  int32_t count = 0;              ///< its keys: only they are in `keys` and `values`
  const float* keys = nullptr;    ///< right operand [words][64]
  const float* values = nullptr;  ///< right operand [Panels(v)][64 keys / per_word][64]
  int64_t words = 0, v = 0;
  float scale_log2 = 1;  ///< softmax scale * log2(e)
  /// Memory that is wanted soon: fetched into the second-level cache beside the arithmetic.
  const uint8_t* next = nullptr;
  int64_t next_bytes = 0;
};

struct AttendKernels {
  std::string_view isa;
  int64_t per_word = 1;  ///< numbers of a word: 1 (fp32), 2 (bf16)
  /// The type whose rows are left operands as they are.
  DType row_type = DType::kF32;

  /// x [n] -> a left operand of Words(n) words; a half-filled last word is padded with zero.
  /// Pairs of bf16 may be made in place.
  void (*to_row)(const float* x, int64_t n, float* out);
  /// The first `keys` rows of a cached tile -> left operands, `out_stride` words apart.
  void (*load_tile)(DType type, const KvShape& shape, const uint8_t* tile, int32_t keys,
                    int64_t out_stride, float* out);
  /// `keys` <= 64 left operands of n numbers -> the columns of the right operand of q k^T, and up
  /// to 15 columns more: as many rows must be readable.
  void (*pack_keys)(const uint8_t* rows, int64_t stride_bytes, int64_t n, int32_t keys, float* out);
  /// Left operands of n numbers -> Words(keys) words of the right operand of p v.
  void (*pack_values)(const uint8_t* rows, int64_t stride_bytes, int64_t n, int32_t keys,
                      float* out);
  /// Columns [cols][16] of a weight tile -> its place in the right operand of x w^T.
  void (*pack_weight)(const float* columns, int64_t cols, int64_t tile, float* out);
  /// out[i][0, n) = a[i] . b, i < rows; written in steps of 16 columns.
  void (*multiply)(const uint8_t* a, int64_t a_stride_bytes, int64_t rows, const float* b,
                   int64_t words, int64_t n, float* out, int64_t out_stride);
  /// Scores, softmax and weighted sum of one tile.
  void (*attend)(const AttendTile& tile);

  int64_t Words(int64_t n) const { return (n + per_word - 1) / per_word; }
};

/// For the instruction set `isa` (a KernelTable's name); with `bf16`, operands of bf16 where that
/// set multiplies them natively, else fp32 ones.
const AttendKernels& SelectAttendKernels(std::string_view isa, bool bf16);

extern const AttendKernels kBaselineAttend;
extern const AttendKernels kAvx2Attend;        // x86-64 only
extern const AttendKernels kAvx512Attend;      // x86-64 only
extern const AttendKernels kAvx512Bf16Attend;  // x86-64 only
extern const AttendKernels kAmxAttend;         // x86-64 only

}  // namespace deepseek::engine
