// The fp32 operand of attention, over the V type of a simd_*.h that was included before: exact
// (compute fp32), and what CPUs without bf16 products use for every compute type.

#include <cstring>

#include "engine/kernels/cpu/attend_kernels.h"

namespace deepseek::engine {
namespace {

struct F32Operand {
  static constexpr int64_t kPerWord = 1;
  static constexpr DType kRowType = DType::kF32;

  static V Dot(V a, V b, V sum) { return Fma(a, b, sum); }

  static void Probabilities(const V* p, float* out) {
    for (int v = 0; v < 4; ++v) p[v].Store(out + 16 * v);
  }

  static void ToRow(const float* x, int64_t n, float* out) {
    std::memcpy(out, x, static_cast<size_t>(n) * sizeof(float));
  }

  static void LoadTile(DType type, const KvShape& shape, const uint8_t* tile, int32_t keys,
                       int64_t out_stride, float* out) {
    for (int32_t j = 0; j < keys; ++j, out += out_stride) {
      int32_t i = 0;
      if (type == DType::kBf16) {
        const uint16_t* row = reinterpret_cast<const uint16_t*>(tile) + int64_t{j} * shape.width;
        for (; i + 16 <= shape.width; i += 16) V::LoadBf16(row + i).Store(out + i);
      }
      LoadKvRow(type, shape, tile, j, i, shape.width, out + i);
    }
  }

  static void PackKeys(const uint8_t* rows, int64_t stride_bytes, int64_t n, int32_t keys,
                       float* out) {
#if defined(__AVX2__)  // and with AVX-512
    TransposeWords(rows, stride_bytes, n, keys, out);
#else
    for (int64_t j = 0; j < keys; ++j) {
      const auto* row = reinterpret_cast<const float*>(rows + j * stride_bytes);
      for (int64_t i = 0; i < n; ++i) out[i * kPanel + j] = row[i];
    }
#endif
  }

  static void PackValues(const uint8_t* rows, int64_t stride_bytes, int64_t n, int32_t keys,
                         float* out) {
    for (int64_t column = 0; column < n; column += kPanel, out += kPanel * kPanel) {
      const int64_t columns = n - column < kPanel ? n - column : kPanel;
      if (columns < kPanel) std::memset(out, 0, kPanel * kPanel * sizeof(float));
      for (int64_t j = 0; j < keys; ++j) {
        const auto* row = reinterpret_cast<const float*>(rows + j * stride_bytes) + column;
        std::memcpy(out + j * kPanel, row, static_cast<size_t>(columns) * sizeof(float));
      }
    }
  }

  static void PackWeight(const float* columns, int64_t cols, int64_t tile, float* out) {
    out += tile / 4 * cols * kPanel + tile % 4 * 16;
    for (int64_t k = 0; k < cols; ++k) V::Load(columns + 16 * k).Store(out + k * kPanel);
  }
};

}  // namespace
}  // namespace deepseek::engine
