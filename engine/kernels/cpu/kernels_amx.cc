// Products of many rows on the tile unit (AMX: Sapphire Rapids and later). Sums of integers are
// exact and the scales are applied in the same order, so the bits are those of the vector unit,
// which takes few rows. Sums of bf16 have an order of their own, for few rows too
// (unit_order_inl.h): vdpbf16ps is half as fast as fp32 on these CPUs.
//
// A step takes 64 outputs x 128 columns: what a register holds of them is made once per set of
// rows, 8 or 16 KB in the cache. A quad of integer codes is a row of a register as it is, one of
// bf16 two rows. The scales of sixteen rows are applied by the vector unit while the tile unit
// works on the next sixteen.

#include <array>

#include "engine/kernels/cpu/simd_avx512.h"
#include "engine/kernels/cpu/tile_unit_inl.h"
// After the vector type, in this order:
#include "engine/kernels/cpu/unit_order_inl.h"
// clang-format off
#include "engine/kernels/cpu/unpack_inl.h"
#include "engine/kernels/cpu/quantize_inl.h"
#include "engine/kernels/cpu/rows_inl.h"
// clang-format on

namespace deepseek::engine {
namespace {

constexpr int64_t kHalf = kQuantGroup / 2;  // columns of a tile register
// Blocks of rows whose totals stay in the first cache beside a group's codes: 4 KB each.
constexpr int64_t kSetBlocks = 4;
// More rows than a set share what lies in the second cache: 128 KB.
constexpr int64_t kSharedUnits = 128;
constexpr int64_t kMostRows = 512;
// Rows from which on the tile unit is faster: fewer are bound by memory.
constexpr int64_t LeastRows(WeightFormat format) {
  return format == WeightFormat::kI4 ? 6 : 12;
}

// Registers of a tile's group, and bytes of a group of a row of x.
template <WeightFormat F>
constexpr int64_t kGroupUnits = IsInteger(F) ? 2 : 4;
template <WeightFormat F>
constexpr int64_t kGroupRowBytes = kGroupUnits<F> * 64;

// Integers: registers 0 and 1 hold sums, 2 and 3 rows of x, 4 to 7 weights. Else: 0 to 3 hold sums,
// 4 and 5 rows of x, 6 and 7 weights.
template <WeightFormat F>
void ConfigureRows(int64_t rows) {
  constexpr size_t kFirstWeights = IsInteger(F) ? 4 : 6;
  UnitShapes shapes;
  shapes.Set(0, kFirstWeights, rows);
  shapes.Set(kFirstWeights, 8, kUnitRows);
  Configure(shapes);
}

template <WeightFormat F>
constexpr int64_t GroupBytes(const PanelView& p) {
  return kQuantGroup / 4 * p.step / (F == WeightFormat::kI4 ? 2 : 1);
}

// `quads` of N tiles as pairs of bf16, [N][unit][16 rows][64]; zero from there to the group's end.
template <WeightFormat F, int N, bool kAsk>
void Pairs(const uint8_t* data, const PanelView& p, int64_t quads, int8_t* out) {
  for (int64_t quad = 0; quad < kQuantGroup / 4; ++quad, data += p.step, out += 128) {
    AskAhead<F, Ahead{0, kAsk ? N : 0}>(data, p);
    for (int n = 0; n < N; ++n) {
      TwoPairs pairs{{_mm512_setzero_si512()}, {_mm512_setzero_si512()}};
      if (quad < quads) {
        if constexpr (F == WeightFormat::kF8) {
          pairs = LoadF8Quad(data + n * p.unit);
        } else {
          pairs = {LoadPairs(data + n * p.unit), LoadPairs(data + n * p.unit + 64)};
        }
      }
      int8_t* to = out + n * kGroupUnits<F> * kUnitBytes;
      _mm512_store_si512(to, pairs.a.v);
      _mm512_store_si512(to + 64, pairs.b.v);
    }
  }
}

// The codes of a group of N tiles as signed bytes, [N][half of the columns][16 quads][64].
template <WeightFormat F, int N>
void SignedCodes(const uint8_t* data, const PanelView& p, int8_t* out) {
  for (int64_t quad = 0; quad < kUnitRows; ++quad, data += p.step) {
    for (int n = 0; n < N; ++n) {
      int8_t* low = out + n * 2 * kUnitBytes + quad * 64;
      int8_t* high = low + kUnitBytes;
      const I bytes = I::Load(data + n * p.unit);
      if constexpr (F == WeightFormat::kI4) {
        const __m512i zero_point = _mm512_set1_epi8(8);
        _mm512_store_si512(low, _mm512_sub_epi8(LowNibbles(bytes).v, zero_point));
        _mm512_store_si512(high, _mm512_sub_epi8(HighNibbles(bytes).v, zero_point));
      } else {
        const __m512i zero_point = _mm512_set1_epi8(static_cast<char>(kByteZeroPoint));
        const I other = I::Load(data + kUnitRows * p.step + n * p.unit);
        _mm512_store_si512(low, _mm512_xor_si512(bytes.v, zero_point));
        _mm512_store_si512(high, _mm512_xor_si512(other.v, zero_point));
      }
    }
  }
}

// Registers 2 and 3 = the rows of x of a group: its two halves.
inline void LoadX(const uint8_t* x, int64_t stride) {
  LoadUnit<2>(x, stride);
  LoadUnit<3>(x + kHalf, stride);
}
// Registers 4 and up = the two halves of the codes of N tiles.
template <int N>
inline void LoadCodes(const int8_t* codes) {
  ForUnits<2 * N>([&]<int n>() { LoadUnit<4 + n>(codes + n * kUnitBytes, 64); });
}
// Registers 0 and up = codes . x over the 128 columns of a group.
template <int N>
inline void Multiply() {
  ForUnits<N>([]<int n>() {
    ZeroUnit<n>();
    MultiplyBytes<n, 2, 4 + 2 * n>();
  });
  ForUnits<N>([]<int n>() { MultiplyBytes<n, 3, 5 + 2 * n>(); });
}
// sums [16 rows][N][16 outputs]
template <int N>
inline void StoreSums(int32_t* sums) {
  ForUnits<N>([&]<int n>() { StoreUnit<n>(sums + 16 * n, N * 64); });
}

using UnitX = RowsOfUnit<uint8_t>;

// totals [rows][N][16] += scale * sums, of group g.
template <int N>
inline void AddScaledGroup(const float* sums, const uint8_t* scales, int64_t rows, int64_t g,
                           float* totals) {
  V scale[N];
  for (int n = 0; n < N; ++n) scale[n] = LoadScales<WeightFormat::kF8>(scales + n * kTileRows * 4);
  for (int64_t i = 0; i < rows; ++i, totals += N * kTileRows, sums += N * kTileRows) {
    for (int n = 0; n < N; ++n) {
      const V total = g == 0 ? V::Zero() : V::Load(totals + n * kTileRows);
      Fma(V::Load(sums + n * kTileRows), scale[n], total).Store(totals + n * kTileRows);
    }
  }
}

// totals [rows][N of kWidth][16] += x_scale * scale * sums, of group g.
template <WeightFormat F, int N, int kWidth>
inline void AddGroup(const int32_t* sums, const uint8_t* scales, const UnitX& x, int64_t meta,
                     int64_t g, float* totals) {
  V scale[N];
  for (int n = 0; n < N; ++n) scale[n] = LoadScales<F>(scales + n * kTileRows * 2);
  for (int64_t i = 0; i < x.count; ++i, totals += kWidth * kTileRows) {
    const V row = V::Set1(reinterpret_cast<const float*>(x.rows[i] + meta)[g]);
    for (int n = 0; n < N; ++n) {
      const V sum{_mm512_cvtepi32_ps(_mm512_load_si512(sums + (i * N + n) * 16))};
      const V total = g == 0 ? V::Zero() : V::Load(totals + n * kTileRows);
      Fma(sum, Mul(scale[n], row), total).Store(totals + n * kTileRows);
    }
  }
}

// N tiles of one panel with at most kMostRows rows: the sums of all their groups.
template <WeightFormat F, int N>
class UnitBlock {
 public:
  UnitBlock(const PackedMatrix& w, int64_t tile, const uint8_t* next, const uint8_t* const* x,
            int64_t m)
      : w_(w), p_(View<F>(w, tile, next)), m_(m), count_((m + kUnitRows - 1) / kUnitRows) {
    for (int64_t b = 0; b < count_; ++b) {
      const int64_t left = m - b * kUnitRows;
      blocks_[static_cast<size_t>(b)] =
          UnitX(x + b * kUnitRows, left < kUnitRows ? left : kUnitRows);
    }
  }

