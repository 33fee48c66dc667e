// What packed products are made of, over the V and I types of a simd_*.h that was included before:
// a panel as inner loops see it, its values, and the sums of a block of rows with some of its
// tiles. The sums stay in registers, or as many tiles at a time as fit (PassTiles: a pass stays
// within one group, 4 or 8 KB that the L1 cache holds); an output's order of sums does not depend
// on the block's shape.

#include <cstring>

#include "engine/kernels/cpu/kernel_table.h"

namespace deepseek::engine {
namespace {

// One quad of a tile as four vectors of 16 rows.
struct QuadValues {
  V column[4];
};
inline QuadValues FromPairs(TwoPairs p) {
  return {{Even(p.a), Odd(p.a), Even(p.b), Odd(p.b)}};
}
// What a pass will want next, where the hardware does not see it coming: a pass over one tile of a
// panel takes every fourth line.
inline void FetchAhead(const uint8_t* p) {
  if constexpr (kFetchBytes > 0) __builtin_prefetch(p + kFetchBytes);
}
inline QuadValues FromBytes(I bytes, V zero_point) {
  return {{Add(ByteToFloat<0>(bytes), zero_point), Add(ByteToFloat<1>(bytes), zero_point),
           Add(ByteToFloat<2>(bytes), zero_point), Add(ByteToFloat<3>(bytes), zero_point)}};
}
template <WeightFormat F>
inline QuadValues LoadQuad(const uint8_t* p) {
  if constexpr (F == WeightFormat::kF32) {
    const auto* f = reinterpret_cast<const float*>(p);
    return {{V::Load(f), V::Load(f + 16), V::Load(f + 32), V::Load(f + 48)}};
  } else if constexpr (F == WeightFormat::kBf16) {
    return FromPairs({LoadPairs(p), LoadPairs(p + 64)});
  } else if constexpr (F == WeightFormat::kF8) {
    QuadValues quad;
    LoadF8Columns(p, quad.column);
    return quad;
  } else {
    static_assert(F == WeightFormat::kI8);
    return FromBytes(I::Load(p), V::Set1(-128));
  }
}

/// One column of a quad.
template <WeightFormat F, int kColumn>
inline V Column(const uint8_t* p) {
  if constexpr (F == WeightFormat::kF32) {
    return V::Load(reinterpret_cast<const float*>(p) + kColumn * kTileRows);
  } else if constexpr (F == WeightFormat::kBf16) {
    const BfPairs pairs = LoadPairs(p + kColumn / 2 * 64);
    return kColumn % 2 == 0 ? Even(pairs) : Odd(pairs);
  } else {
    return LoadQuad<F>(p).column[kColumn];
  }
}

// What a block's inner loops need of a panel.
struct PanelView {
  const uint8_t* data;    // first quad of the block's first tile
  const uint8_t* scales;  // its first group's scales
  int64_t unit;           // bytes between tiles of one quad (kI4: of two quads)
  int64_t step;           // bytes between quads (kI4: pairs of quads)
  int64_t scale_step;     // bytes between groups
  const uint8_t* next;    // the panel that is asked for; null where no block asks
  int64_t quarter;        // of a panel, in bytes
};
/// Bytes of a tile in one step over a panel.
constexpr int64_t UnitBytes(WeightFormat format) {
  return format == WeightFormat::kI4 ? 64 : QuadBytes(format);
}
template <WeightFormat F>
inline PanelView View(const PackedMatrix& w, int64_t tile, const uint8_t* next = nullptr) {
  constexpr int64_t kUnit = UnitBytes(F);
  const int64_t width = w.panel_width(tile);
  return {w.quad(tile),
          w.scales == nullptr ? nullptr : w.scale(tile),
          kUnit,
          width * kUnit,
          width * kTileRows * w.scale_bytes(),
          next,
          width * w.tile_bytes() / kPanelTiles};
}
/// What is asked for while the panel of `tile`, which is one of `tiles`, is computed.
inline const uint8_t* PanelAfter(const PackedMatrix& w, int64_t tile, const TileRange& tiles) {
  const int64_t begin = tile - tile % kPanelTiles;
  const int64_t end = begin + kPanelTiles;
  if (end >= tiles.end && tiles.then != nullptr) return tiles.then;
  if (end < w.tiles) return w.quad(end);
  // Behind the last panel are scales; else what was packed next, and as a rule is read next.
  return w.scales != nullptr ? w.quad(begin) : w.data + w.tiles * w.tile_bytes();
}

// The tiles [first, first + count) of a panel that ask for the next one while they are computed,
// each for as many bytes as it reads: else reading and computing take turns.
struct Ahead {
  int first = 0, count = 0;
};
// `data`: the place in the panel's first tile. Each asks for the same place of the next panel, or
// for lines of a quarter of it that is its own.
template <WeightFormat F, Ahead kAhead>
inline void AskAhead(const uint8_t* data, const PanelView& p) {
  static_assert(kAskPlaces == 1 || kAskPlaces == kPanelTiles);
  for (int n = kAhead.first; n < kAhead.first + kAhead.count; ++n) {
    const uint8_t* from = kAskPlaces == 1 ? p.next + (data - p.data) + n * UnitBytes(F)
                                          : p.next + (data - p.data) / kPanelTiles + n * p.quarter;
    for (int64_t at = 0; at < UnitBytes(F); at += 64) {
      __builtin_prefetch(from + at, 0, kAskLocality);
    }
  }
}
inline uint32_t Load32(const uint8_t* p) {
  uint32_t v;
  std::memcpy(&v, p, sizeof(v));
  return v;
}

// sum[i][n] += W[tile n] . x[i] over the columns [begin, end) of a group that starts at `begin`;
// x: F32 rows.
template <WeightFormat F, int M, int N>
inline void GroupF32(const uint8_t* data, const PanelView& p, const uint8_t* const* x,
                     int64_t begin, int64_t end, V (&sum)[M][N]) {
  const auto add = [&](const QuadValues& w, int n, int64_t k) {
    // Columns beyond the matrix are zero in W but do not exist in x.
    const int64_t columns = end - k < 4 ? end - k : 4;
    for (int i = 0; i < M; ++i) {
      const float* row = reinterpret_cast<const float*>(x[i]) + k;
      if (columns == 4) {
        for (int j = 0; j < 4; ++j) sum[i][n] = Fma(w.column[j], V::Set1(row[j]), sum[i][n]);
      } else {
        for (int64_t j = 0; j < columns; ++j) {
          sum[i][n] = Fma(w.column[j], V::Set1(row[j]), sum[i][n]);
        }
      }
    }
  };
  if constexpr (F == WeightFormat::kI4) {
    const V zero = V::Set1(-8);
    constexpr int64_t kHalf = kQuantGroup / 2;
    for (int64_t k = 0; k < kHalf && begin + k < end; k += 4, data += p.step) {
      for (int n = 0; n < N; ++n) {
        FetchAhead(data + n * p.unit);
        const I bytes = I::Load(data + n * p.unit);
        add(FromBytes(LowNibbles(bytes), zero), n, begin + k);
        if (begin + kHalf + k < end) add(FromBytes(HighNibbles(bytes), zero), n, begin + kHalf + k);
      }
    }
  } else {
    // A column at a time: four and the sums of four rows are more than 16 registers.
    for (int64_t k = begin; k < end; k += 4, data += p.step) {
      for (int n = 0; n < N; ++n) {
        for (int64_t line = 0; line < QuadBytes(F); line += 64) {
          FetchAhead(data + n * p.unit + line);
        }
        const auto column = [&]<int kColumn>() {
          if (k + kColumn >= end) return;
          const V values = Column<F, kColumn>(data + n * p.unit);
          for (int i = 0; i < M; ++i) {
            const V right = V::Set1(reinterpret_cast<const float*>(x[i])[k + kColumn]);
            sum[i][n] = Fma(values, right, sum[i][n]);
          }
        };
        column.template operator()<0>();
        column.template operator()<1>();
        column.template operator()<2>();
        column.template operator()<3>();
      }
    }
  }
}

// The same with bf16 rows, padded to a multiple of 4.
template <WeightFormat F, int M, int N>
inline void GroupBf16(const uint8_t* data, const PanelView& p, const uint8_t* const* x,
                      int64_t begin, int64_t end, V (&sum)[M][N]) {
  for (int64_t k = begin; k < end; k += 4, data += p.step) {
    for (int n = 0; n < N; ++n) {
      TwoPairs w;
      if constexpr (F == WeightFormat::kBf16) {
        w = {LoadPairs(data + n * p.unit), LoadPairs(data + n * p.unit + 64)};
      } else {
        w = LoadF8Quad(data + n * p.unit);
      }
      for (int i = 0; i < M; ++i) {
        sum[i][n] = DotPairs(sum[i][n], w.a, Load32(x[i] + 2 * k));
        sum[i][n] = DotPairs(sum[i][n], w.b, Load32(x[i] + 2 * k + 4));
      }
    }
  }
}

// The same in integers, exact; rows are INT8 codes.
template <WeightFormat F, int M, int N, Ahead kAhead>
inline void GroupInt8(const uint8_t* data, const PanelView& p, const uint8_t* const* x,
                      int64_t begin, I (&sum)[M][N]) {
  const auto code = [&](int i, int64_t k) -> const RowCodes& {
    return *reinterpret_cast<const RowCodes*>(x[i] + begin + k);
  };
  if constexpr (F == WeightFormat::kI4) {
    constexpr int64_t kHalf = kQuantGroup / 2;
    static_assert(kHalf % (4 * kNibbleRun) == 0);
    for (int64_t run = 0; run < kHalf; run += 4 * kNibbleRun) {
      NibbleSums part[M][N];
      for (int i = 0; i < M; ++i) {
        for (int n = 0; n < N; ++n) part[i][n] = BeginNibbles(sum[i][n]);
      }
      for (int64_t k = run; k < run + 4 * kNibbleRun; k += 4, data += p.step) {
        AskAhead<F, kAhead>(data, p);
        for (int n = 0; n < N; ++n) {
          if constexpr (kAhead.count == 0) FetchAhead(data + n * p.unit);
          const I bytes = I::Load(data + n * p.unit);
          const I low = LowNibbles(bytes);
          const I high = HighNibbles(bytes);
          for (int i = 0; i < M; ++i) {
            part[i][n] = AddNibbles(part[i][n], low, code(i, k));
            part[i][n] = AddNibbles(part[i][n], high, code(i, kHalf + k));
          }
        }
      }
      for (int i = 0; i < M; ++i) {
        for (int n = 0; n < N; ++n) sum[i][n] = EndNibbles(sum[i][n], part[i][n]);
      }
    }
  } else {
    for (int64_t k = 0; k < kQuantGroup; k += 4, data += p.step) {
      AskAhead<F, kAhead>(data, p);
      for (int n = 0; n < N; ++n) {
        if constexpr (kAhead.count == 0) FetchAhead(data + n * p.unit);
        const I bytes = I::Load(data + n * p.unit);
        for (int i = 0; i < M; ++i) sum[i][n] = DotBytes(sum[i][n], bytes, code(i, k));
      }
    }
  }
}

template <WeightFormat F>
inline V LoadScales(const uint8_t* p) {
  if constexpr (F == WeightFormat::kF8) return V::Load(reinterpret_cast<const float*>(p));
  return V::LoadBf16(reinterpret_cast<const uint16_t*>(p));
}

// total[i][n] += x_scale[i] * scale[n] * (sum of codes), group by group.
template <WeightFormat F, int M, int N, Ahead kAhead>
inline void SumInt8(const PackedMatrix& w, const PanelView& p, const uint8_t* const* x,
                    V (&total)[M][N]) {
  // Codes are stored with their zero point added: the sum of x's codes carries what of it is in the
  // products.
  constexpr uint32_t kZeroPoint = F == WeightFormat::kI4 ? 8U : kByteZeroPoint;
  constexpr int kPass = PassTiles(M, N);
  const int64_t meta = w.groups * kQuantGroup;
  const int64_t group_bytes = kQuantGroup / 4 * p.step / (F == WeightFormat::kI4 ? 2 : 1);
  for (int64_t g = 0; g < w.groups; ++g) {
    for (int first = 0; first < N; first += kPass) {
      I sum[M][kPass];
      for (int i = 0; i < M; ++i) {
        // Modulo 2^32: the codes of a row with a NaN are anything, and its scale is NaN.
        const uint32_t codes = Load32(x[i] + meta + (w.groups + g) * 4);
        const auto zero = static_cast<int32_t>(0U - kZeroPoint * codes);
        for (int n = 0; n < kPass; ++n) sum[i][n] = I::Set1(zero);
      }
      GroupInt8<F, M, kPass, kAhead>(p.data + g * group_bytes + first * p.unit, p, x,
                                     g * kQuantGroup, sum);
      const uint8_t* scales = p.scales + g * p.scale_step + first * kTileRows * 2;
      for (int n = 0; n < kPass; ++n) {
        const V scale = LoadScales<F>(scales + n * kTileRows * 2);
        for (int i = 0; i < M; ++i) {
          const V both = Mul(scale, V::Set1(reinterpret_cast<const float*>(x[i] + meta)[g]));
          total[i][first + n] = Fma(ToFloat(sum[i][n]), both, total[i][first + n]);
        }
      }
    }
  }
}

template <WeightFormat F, RowForm R, int M, int N>
inline void SumFloat(const PackedMatrix& w, const PanelView& p, const uint8_t* const* x,
                     V (&total)[M][N]) {
  constexpr bool kScaled = F != WeightFormat::kF32 && F != WeightFormat::kBf16;
  if constexpr (!kScaled && R == RowForm::kBf16) {
    // One sum over all columns: beside the rounding of x its own rounding does not show.
    return GroupBf16<F, M, N>(p.data, p, x, 0, w.cols, total);
  }
  constexpr int kPass = PassTiles(M, N);
  const int64_t group_bytes = w.group / 4 * p.step / (F == WeightFormat::kI4 ? 2 : 1);
  for (int64_t g = 0; g < w.groups; ++g) {
    const int64_t begin = g * w.group;
    const int64_t end = begin + w.group < w.cols ? begin + w.group : w.cols;
    for (int first = 0; first < N; first += kPass) {
      V sum[M][kPass];
      for (int i = 0; i < M; ++i) {
        for (int n = 0; n < kPass; ++n) sum[i][n] = V::Zero();
      }
      const uint8_t* data = p.data + g * group_bytes + first * p.unit;
      if constexpr (R == RowForm::kBf16) {
        GroupBf16<F, M, kPass>(data, p, x, begin, end, sum);
      } else {
        GroupF32<F, M, kPass>(data, p, x, begin, end, sum);
      }
      for (int n = 0; n < kPass; ++n) {
        if constexpr (kScaled) {
          const V scale = LoadScales<F>(p.scales + g * p.scale_step +
                                        (first + n) * kTileRows * (F == WeightFormat::kF8 ? 4 : 2));
          for (int i = 0; i < M; ++i) {
            total[i][first + n] = Fma(sum[i][n], scale, total[i][first + n]);
          }
        } else {
          for (int i = 0; i < M; ++i) total[i][first + n] = Add(total[i][first + n], sum[i][n]);
        }
      }
    }
  }
}

}  // namespace
}  // namespace deepseek::engine
