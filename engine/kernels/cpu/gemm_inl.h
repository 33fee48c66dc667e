// Packed matrix products: which rows meet which tiles at a time (the sums: panel_sums_inl.h). Over
// the V and I types of a simd_*.h that was included before.
//
// Moves the weights once per block of kRowBlock rows: bytes = tile_bytes x tiles x ceil(m /
// kRowBlock), FLOPs = 2 m rows cols. Memory-bound for few rows: a panel is one sequential stream.
// Shares reached: docs/engine/performance.md.

#include "engine/kernels/cpu/panel_sums_inl.h"

namespace deepseek::engine {
namespace {

/// The results of one row with a tile -> `to`, its outputs.
inline void StoreTile(const PackedMatrix& w, int64_t tile, const V& total, bool accumulate,
                      float* to) {
  const int64_t left = w.rows - tile * kTileRows;
  if (left >= kTileRows) {
    (accumulate ? Add(V::Load(to), total) : total).Store(to);
  } else {
    (accumulate ? Add(V::LoadN(to, left), total) : total).StoreN(to, left);
  }
}

template <WeightFormat F, RowForm R, int M, int N, Ahead kAhead>
inline void Block(const PackedMatrix& w, int64_t tile, const uint8_t* next, const uint8_t* const* x,
                  float* const* out, int64_t out_row, bool accumulate) {
  const PanelView p = View<F>(w, tile, next);
  V total[M][N];
  for (int i = 0; i < M; ++i) {
    for (int n = 0; n < N; ++n) total[i][n] = V::Zero();
  }
  if constexpr (R == RowForm::kInt8) {
    SumInt8<F, M, N, kAhead>(w, p, x, total);
  } else {
    SumFloat<F, R, M, N>(w, p, x, total);
  }
  for (int n = 0; n < N; ++n) {
    const int64_t first = (tile + n) * kTileRows - out_row;
    for (int i = 0; i < M; ++i) StoreTile(w, tile + n, total[i][n], accumulate, out[i] + first);
  }
}

template <WeightFormat F, RowForm R, int M, int N, Ahead kAhead = Ahead{}>
inline void RowBlock(const PackedMatrix& w, const TileRange& tiles, const uint8_t* const* x,
                     float* const* out, int64_t out_row, bool accumulate) {
  int64_t tile = tiles.begin;
  while (tile < tiles.end) {
    if (tile % N == 0 && tile + N <= tiles.end) {
      Block<F, R, M, N, kAhead>(w, tile, tiles.then, x, out, out_row, accumulate);
      tile += N;
    } else {
      Block<F, R, M, 1, Ahead{}>(w, tile, nullptr, x, out, out_row, accumulate);
      ++tile;
    }
  }
}

// m <= kMost rows with a kF8 tile, whose values are widened once for all of them, group by
// group: 8 KB beside as much of the rows, which the L1 cache holds. The sums are those of Block, in
// its order.
template <int64_t kMost>
inline void WideBlock(const PackedMatrix& w, int64_t tile, const uint8_t* const* x, int64_t m,
                      float* const* out, int64_t out_row, bool accumulate) {
  alignas(64) float wide[kQuantGroup * kTileRows];
  alignas(64) float totals[kMost * kTileRows] = {};
  const PanelView p = View<WeightFormat::kF8>(w, tile);
  const PanelView view{nullptr, nullptr, 0, QuadBytes(WeightFormat::kF32), 0, nullptr, 0};
  const uint8_t* data = p.data;
  for (int64_t g = 0; g < w.groups; ++g) {
    const int64_t begin = g * w.group;
    const int64_t end = begin + w.group < w.cols ? begin + w.group : w.cols;
    for (float* to = wide; to < wide + (end - begin) * kTileRows; data += p.step) {
      FetchAhead(data);
      const QuadValues quad = LoadQuad<WeightFormat::kF8>(data);
      for (const V& column : quad.column) {
        column.Store(to);
        to += kTileRows;
      }
    }
    const V scale = LoadScales<WeightFormat::kF8>(p.scales + g * p.scale_step);
    int64_t i = 0;
    const auto rows = [&]<int M>() {
      for (; i + M <= m; i += M) {
        V sum[M][1];
        for (auto& row : sum) row[0] = V::Zero();
        GroupF32<WeightFormat::kF32, M, 1>(reinterpret_cast<const uint8_t*>(wide), view, x + i,
                                           begin, end, sum);
        for (int64_t r = 0; r < M; ++r) {
          float* to = totals + (i + r) * kTileRows;
          Fma(sum[r][0], scale, V::Load(to)).Store(to);
        }
      }
    };
    rows.template operator()<6>();  // twelve sums of 16 registers
    rows.template operator()<4>();
    rows.template operator()<2>();
    rows.template operator()<1>();
  }
  const int64_t first = tile * kTileRows - out_row;
  for (int64_t i = 0; i < m; ++i) {
    StoreTile(w, tile, V::Load(totals + i * kTileRows), accumulate, out[i] + first);
  }
}

// Rows of the two blocks that ask for the next panel while they compute, half of it each; none: {}.
// The fewest rows that are bound by arithmetic and not by memory, and no more, for three rows keep
// sums and totals in registers. One core of a Zen 4, 200 MB, GB/s of INT4 in blocks of four, and
// so: 5 rows 17 and 21, 6 15.4 and 17.7, 7 13.6 and 15.0, 8 12.0 and 13.3 (4 as 2 and 2: 23 and 25,
// but 18 and 13 where the other core has half of the bus); of INT8: 5 20.8 and 22.1, 6 20.5 and
// 24.6, 7 19.3 and 23.1. bf16 is bound by memory.
struct AskingRows {
  int first = 0, second = 0;
};
template <WeightFormat F, RowForm R>
constexpr AskingRows AskingBlocks(int64_t m) {
  if (!kNextPanel || R != RowForm::kInt8 || m < 5) return {};
  if (m == 5) return {3, 2};
  // Of INT4 without a last row alone.
  if (F == WeightFormat::kI4) return {3, m % 4 == 3 ? 2 : 3};
  return m == 6 ? AskingRows{3, 3} : AskingRows{4, m == 7 ? 3 : 4};
}

// body<M>() for the first M of m > 0 rows, at most kMost.
template <int kMost, typename Body>
inline int TakeRows(int64_t m, Body body) {
  if constexpr (kMost > 1) {
    if (m < kMost) return TakeRows<kMost - 1>(m, body);
  }
  return body.template operator()<kMost>();
}

// The first block of rows streams whole panels from memory; the blocks after it find the panel in
// the L2 cache, where half panels and more rows are faster: fewer loads of weights for as many
// products. INT4 takes whole panels there too (one core, AVX-512 VNNI: 433 Gop/s, half panels 410).
// tiles: of one panel, and the panel that is asked for.
template <WeightFormat F, RowForm R>
void Panel(const PackedMatrix& w, const TileRange& tiles, const uint8_t* const* x, int64_t m,
           float* const* out, int64_t out_row, bool accumulate) {
  // Four columns of F32 weights are four registers per tile: no room for more rows.
  constexpr bool kWhole = R == RowForm::kF32 || F == WeightFormat::kI4;
  constexpr int kHotRows = kWhole ? kRowBlock : kHotRowBlock;
  // Takes M rows off the front of x and out.
  const auto block = [&]<int M, int N, Ahead kAhead = Ahead{}>() {
    RowBlock<F, R, M, N, kAhead>(w, tiles, x, out, out_row, accumulate);
    x += M;
    out += M;
    return M;
  };
  if constexpr (kWideRows > 0 && R == RowForm::kF32 && F == WeightFormat::kF8) {
    while (m >= kLeastWideRows && w.group <= kQuantGroup) {
      const int64_t wide = m < kWideRows ? m : kWideRows;
      for (int64_t tile = tiles.begin; tile < tiles.end; ++tile) {
        WideBlock<kWideRows>(w, tile, x, wide, out, out_row, accumulate);
      }
      x += wide;
      out += wide;
      m -= wide;
    }
  }
  bool hot = false;
  static_assert(!kNextPanel || kTileBlock == kPanelTiles);  // halves of a panel, below
  if constexpr (kNextPanel && R == RowForm::kInt8) {
    const auto ask = [&]<Ahead kHalf>(int rows) {
      switch (rows) {
        case 2:
          return block.template operator()<2, kTileBlock, kHalf>();
        case 3:
          return block.template operator()<3, kTileBlock, kHalf>();
        case 4:
          return block.template operator()<4, kTileBlock, kHalf>();
        default:
          return 0;
      }
    };
    const AskingRows rows = AskingBlocks<F, R>(m);
    m -= ask.template operator()<Ahead{0, 2}>(rows.first);
    m -= ask.template operator()<Ahead{2, 2}>(rows.second);
    hot = rows.first > 0;
  }
  const auto rest = [&]<Ahead kAhead>() {
    return TakeRows<kRowBlock>(
        m, [&]<int M>() { return block.template operator()<M, kTileBlock, kAhead>(); });
  };
  for (; m > 0; hot = true) {
    if (kHotRows > kRowBlock && hot && m >= kHotRows) {
      m -= block.template operator()<kHotRows, kHotTileBlock>();
    } else {
      m -= hot ? rest.template operator()<Ahead{}>()
               : rest.template operator()<Ahead{0, kFewRowsAsk ? kTileBlock : 0}>();
    }
  }
}

/// All rows with one panel after the other.
template <WeightFormat F, RowForm R>
void Rows(const PackedMatrix& w, const TileRange& tiles, const uint8_t* const* x, int64_t m,
          float* const* out, int64_t out_row, bool accumulate) {
  for (int64_t tile = tiles.begin; tile < tiles.end;) {
    const int64_t panel_end = tile + kPanelTiles - tile % kPanelTiles;
    const int64_t end = panel_end < tiles.end ? panel_end : tiles.end;
    const TileRange panel{tile, end, PanelAfter(w, tile, tiles)};
    Panel<F, R>(w, panel, x, m, out, out_row, accumulate);
    tile = end;
  }
}

template <WeightFormat F>
void GemmFormat(const PackedMatrix& w, RowForm form, const TileRange& tiles,
                const uint8_t* const* x, int64_t m, float* const* out, int64_t out_row,
                bool accumulate) {
  if constexpr (IsInteger(F)) {
    if (form == RowForm::kInt8) {
      return Rows<F, RowForm::kInt8>(w, tiles, x, m, out, out_row, accumulate);
    }
  } else if constexpr (F != WeightFormat::kF32 && kBf16Dot) {
    if (form == RowForm::kBf16) {
      return Rows<F, RowForm::kBf16>(w, tiles, x, m, out, out_row, accumulate);
    }
  }
  Rows<F, RowForm::kF32>(w, tiles, x, m, out, out_row, accumulate);
}

void Gemm(const PackedMatrix& w, RowForm form, const TileRange& tiles, const uint8_t* const* x,
          int64_t m, float* const* out, int64_t out_row, bool accumulate) {
  const auto run = [&](auto gemm) { gemm(w, form, tiles, x, m, out, out_row, accumulate); };
  switch (w.format) {
    case WeightFormat::kF32:
      return run(GemmFormat<WeightFormat::kF32>);
    case WeightFormat::kBf16:
      return run(GemmFormat<WeightFormat::kBf16>);
    case WeightFormat::kF8:
      return run(GemmFormat<WeightFormat::kF8>);
    case WeightFormat::kI8:
      return run(GemmFormat<WeightFormat::kI8>);
    case WeightFormat::kI4:
      return run(GemmFormat<WeightFormat::kI4>);
  }
}

}  // namespace
}  // namespace deepseek::engine