  void Run() {
    const int64_t chunk = count_ > kSetBlocks ? kSharedUnits / (N * kGroupUnits<F>) : 1;
    const int64_t lines = GroupBytes<F>(p_) / 64;
    const int64_t products = count_ * (IsInteger(F) ? (N + 1) / 2 : 1);
    ask_lines_ = AsksBesideProducts() ? (lines + products - 1) / products : 0;
    spread_ = chunk == 1 && p_.next != nullptr && p_.next != p_.data;
    for (int64_t first = 0; first < w_.groups; first += chunk) {
      const int64_t end = first + chunk < w_.groups ? first + chunk : w_.groups;
      for (int64_t g = first; g < end; ++g) Unpack(g, units(g - first));
      ask_ = (spread_ ? first : end) * lines;
      for (int64_t set = 0; set < count_; set += kSetBlocks) {
        const int64_t set_end = set + kSetBlocks < count_ ? set + kSetBlocks : count_;
        for (int64_t g = first; g < end; ++g) {
          for (int64_t b = set; b < set_end; ++b) Gather(b, g);
          if constexpr (IsInteger(F)) {
            constexpr int kFirst = N < 2 ? N : 2;
            Set<0, kFirst>(units(g - first), g, set, set_end);
            if constexpr (N > 2) Set<2, N - 2>(units(g - first), g, set, set_end);
          } else {
            FloatSet(units(g - first), g, set, set_end);
          }
        }
      }
    }
  }
  const float* totals(int64_t row) const { return totals_ + row * N * kTileRows; }

