// Integer products of many rows on the tile unit (AMX: Sapphire Rapids and later); all else is
// that of kAvx512Bf16Kernels. Sums of integers are exact and the scales are applied in the same
// order, so the results are the same bits.
//
// A step takes 64 outputs x 128 columns: their codes become signed bytes once per block of rows,
// 8 KB in the L1 cache. A quad of a tile is a row of a tile register as it is. Sixteen rows of x
// are multiplied with them in eight instructions; their scales are applied by the vector unit while
// the tile unit works on the next sixteen.

#include <array>

#include "engine/kernels/cpu/simd_avx512.h"
#include "engine/kernels/cpu/tile_unit_inl.h"
// After the vector type, in this order:
#include "engine/kernels/cpu/gemm_inl.h"
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
// More rows than a set share codes that lie in the second cache: 8 KB a group.
constexpr int64_t kMostGroups = 16;
constexpr int64_t kMostRows = 512;
// Rows from which on the tile unit is faster: fewer are bound by memory.
constexpr int64_t LeastRows(WeightFormat format) {
  return format == WeightFormat::kI4 ? 6 : 12;
}

// Registers 0 and 1 hold sums, 2 and 3 rows of x, 4 to 7 weights.
void ConfigureRows(int64_t rows) {
  UnitShapes shapes;
  shapes.Set(0, 4, rows);
  shapes.Set(4, 8, kUnitRows);
  Configure(shapes);
}

