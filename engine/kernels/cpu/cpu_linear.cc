// Linear on packed tiles. Work is cut into (matrix, panel) items, never along K and never by the
// number of threads.

#include <algorithm>

#include "engine/kernels/cpu/cpu_internal.h"

namespace deepseek::engine {
namespace {

// Rows that are worth preparing on several threads.
constexpr int64_t kPrepareAlone = 4;
// Rows from which threads may share a panel: fewer are bound by memory, and read whole panels best.
constexpr int64_t kTilesFrom = 16;

}  // namespace

RowForm CpuBackend::FormFor(const PackedMatrix& w) const {
  if (w.exact || compute_ == Compute::kFp32) return RowForm::kF32;
  if (IsInteger(w.format)) return compute_ == Compute::kInt8 ? RowForm::kInt8 : RowForm::kF32;
  return kernels_.bf16_dot && w.format != WeightFormat::kF32 ? RowForm::kBf16 : RowForm::kF32;
}

void CpuBackend::PrepareRows(const Buffer& x, int64_t cols, RowForm form, int64_t rows) {
  const auto* from = HostData<float>(x);
  const int64_t bytes = RowBytes(form, cols);
  if (form != RowForm::kF32) Reserve(&prepared_, rows * bytes);
  for (int64_t r = 0; r < rows; ++r) {
    prepared_rows_[r] = form == RowForm::kF32 ? reinterpret_cast<const uint8_t*>(from + r * cols)
                                              : prepared_.data() + r * bytes;
  }
  if (form == RowForm::kF32) return;
  ForItems(rows, rows <= kPrepareAlone ? 0 : rows * cols * 8, [&](int64_t r, int) {
    kernels_.prepare(form, from + r * cols, cols, prepared_.data() + r * bytes);
  });
}

void CpuBackend::Linear(const Buffer& x, const PackedWeight& weight, int64_t rows, bool accumulate,
                        const Buffer& out) {
  const PackedMatrix& w = Matrix(weight);
  const RowForm form = FormFor(w);
  Reserve(&prepared_rows_, rows);
  Reserve(&out_rows_, rows);
  PrepareRows(x, w.cols, form, rows);
  for (int64_t r = 0; r < rows; ++r) out_rows_[r] = HostData<float>(out) + r * w.rows;
  // A matrix with fewer panels than threads (a router) is shared by tiles.
  const bool few = rows >= kTilesFrom && w.tiles < kPanelTiles * pool_.threads();
  const int64_t step = few ? 1 : kPanelTiles;
  ForItems((w.tiles + step - 1) / step, rows * w.rows * w.cols, [&](int64_t item, int) {
    const int64_t begin = item * step;
    kernels_.gemm(w, form, {begin, std::min(begin + step, w.tiles)}, prepared_rows_.data(), rows,
                  out_rows_.data(), 0, accumulate);
  });
}

}  // namespace deepseek::engine
