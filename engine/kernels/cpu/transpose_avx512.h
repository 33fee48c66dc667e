#pragma once
// Transposes 4-byte words. Included by AVX-512 sources only (anonymous namespace: they have flags
// of their own).

#include <immintrin.h>

#include <cstdint>

#include "engine/kernels/cpu/attend_kernels.h"

namespace deepseek::engine {
namespace {

// r[i] lane j -> r[j] lane i.
inline void Transpose16(__m512 r[16]) {
  __m512 t[16];
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    for (int k = 0; k < 2; ++k) {
      const __m512d a = _mm512_castps_pd(t[i + k]);
      const __m512d b = _mm512_castps_pd(t[i + k + 2]);
      r[i + 2 * k] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
      r[i + 2 * k + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
    }
  }
  // r[4 g + c]: column c + 4 * (128-bit lane) of rows 4 g .. 4 g + 3.
  for (int c = 0; c < 4; ++c) {
    const __m512 a = _mm512_shuffle_f32x4(r[c], r[4 + c], 0x88);
    const __m512 b = _mm512_shuffle_f32x4(r[c], r[4 + c], 0xdd);
    const __m512 d = _mm512_shuffle_f32x4(r[8 + c], r[12 + c], 0x88);
    const __m512 e = _mm512_shuffle_f32x4(r[8 + c], r[12 + c], 0xdd);
    t[c] = _mm512_shuffle_f32x4(a, d, 0x88);
    t[8 + c] = _mm512_shuffle_f32x4(a, d, 0xdd);
    t[4 + c] = _mm512_shuffle_f32x4(b, e, 0x88);
    t[12 + c] = _mm512_shuffle_f32x4(b, e, 0xdd);
  }
  for (int i = 0; i < 16; ++i) r[i] = t[i];
}

// Rows of `words` words, `keys` <= 64 of them and what is missing to a multiple of 16 -> as many
// columns of [words][64].
inline void TransposeWords(const uint8_t* rows, int64_t stride_bytes, int64_t words, int32_t keys,
                           float* out) {
  for (int64_t w = 0; w < words; w += 16) {
    const int64_t n = words - w < 16 ? words - w : 16;
    const auto mask = static_cast<__mmask16>((1U << n) - 1U);
    for (int64_t j = 0; j < keys; j += 16) {
      __m512 r[16];
      for (int i = 0; i < 16; ++i) {
        r[i] = _mm512_maskz_loadu_ps(mask, rows + (j + i) * stride_bytes + w * 4);
      }
      Transpose16(r);
      if (n == 16) {
        for (int i = 0; i < 16; ++i) _mm512_store_ps(out + (w + i) * kPanel + j, r[i]);
      } else {
        for (int i = 0; i < 16; ++i) {
          if (i < n) _mm512_store_ps(out + (w + i) * kPanel + j, r[i]);
        }
      }
    }
  }
}

}  // namespace
}  // namespace deepseek::engine
