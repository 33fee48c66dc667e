// Attention with bf16 operands on the tile unit. A product takes 16 rows, 16 words and 16 columns
// at a time, a right operand is what it wants as it is; the softmax between them is the vector
// unit's. One row is computed like sixteen, so its bits do not depend on its company.

#include "engine/kernels/cpu/simd_avx512.h"
// After the vector type:
#include "engine/kernels/cpu/attend_bf16_inl.h"
#include "engine/kernels/cpu/tile_unit_inl.h"

namespace deepseek::engine {
namespace {

constexpr int64_t kUnitWords = 16;
constexpr int64_t kPanelBytes = kPanel * 4;

// Registers 0 to 3: sums. 4 and 5: rows and the right operand, sixteen words. 6 and 7: the same,
// for the words left over.
class Unit {
 public:
  ~Unit() {
    if (rows_ > 0) Release();
  }
  void Configure(int64_t rows, int64_t words) {
    const int64_t left = words % kUnitWords;
    if (rows == rows_ && (left == left_ || left == 0)) return;
    rows_ = rows;
    left_ = left;
    UnitShapes shapes;
    shapes.Set(0, 5, rows);
    shapes.Set(5, 6, kUnitWords);
    shapes.Set(6, 7, rows, left == 0 ? 64 : left * 4);
    shapes.Set(7, 8, left == 0 ? kUnitWords : left);
    deepseek::engine::Configure(shapes);
  }