 private:
  // Where bf16 meets a few rows the products are too few: what is wanted next is asked for while
  // pairs are made, which takes longer.
  bool AsksBesideProducts() const { return IsInteger(F) || count_ > 1; }
  int8_t* units(int64_t group) { return units_ + group * N * kGroupUnits<F> * kUnitBytes; }
  void Unpack(int64_t g, int8_t* out) const {
    const uint8_t* data = p_.data + g * GroupBytes<F>(p_);
    if constexpr (IsInteger(F)) {
      SignedCodes<F, N>(data, p_, out);
    } else {
      const auto pairs = AsksBesideProducts() ? Pairs<F, N, false> : Pairs<F, N, true>;
      pairs(data, p_, w_.quads() - g * (kQuantGroup / 4), out);
    }
  }

  // The group of all tiles with a set of rows.
  void FloatSet(const int8_t* units, int64_t g, int64_t begin, int64_t end) {
    constexpr bool kScaled = F == WeightFormat::kF8;
    const uint8_t* scales = kScaled ? p_.scales + g * p_.scale_step : nullptr;
    const auto totals = [&](int64_t b) { return totals_ + b * kUnitRows * N * kTileRows; };
    const auto add = [&](int64_t b) {
      if constexpr (kScaled) {
        AddScaledGroup<N>(reinterpret_cast<const float*>(sums_), scales,
                          blocks_[static_cast<size_t>(b)].count, g, totals(b));
      }
    };
    for (int64_t b = begin; b < end; ++b) {
      Rows(blocks_[static_cast<size_t>(b)].count);
      ForUnits<N>([&]<int n>() {
        if (kScaled || g == 0) {
          ZeroUnit<n>();
        } else {
          LoadUnit<n>(totals(b) + 16 * n, N * 64);
        }
      });
      const Place x = Group(b, g);
      ForUnits<kGroupUnits<F>>([&]<int u>() {
        LoadUnit<4 + u % 2>(x.at + u * 64, x.stride);
        ForUnits<N>([&]<int n>() {
          LoadUnit<6 + n % 2>(units + (n * kGroupUnits<F> + u) * kUnitBytes, 64);
          MultiplyBf16<n, 4 + u % 2, 6 + n % 2>();
        });
      });
      Ask();
      if (b > begin) add(b - 1);
      float* to = kScaled ? reinterpret_cast<float*>(sums_) : totals(b);
      ForUnits<N>([&]<int n>() { StoreUnit<n>(to + 16 * n, N * 64); });
    }
    add(end - 1);
  }

