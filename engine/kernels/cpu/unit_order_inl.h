#pragma once
// Few rows of bf16 with the bits of the tile unit, on the vector unit: weights go from memory into
// registers, not through the cache into tiles. Over simd_avx512.h, by kernels_amx.cc only.
//
// tdpbf16ps adds, for 32 columns, the products of even columns and those of odd ones in two chains
// of fused multiply-adds that begin at zero, then both chains, then that to the sum; subnormals are
// zero, going in and coming out. (Intel's manual, volume 2, TDPBF16PS; found alike in every bit on
// an Emerald Rapids, subnormals, overflow and infinities included; of a NaN only that it is one.)

#include "engine/kernels/cpu/gemm_inl.h"
#include "engine/kernels/cpu/tile_unit_inl.h"

namespace deepseek::engine {
namespace {

constexpr int64_t kUnitColumns = 32;

/// Subnormal operands and results are zero while it lives, as they are on the tile unit. What it is
/// for has to be a call: the compiler knows of no bond between arithmetic and these bits.
class SubnormalsAreZero {
 public:
  SubnormalsAreZero() : before_(Read()) { Write(before_ | 0x8040U); }
  ~SubnormalsAreZero() { Write(before_); }
  SubnormalsAreZero(const SubnormalsAreZero&) = delete;
  SubnormalsAreZero& operator=(const SubnormalsAreZero&) = delete;