template <WeightFormat F>
constexpr int64_t GroupBytes(const PanelView& p) {
  return kQuantGroup / 4 * p.step / (F == WeightFormat::kI4 ? 2 : 1);
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

// Sixteen rows of x or fewer.
struct UnitX {
  const uint8_t* const* rows;
  int64_t count;
  int64_t stride;  // bytes from row to row; 0: they lie anywhere
};

inline UnitX Sixteen(const uint8_t* const* x, int64_t count) {
  return {x, count, StrideOf(x, count)};
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
  UnitBlock(const PackedMatrix& w, int64_t tile, const uint8_t* const* x, int64_t m)
      : w_(w), p_(View<F>(w, tile)), m_(m), count_((m + kUnitRows - 1) / kUnitRows) {
    for (int64_t b = 0; b < count_; ++b) {
      const int64_t left = m - b * kUnitRows;
      blocks_[static_cast<size_t>(b)] =
          Sixteen(x + b * kUnitRows, left < kUnitRows ? left : kUnitRows);
    }
  }

  void Run() {
    const int64_t chunk = count_ > kSetBlocks ? kMostGroups : 1;
    const int64_t lines = GroupBytes<F>(p_) / 64;
    const int64_t products = count_ * ((N + 1) / 2);
    ask_lines_ = (lines + products - 1) / products;
    for (int64_t first = 0; first < w_.groups; first += chunk) {
      const int64_t end = first + chunk < w_.groups ? first + chunk : w_.groups;
      for (int64_t g = first; g < end; ++g) {
        SignedCodes<F, N>(p_.data + g * GroupBytes<F>(p_), p_,
                          codes_ + (g - first) * N * 2 * kUnitBytes);
      }
      ask_ = p_.data + end * GroupBytes<F>(p_);
      for (int64_t set = 0; set < count_; set += kSetBlocks) {
        const int64_t set_end = set + kSetBlocks < count_ ? set + kSetBlocks : count_;
        for (int64_t g = first; g < end; ++g) {
          const int8_t* codes = codes_ + (g - first) * N * 2 * kUnitBytes;
          for (int64_t b = set; b < set_end; ++b) Gather(b, g);
          Set < 0, N<2 ? N : 2>(codes, g, set, set_end);
          if constexpr (N > 2) Set<2, N - 2>(codes, g, set, set_end);
        }
      }
    }
  }
  const float* totals(int64_t row) const { return totals_ + row * N * kTileRows; }

 private:
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
  void Ask() {
    for (int64_t i = 0; i < ask_lines_; ++i, ask_ += 64) __builtin_prefetch(ask_, 0, 2);
  }
  void Rows(int64_t rows) {
    if (rows != configured_) ConfigureRows(configured_ = rows);
  }
  uint8_t* gathered(int64_t b) { return gathered_ + b % kSetBlocks * kUnitRows * kQuantGroup; }
  // Rows that lie anywhere, in time before they are loaded as one block.
  void Gather(int64_t b, int64_t g) {
    const UnitX& x = blocks_[static_cast<size_t>(b)];
    if (x.stride != 0) return;
    uint8_t* to = gathered(b);
    for (int64_t i = 0; i < x.count; ++i, to += kQuantGroup) {
      std::memcpy(to, x.rows[i] + g * kQuantGroup, kQuantGroup);
    }
  }
  void Load(int64_t b, int64_t g) {
    const UnitX& x = blocks_[static_cast<size_t>(b)];
    if (x.stride != 0) return LoadX(x.rows[0] + g * kQuantGroup, x.stride);
    LoadX(gathered(b), kQuantGroup);
  }

  const PackedMatrix& w_;
  const PanelView p_;
  const int64_t m_, count_;
  int64_t configured_ = 0;
  const uint8_t* ask_ = nullptr;
  int64_t ask_lines_ = 0;
  std::array<UnitX, kMostRows / kUnitRows> blocks_;
  // On pages of their own: a load that follows a store of the same place in another page waits.
  alignas(4096) int8_t codes_[kMostGroups * 2 * N * kUnitBytes];
  alignas(4096) int32_t sums_[2 * 256];
  alignas(64) uint8_t gathered_[kSetBlocks * kUnitRows * kQuantGroup];
  alignas(4096) float totals_[kMostRows * N * kTileRows];
};

template <WeightFormat F, int N>
void UnitTiles(const PackedMatrix& w, int64_t tile, const uint8_t* const* x, int64_t m,
               float* const* out, int64_t out_row, bool accumulate) {
  UnitBlock<F, N> block(w, tile, x, m);
  block.Run();
  for (int64_t i = 0; i < m; ++i) {
    for (int n = 0; n < N; ++n) {
      StoreTile(w, tile + n, V::Load(block.totals(i) + n * kTileRows), accumulate,
                out[i] + (tile + n) * kTileRows - out_row);
    }
  }
}

template <WeightFormat F>
void UnitRowsOf(const PackedMatrix& w, int64_t tile_begin, int64_t tile_end,
                const uint8_t* const* x, int64_t m, float* const* out, int64_t out_row,
                bool accumulate) {
  for (int64_t tile = tile_begin; tile < tile_end;) {
    const bool whole = tile % kPanelTiles == 0 && tile + kPanelTiles <= tile_end;
    const auto tiles = whole ? UnitTiles<F, kPanelTiles> : UnitTiles<F, 1>;
    for (int64_t i = 0; i < m; i += kMostRows) {
      tiles(w, tile, x + i, m - i < kMostRows ? m - i : kMostRows, out + i, out_row, accumulate);
    }
    tile += whole ? kPanelTiles : 1;
  }
  Release();
}

void AmxGemm(const PackedMatrix& w, RowForm form, int64_t tile_begin, int64_t tile_end,
             const uint8_t* const* x, int64_t m, float* const* out, int64_t out_row,
             bool accumulate) {
  if (form != RowForm::kInt8 || m < LeastRows(w.format)) {
    return Gemm(w, form, tile_begin, tile_end, x, m, out, out_row, accumulate);
  }
  const auto rows =
      w.format == WeightFormat::kI4 ? UnitRowsOf<WeightFormat::kI4> : UnitRowsOf<WeightFormat::kI8>;
  rows(w, tile_begin, tile_end, x, m, out, out_row, accumulate);
}

}  // namespace

const KernelTable kAmxKernels = MakeTable("amx", &AmxGemm);

}  // namespace deepseek::engine