 private:
  int64_t rows_ = 0, left_ = 0;
};

using LeftRows = RowsOfUnit<float>;

// Asks for a line of what is wanted next per word.
struct Wanted {
  const uint8_t* at;
  const uint8_t* end;
  void Ask() {
    for (int64_t i = 0; i < kUnitWords && at < end; ++i, at += 64) __builtin_prefetch(at, 0, 2);
  }
};

template <int N>
inline void LoadSums(const float* from, int64_t stride) {
  ForUnits<N>([&]<int n>() { LoadUnit<n>(from + 16 * n, stride); });
}
template <int N>
inline void StoreSums(float* to, int64_t stride) {
  ForUnits<N>([&]<int n>() { StoreUnit<n>(to + 16 * n, stride); });
}
template <int N>
inline void ZeroSums() {
  ForUnits<N>([]<int n>() { ZeroUnit<n>(); });
}

// The sums += a . b, 16 N columns; `words` of a row.
template <int N>
void AddProducts(const LeftRows& a, const float* b, int64_t words, Wanted* wanted) {
  alignas(64) float gathered[kUnitRows * kUnitWords];
  const auto from = [&](int64_t w, int64_t count) {
    for (int64_t i = 0; a.stride == 0 && i < a.count; ++i) {
      std::memcpy(gathered + i * kUnitWords, a.rows[i] + w, static_cast<size_t>(count) * 4);
    }
    return a.stride == 0 ? gathered : a.rows[0] + w;
  };
  const int64_t stride = a.stride == 0 ? kUnitWords * 4 : a.stride;
  int64_t w = 0;
  for (; w + kUnitWords <= words; w += kUnitWords) {
    LoadUnit<4>(from(w, kUnitWords), stride);
    ForUnits<N>([&]<int n>() {
      LoadUnit<5>(b + w * kPanel + 16 * n, kPanelBytes);
      MultiplyBf16<n, 4, 5>();
    });
    wanted->Ask();
  }
  if (w < words) {
    LoadUnit<6>(from(w, words - w), stride);
    ForUnits<N>([&]<int n>() {
      LoadUnit<7>(b + w * kPanel + 16 * n, kPanelBytes);
      MultiplyBf16<n, 6, 7>();
    });
  }
}

// Calls body<N>() for the vectors of 16 of n <= 64 columns.
template <typename Body>
inline void ForColumns(int64_t n, Body body) {
  switch ((n + 15) / 16) {
    case 1:
      return body.template operator()<1>();
    case 2:
      return body.template operator()<2>();
    case 3:
      return body.template operator()<3>();
    default:
      return body.template operator()<4>();
  }
}

void MultiplyTiles(const uint8_t* a, int64_t a_stride_bytes, int64_t rows, const float* b,
                   int64_t words, int64_t n, float* out, int64_t out_stride) {
  Unit unit;
  Wanted nothing{nullptr, nullptr};
  for (int64_t panel = 0; panel < Panels(n); ++panel, b += words * kPanel) {
    ForColumns(n - panel * kPanel, [&]<int N>() {
      for (int64_t first = 0; first < rows; first += kUnitRows) {
        const int64_t m = rows - first < kUnitRows ? rows - first : kUnitRows;
        const float* left[kUnitRows];
        for (int64_t i = 0; i < m; ++i) {
          left[i] = reinterpret_cast<const float*>(a + (first + i) * a_stride_bytes);
        }
        unit.Configure(m, words);
        ZeroSums<N>();
        AddProducts<N>({left, m}, b, words, &nothing);
        StoreSums<N>(out + first * out_stride + panel * kPanel, out_stride * 4);
      }
    });
  }
}

// Scores -> probabilities of m <= 16 rows from `first` on, and what each row's sums are scaled by.
void Probabilities(const AttendTile& t, int64_t first, int64_t m, float (*scores)[kPanel],
                   float (*p)[kPanel / 2], V* factor) {
  ForRowBlocks(m, [&]<int M>(int64_t begin) {
    int64_t seen[M];
    for (int i = 0; i < M; ++i) {
      const int64_t keys = t.ends[first + begin + i] - t.begin;
      seen[i] = keys < kPanel ? keys : kPanel;
    }
    Softmax<Bf16Operand, M>(scores + begin, seen, t.scale_log2, t.state + first + begin, p + begin,
                            factor + begin);
  });
}

void AttendTiles(const AttendTile& t) {
  Unit unit;
  alignas(64) float scores[kUnitRows][kPanel];
  alignas(64) float sums[kUnitRows][kPanel];
  alignas(64) float p[kUnitRows][kPanel / 2];
  const int64_t words = (t.count + 1) / 2;
  Wanted wanted{t.next, t.next + t.next_bytes};
  for (int64_t first = 0; first < t.rows; first += kUnitRows) {
    const int64_t m = t.rows - first < kUnitRows ? t.rows - first : kUnitRows;
    unit.Configure(m, t.words);
    ForColumns(t.count, [&]<int N>() {
      ZeroSums<N>();
      AddProducts<N>({t.q + first, m}, t.keys, t.words, &wanted);
      StoreSums<N>(scores[0], kPanelBytes);
    });
    V factor[kUnitRows];
    Probabilities(t, first, m, scores, p, factor);

    const float* left[kUnitRows];
    for (int64_t i = 0; i < m; ++i) left[i] = p[i];
    const LeftRows rows(left, m);
    float* const* out = t.out + first;
    const int64_t out_stride = LeftRows(out, m).stride;
    unit.Configure(m, words);
    for (int64_t panel = 0; panel < Panels(t.v); ++panel) {
      const int64_t column = panel * kPanel;
      ForColumns(t.v - column, [&]<int N>() {
        // In place where the rows lie evenly.
        const auto place = [&](int64_t i) { return out_stride == 0 ? sums[i] : out[i] + column; };
        for (int64_t i = 0; i < m; ++i) {
          for (int n = 0; n < N; ++n) {
            Mul(V::Load(out[i] + column + 16 * n), factor[i]).Store(place(i) + 16 * n);
          }
        }
        const int64_t stride = out_stride == 0 ? kPanelBytes : out_stride;
        LoadSums<N>(place(0), stride);
        AddProducts<N>(rows, t.values + column * (kPanel / 2), words, &wanted);
        StoreSums<N>(place(0), stride);
        for (int64_t i = 0; out_stride == 0 && i < m; ++i) {
          std::memcpy(out[i] + column, sums[i], N * 64);
        }
      });
    }
  }
}

constexpr AttendKernels MakeTiles() {
  AttendKernels kernels = MakeAttend<Bf16Operand>("amx");
  kernels.multiply = &MultiplyTiles;
  kernels.attend = &AttendTiles;
  return kernels;
}

}  // namespace

const AttendKernels kAmxAttend = MakeTiles();

}  // namespace deepseek::engine