  // Tiles [first, first + count) of the group with a set of rows.
  template <int kFirst, int kCount>
  void Set(const int8_t* codes, int64_t g, int64_t begin, int64_t end) {
    const uint8_t* scales = p_.scales + g * p_.scale_step + kFirst * kTileRows * 2;
    const auto add = [&](int64_t b) {
      AddGroup<F, kCount, N>(sums_, scales, blocks_[static_cast<size_t>(b)],
                             w_.groups * kQuantGroup, g,
                             totals_ + (b * kUnitRows * N + kFirst) * kTileRows);
    };
    const int64_t whole = end * kUnitRows <= m_ ? end : end - 1;
    codes += kFirst * 2 * kUnitBytes;
    if (begin < whole) {
      Rows(kUnitRows);
      LoadCodes<kCount>(codes);
      Load(begin, g);
      for (int64_t b = begin; b < whole; ++b) {
        Multiply<kCount>();
        Ask();
        if (b + 1 < whole) Load(b + 1, g);
        if (b > begin) add(b - 1);
        StoreSums<kCount>(sums_);
      }
      add(whole - 1);
    }
    if (whole < end) {
      Rows(m_ - whole * kUnitRows);
      LoadCodes<kCount>(codes);
      Load(whole, g);
      Multiply<kCount>();
      Ask();
      StoreSums<kCount>(sums_);
      add(whole);
    }
  }
  // What one set of rows takes no longer than reading it does is the next panel's, from four places
  // at a time; else the next groups'.
  void Ask() {
    for (const int64_t end = ask_ + ask_lines_; ask_ < end; ++ask_) {
      const uint8_t* at = spread_
                              ? p_.next + ask_ % kAskPlaces * p_.quarter + ask_ / kAskPlaces * 64
                              : p_.data + ask_ * 64;
      __builtin_prefetch(at, 0, 2);
    }
  }
  void Rows(int64_t rows) {
    if (rows != configured_) ConfigureRows<F>(configured_ = rows);
  }
  uint8_t* gathered(int64_t b) {
    return gathered_ + b % kSetBlocks * kUnitRows * kGroupRowBytes<F>;
  }
  // Bytes of group g that a row has; integers are padded to whole groups.
  int64_t GroupOfRow(int64_t g) const {
    const int64_t left = (w_.cols + 3) / 4 * 8 - g * kGroupRowBytes<F>;
    return IsInteger(F) || left > kGroupRowBytes<F> ? kGroupRowBytes<F> : left;
  }
  bool Gathers(const UnitX& x, int64_t g) const {
    return x.stride == 0 || GroupOfRow(g) < kGroupRowBytes<F>;
  }
  // Rows that lie anywhere, or end within the group, in time before they are loaded as one block.
  void Gather(int64_t b, int64_t g) {
    const UnitX& x = blocks_[static_cast<size_t>(b)];
    if (!Gathers(x, g)) return;
    const int64_t bytes = GroupOfRow(g);
    uint8_t* to = gathered(b);
    for (int64_t i = 0; i < x.count; ++i, to += kGroupRowBytes<F>) {
      if (bytes == kGroupRowBytes<F>) {
        std::memcpy(to, x.rows[i] + g * kGroupRowBytes<F>, kGroupRowBytes<F>);
      } else {
        std::memset(to, 0, kGroupRowBytes<F>);
        std::memcpy(to, x.rows[i] + g * kGroupRowBytes<F>, static_cast<size_t>(bytes));
      }
    }
  }
  struct Place {
    const uint8_t* at;
    int64_t stride;
  };
  Place Group(int64_t b, int64_t g) {
    const UnitX& x = blocks_[static_cast<size_t>(b)];
    if (Gathers(x, g)) return {gathered(b), kGroupRowBytes<F>};
    return {x.rows[0] + g * kGroupRowBytes<F>, x.stride};
  }
  void Load(int64_t b, int64_t g) {
    const Place x = Group(b, g);
    LoadX(x.at, x.stride);
  }

