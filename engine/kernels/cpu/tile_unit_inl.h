#pragma once
// The tile unit (AMX): registers of 16 rows x 64 bytes, of which an instruction multiplies two and
// adds to a third. Included by the amx sources only.
//
// By name and not by intrinsics: GCC 12's take the eight first bytes of the shapes for all that
// ldtilecfg reads, and do not say that tileloadd reads memory, so that stores before them are lost
// or moved behind them.

#include <array>
#include <cstdint>
#include <utility>

namespace deepseek::engine {
namespace {

constexpr int64_t kUnitRows = 16;
constexpr int64_t kUnitBytes = kUnitRows * 64;

// What ldtilecfg reads: rows and bytes of a row of each register.
struct alignas(64) UnitShapes {
  uint8_t palette = 1, start_row = 0;
  std::array<uint8_t, 14> reserved{};
  std::array<uint16_t, 16> bytes{};
  std::array<uint8_t, 16> rows{};

  constexpr void Set(size_t first, size_t end, int64_t count, int64_t row_bytes = 64) {
    for (size_t i = first; i < end; ++i) {
      rows[i] = static_cast<uint8_t>(count);
      bytes[i] = static_cast<uint16_t>(row_bytes);
    }
  }
};
static_assert(sizeof(UnitShapes) == 64);

inline void Configure(const UnitShapes& shapes) {
  asm volatile("ldtilecfg %0" : : "m"(shapes));
}
/// Gives the registers back: else the kernel saves 8 KB at each switch of the thread.
inline void Release() {
  asm volatile("tilerelease");
}
template <int kTo>
inline void LoadUnit(const void* from, int64_t stride_bytes) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2"
               :
               : "r"(from), "r"(stride_bytes), "i"(kTo)
               : "memory");
}
template <int kFrom>
inline void StoreUnit(void* to, int64_t stride_bytes) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)"
               :
               : "r"(to), "r"(stride_bytes), "i"(kFrom)
               : "memory");
}
template <int kUnit>
inline void ZeroUnit() {
  asm volatile("tilezero %%tmm%c0" : : "i"(kUnit));
}
/// Register kSum += kLeft . kRight, of signed bytes or of bf16.
template <int kSum, int kLeft, int kRight>
inline void MultiplyBytes() {
  asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(kSum), "i"(kLeft), "i"(kRight));
}
template <int kSum, int kLeft, int kRight>
inline void MultiplyBf16() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(kSum), "i"(kLeft), "i"(kRight));
}

/// Calls body<0>(), body<1>() .. body<N - 1>().
template <int N, typename Body>
inline void ForUnits(Body body) {
  [&]<int... n>(std::integer_sequence<int, n...>) {
    (body.template operator()<n>(), ...);
  }
  (std::make_integer_sequence<int, N>{});
}

/// Sixteen rows or fewer that one register takes.
template <typename T>
struct RowsOfUnit {
  const T* const* rows = nullptr;
  int64_t count = 0;
  int64_t stride = 0;  ///< bytes from row to row; 0: they lie anywhere

  RowsOfUnit() = default;
  RowsOfUnit(const T* const* r, int64_t n) : rows(r), count(n), stride(64) {
    const auto at = [&](int64_t i) { return reinterpret_cast<const uint8_t*>(rows[i]); };
    if (count > 1) stride = at(1) - at(0);
    for (int64_t i = 2; i < count; ++i) {
      if (at(i) - at(i - 1) != stride) stride = 0;
    }
  }
};

}  // namespace
}  // namespace deepseek::engine
