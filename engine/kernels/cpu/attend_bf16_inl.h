// Operands of attention in bf16, with fp32 sums. Over simd_avx512.h, which was included before.

#include <cstring>

#include "engine/kernels/cpu/transpose_avx512.h"
// After the vector type:
#include "engine/kernels/cpu/attend_inl.h"

namespace deepseek::engine {
namespace {

inline __m512i Narrow(__m512 low, __m512 high) {
  return reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low));
}
inline __mmask32 First32(int64_t n) {
  return n >= 32 ? ~0U : (1U << n) - 1U;
}

struct Bf16Operand {
  static constexpr int64_t kPerWord = 2;
  static constexpr DType kRowType = DType::kBf16;

  static V Dot(V a, V b, V sum) {
    return {
        _mm512_dpbf16_ps(sum.v, reinterpret_cast<__m512bh>(a.v), reinterpret_cast<__m512bh>(b.v))};
  }

  static void Probabilities(const V* p, float* out) {
    _mm512_storeu_si512(out, Narrow(p[0].v, p[1].v));
    _mm512_storeu_si512(out + 16, Narrow(p[2].v, p[3].v));
  }

  // The numbers [i, i + 16) of x, zero from n on.
  static __m512 Load16(const float* x, int64_t i, int64_t n) {
    const int64_t left = n - i;
    if (left >= 16) return _mm512_loadu_ps(x + i);
    return left <= 0 ? _mm512_setzero_ps() : V::LoadN(x + i, left).v;
  }

  static void ToRow(const float* x, int64_t n, float* out) {
    for (int64_t i = 0; i < n; i += 32) {
      const __m512i bits = Narrow(Load16(x, i, n), Load16(x, i + 16, n));
      _mm512_mask_storeu_epi16(out + i / 2, First32((n - i + 1) / 2 * 2), bits);
    }
  }

  static void LoadTile(DType type, const KvShape& shape, const uint8_t* tile, int32_t keys,
                       int64_t out_stride, float* out) {
    for (int32_t j = 0; j < keys; ++j, out += out_stride) {
      if (type == DType::kF32) {
        ToRow(reinterpret_cast<const float*>(tile) + int64_t{j} * shape.width, shape.width, out);
      } else if (type == DType::kBf16) {
        // Only rows of an odd width come here: their words would not be padded.
        out[shape.width / 2] = 0;
        std::memcpy(out, tile + int64_t{j} * shape.width * 2, static_cast<size_t>(shape.width) * 2);
      } else {
        DequantizeRow(shape, tile, j, out);
      }
    }
  }

  static __m512 Widen(__m128i codes, float scale) {
    return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(codes)), _mm512_set1_ps(scale));
  }

  static void DequantizeRow(const KvShape& shape, const uint8_t* tile, int32_t token, float* out) {
    const uint8_t* codes = tile + int64_t{token} * shape.width;
    const float* scales = KvScales(tile, shape) + token;
    auto* to = reinterpret_cast<uint8_t*>(out);
    if (shape.width % 2 != 0) out[shape.width / 2] = 0;
    for (int32_t g = 0, i = 0; g < shape.scales(); ++g, scales += kBlockTokens) {
      const int32_t end = shape.group_end(g);
      for (; i < end; i += 32) {
        const __mmask32 mask = First32(end - i);
        const __m256i c = _mm256_maskz_loadu_epi8(mask, codes + i);
        const __m512i bits = Narrow(Widen(_mm256_castsi256_si128(c), *scales),
                                    Widen(_mm256_extracti128_si256(c, 1), *scales));
        _mm512_mask_storeu_epi16(to + 2 * i, mask, bits);
      }
      i = end;
    }
  }

  static void PackKeys(const uint8_t* rows, int64_t stride_bytes, int64_t n, int32_t keys,
                       float* out) {
    TransposeWords(rows, stride_bytes, (n + 1) / 2, keys, out);
  }

  static void PackValues(const uint8_t* rows, int64_t stride_bytes, int64_t n, int32_t keys,
                         float* out) {
    // Words of (row j, row j + 1): the lower and the upper 16 columns of 32.
    alignas(64) uint16_t low[32];
    alignas(64) uint16_t high[32];
    for (uint16_t i = 0; i < 32; ++i) {
      low[i] = static_cast<uint16_t>(i / 2 + (i % 2) * 32);
      high[i] = static_cast<uint16_t>(low[i] + 16);
    }
    const __m512i low_index = _mm512_load_si512(low);
    const __m512i high_index = _mm512_load_si512(high);
    for (int64_t j = 0; j < keys; j += 2) {
      const uint8_t* row = rows + j * stride_bytes;
      for (int64_t i = 0; i < n; i += 32) {
        const __mmask32 mask = First32(n - i);
        const __m512i a = _mm512_maskz_loadu_epi16(mask, row + 2 * i);
        const __m512i b =
            _mm512_maskz_loadu_epi16(j + 1 < keys ? mask : 0, row + stride_bytes + 2 * i);
        float* to = out + (i / kPanel * (kPanel / 2) + j / 2) * kPanel + i % kPanel;
        _mm512_store_si512(to, _mm512_permutex2var_epi16(a, low_index, b));
        _mm512_store_si512(to + 16, _mm512_permutex2var_epi16(a, high_index, b));
      }
    }
  }

  static void PackWeight(const float* columns, int64_t cols, int64_t tile, float* out) {
    out += tile / 4 * ((cols + 1) / 2) * kPanel + tile % 4 * 16;
    for (int64_t k = 0; k < cols; k += 2, out += kPanel) {
      const __m512 even = _mm512_loadu_ps(columns + 16 * k);
      const __m512 odd =
          k + 1 < cols ? _mm512_loadu_ps(columns + 16 * (k + 1)) : _mm512_setzero_ps();
      const auto low = reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(even));
      const auto high = reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(odd));
      _mm512_store_si512(out, _mm512_or_si512(_mm512_cvtepu16_epi32(low),
                                              _mm512_slli_epi32(_mm512_cvtepu16_epi32(high), 16)));
    }
  }
};

}  // namespace
}  // namespace deepseek::engine