  const PackedMatrix& w_;
  const PanelView p_;
  const int64_t m_, count_;
  int64_t configured_ = 0;
  int64_t ask_ = 0, ask_lines_ = 0;  // the next line that is asked for, and how many at a time
  bool spread_ = false;
  std::array<UnitX, kMostRows / kUnitRows> blocks_;
  // On pages of their own: a load that follows a store of the same place in another page waits.
  alignas(4096) int8_t units_[kSharedUnits * kUnitBytes];
  alignas(4096) int32_t sums_[4 * 256];
  alignas(64) uint8_t gathered_[kSetBlocks * kUnitRows * kGroupRowBytes<F>];
  alignas(4096) float totals_[kMostRows * N * kTileRows];
};

template <WeightFormat F, int N>
void UnitTiles(const PackedMatrix& w, int64_t tile, const uint8_t* next, const uint8_t* const* x,
               int64_t m, float* const* out, int64_t out_row, bool accumulate) {
  UnitBlock<F, N> block(w, tile, next, x, m);
  block.Run();
  for (int64_t i = 0; i < m; ++i) {
    for (int n = 0; n < N; ++n) {
      StoreTile(w, tile + n, V::Load(block.totals(i) + n * kTileRows), accumulate,
                out[i] + (tile + n) * kTileRows - out_row);
    }
  }
}

template <WeightFormat F>
[[gnu::noinline]] void UnitRowsOf(const PackedMatrix& w, const TileRange& tiles,
                                  const uint8_t* const* x, int64_t m, float* const* out,
                                  int64_t out_row, bool accumulate) {
  for (int64_t tile = tiles.begin; tile < tiles.end;) {
    const bool whole = tile % kPanelTiles == 0 && tile + kPanelTiles <= tiles.end;
    const uint8_t* next = whole ? PanelAfter(w, tile, tiles) : nullptr;
    const auto run = whole ? UnitTiles<F, kPanelTiles> : UnitTiles<F, 1>;
    for (int64_t i = 0; i < m; i += kMostRows) {
      const int64_t rows = m - i < kMostRows ? m - i : kMostRows;
      run(w, tile, next, x + i, rows, out + i, out_row, accumulate);
    }
    tile += whole ? kPanelTiles : 1;
  }
  Release();
}

void AmxGemm(const PackedMatrix& w, RowForm form, const TileRange& tiles, const uint8_t* const* x,
             int64_t m, float* const* out, int64_t out_row, bool accumulate) {
  const auto run = [&](auto gemm) { gemm(w, tiles, x, m, out, out_row, accumulate); };
  if (form == RowForm::kInt8 && m >= LeastRows(w.format)) {
    return w.format == WeightFormat::kI4 ? run(UnitRowsOf<WeightFormat::kI4>)
                                         : run(UnitRowsOf<WeightFormat::kI8>);
  }
  // Scaled groups of another length are the vector unit's, for any number of rows.
  if (form == RowForm::kBf16 && w.group == kQuantGroup) {
    const SubnormalsAreZero mode;
    if (m <= kMostRowsInOrder) {
      return w.format == WeightFormat::kF8 ? run(RowsInOrder<WeightFormat::kF8>)
                                           : run(RowsInOrder<WeightFormat::kBf16>);
    }
    return w.format == WeightFormat::kF8 ? run(UnitRowsOf<WeightFormat::kF8>)
                                         : run(UnitRowsOf<WeightFormat::kBf16>);
  }
  Gemm(w, form, tiles, x, m, out, out_row, accumulate);
}

}  // namespace

const KernelTable kAmxKernels = MakeTable("amx", &AmxGemm);

}  // namespace deepseek::engine