 private:
  static uint32_t Read() {
    uint32_t bits;
    asm volatile("stmxcsr %0" : "=m"(bits));
    return bits;
  }
  static void Write(uint32_t bits) { asm volatile("ldmxcsr %0" : : "m"(bits) : "memory"); }
  uint32_t before_;
};

// The columns [begin, end) of M rows as floats, zero up to the end of the group.
template <int M>
using WideRows = float[M][kQuantGroup];
template <int M>
inline void Widen(const uint8_t* const* x, int64_t begin, int64_t end, WideRows<M>& out) {
  for (int i = 0; i < M; ++i) {
    const auto* row = reinterpret_cast<const uint16_t*>(x[i]);
    for (int64_t k = begin; k < begin + kQuantGroup; k += 16) {
      const int64_t left = end - k;
      const __mmask16 mask = left >= 16 ? 0xffff : left > 0 ? V::Mask(left) : 0;
      const __m256i bits = _mm256_maskz_loadu_epi16(mask, row + k);
      _mm512_store_si512(out[i] + (k - begin), _mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
    }
  }
}

// One row's sums of even and of odd columns.
struct Chains {
  V even, odd;
};

// total[i][n] += the 32 columns from `data` on, of which `quads` exist, of the N tiles from kFirst
// on with x[i].
template <WeightFormat F, int kFirst, Ahead kAhead, int M, int N>
inline void AddUnit(const uint8_t* data, const PanelView& p, int64_t quads, const float* x,
                    V (&total)[M][N]) {
  Chains chains[M][N];
  for (int i = 0; i < M; ++i) {
    for (int n = 0; n < N; ++n) chains[i][n] = {V::Zero(), V::Zero()};
  }
  const auto add = [&](BfPairs w, int64_t k, int n) {
    const V even = Even(w);
    const V odd = Odd(w);
    for (int i = 0; i < M; ++i) {
      const float* row = x + i * kQuantGroup + k;
      chains[i][n].even = Fma(even, V::Set1(row[0]), chains[i][n].even);
      chains[i][n].odd = Fma(odd, V::Set1(row[1]), chains[i][n].odd);
    }
  };
  for (int64_t quad = 0; quad < quads; ++quad, data += p.step) {
    AskAhead<F, kAhead>(data, p);
    for (int n = 0; n < N; ++n) {
      const uint8_t* from = data + (kFirst + n) * p.unit;
      TwoPairs w;
      if constexpr (F == WeightFormat::kBf16) {
        w = {LoadPairs(from), LoadPairs(from + 64)};
      } else {
        w = LoadF8Quad(from);
      }
      add(w.a, 4 * quad, n);
      add(w.b, 4 * quad + 2, n);
    }
  }
  for (int i = 0; i < M; ++i) {
    for (int n = 0; n < N; ++n) {
      total[i][n] = Add(total[i][n], Add(chains[i][n].even, chains[i][n].odd));
    }
  }
}

// total[i][n] += group g of the N tiles from kFirst on with x[i].
template <WeightFormat F, int kFirst, Ahead kAhead, int M, int N>
inline void AddGroupInOrder(const PackedMatrix& w, const PanelView& p, int64_t g,
                            const WideRows<M>& x, V (&total)[M][N]) {
  constexpr int64_t kQuads = kUnitColumns / 4;
  constexpr bool kScaled = F == WeightFormat::kF8;
  V sum[M][N];
  for (int i = 0; i < M; ++i) {
    for (int n = 0; n < N; ++n) sum[i][n] = kScaled ? V::Zero() : total[i][n];
  }
  int64_t left = w.quads() - g * (kQuantGroup / 4);
  const uint8_t* data = p.data + g * (kQuantGroup / 4) * p.step;
  for (int64_t k = 0; k < kQuantGroup; k += kUnitColumns, data += kQuads * p.step, left -= kQuads) {
    AddUnit<F, kFirst, kAhead>(data, p, left < kQuads ? left : kQuads, x[0] + k, sum);
  }
  for (int n = 0; n < N; ++n) {
    if constexpr (kScaled) {
      const uint8_t* scales = p.scales + g * p.scale_step + (kFirst + n) * kTileRows * 4;
      const V scale = LoadScales<F>(scales);
      for (int i = 0; i < M; ++i) total[i][n] = Fma(sum[i][n], scale, total[i][n]);
    } else {
      for (int i = 0; i < M; ++i) total[i][n] = sum[i][n];
    }
  }
}

template <WeightFormat F, int M, int N>
inline void BlockInOrder(const PackedMatrix& w, int64_t tile, const uint8_t* next,
                         const uint8_t* const* x, float* const* out, int64_t out_row,
                         bool accumulate) {
  constexpr int kMostTiles = M <= 2 ? 4 / M : 2;  // of a pass: 8 or 12 chains
  constexpr int kPass = N < kMostTiles ? N : kMostTiles;
  const PanelView p = View<F>(w, tile, next);
  V total[N / kPass][M][kPass];
  for (auto& pass : total) {
    for (auto& row : pass) {
      for (V& v : row) v = V::Zero();
    }
  }
  alignas(64) WideRows<M> wide;
  for (int64_t g = 0; g < w.groups; ++g) {
    Widen<M>(x, g * kQuantGroup, w.quads() * 4, wide);
    ForUnits<N / kPass>([&]<int n>() {
      constexpr Ahead kAhead{n * kPass, N == kPanelTiles ? kPass : 0};
      AddGroupInOrder<F, n * kPass, kAhead>(w, p, g, wide, total[n]);
    });
  }
  for (int n = 0; n < N; ++n) {
    const int64_t first = (tile + n) * kTileRows - out_row;
    for (int i = 0; i < M; ++i) {
      StoreTile(w, tile + n, total[n / kPass][i][n % kPass], accumulate, out[i] + first);
    }
  }
}

// Rows up to which this is faster than tiles. One core of an Emerald Rapids, 1408 x 2048 out of
// memory, GB/s of bf16: 1 row 15.0 (tiles 10.9), 2 14.7 (10.4), 3 12.7 (10.3), 4 12.0 (11.4); of
// FP8: 15.3 (8.2), 10.8 (7.8), 9.6 (8.5), 8.3 (8.4).
constexpr int kMostRowsInOrder = 3;

/// m <= kMostRowsInOrder rows of bf16 with tiles of bf16 or FP8 in groups of 128.
template <WeightFormat F>
[[gnu::noinline]] void RowsInOrder(const PackedMatrix& w, const TileRange& tiles,
                                   const uint8_t* const* x, int64_t m, float* const* out,
                                   int64_t out_row, bool accumulate) {
  TakeRows<kMostRowsInOrder>(m, [&]<int M>() {
    for (int64_t tile = tiles.begin; tile < tiles.end;) {
      if (tile % kPanelTiles == 0 && tile + kPanelTiles <= tiles.end) {
        const uint8_t* next = PanelAfter(w, tile, tiles);
        BlockInOrder<F, M, kPanelTiles>(w, tile, next, x, out, out_row, accumulate);
        tile += kPanelTiles;
      } else {
        BlockInOrder<F, M, 1>(w, tile++, nullptr, x, out, out_row, accumulate);
      }
    }
    return M;
  });
}

}  // namespace
}  // namespace deepseek::engine
