#pragma once
// Transposing 4-byte words, 8 x 8 at a time. Included by attend_avx2.cc only.

#include <immintrin.h>

#include <cstdint>

#include "engine/kernels/cpu/attend_kernels.h"

namespace deepseek::engine {
namespace {

// Rows of `n` words, `keys` <= 64 of them and what is missing to a multiple of 8 -> as many columns
// of [n][64]: 8 loads, 24 shuffles and 8 stores for 64 words.
inline void TransposeWords(const uint8_t* rows, int64_t stride_bytes, int64_t n, int32_t keys,
                           float* out) {
  for (int64_t j = 0; j < keys; j += 8) {
    const float* row[8];
    for (int64_t r = 0; r < 8; ++r) {
      row[r] = reinterpret_cast<const float*>(rows + (j + r) * stride_bytes);
    }
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
      __m256 pair[8];  // words of two rows in turn
      for (int k = 0; k < 8; k += 2) {
        const __m256 a = _mm256_loadu_ps(row[k] + i);
        const __m256 b = _mm256_loadu_ps(row[k + 1] + i);
        pair[k] = _mm256_unpacklo_ps(a, b);
        pair[k + 1] = _mm256_unpackhi_ps(a, b);
      }
      __m256 four[8];  // [word % 4 of both halves, rows / 4]
      for (int k = 0; k < 8; k += 4) {
        four[k] = _mm256_shuffle_ps(pair[k], pair[k + 2], 0x44);
        four[k + 1] = _mm256_shuffle_ps(pair[k], pair[k + 2], 0xee);
        four[k + 2] = _mm256_shuffle_ps(pair[k + 1], pair[k + 3], 0x44);
        four[k + 3] = _mm256_shuffle_ps(pair[k + 1], pair[k + 3], 0xee);
      }
      for (int k = 0; k < 4; ++k) {
        float* to = out + (i + k) * kPanel + j;
        _mm256_storeu_ps(to, _mm256_permute2f128_ps(four[k], four[k + 4], 0x20));
        _mm256_storeu_ps(to + 4 * kPanel, _mm256_permute2f128_ps(four[k], four[k + 4], 0x31));
      }
    }
    for (; i < n; ++i) {
      for (int64_t r = 0; r < 8; ++r) out[i * kPanel + j + r] = row[r][i];
    }
  }
}

}  // namespace
}  // namespace deepseek::engine
