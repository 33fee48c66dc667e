// Feed-forward units: one for all rows, or grouped over routed experts. The first pass makes
// silu(gate x) * up x for 128 columns at a time and puts them into the form that the second pass
// (down) reads, so that no wide intermediate is kept in F32 unless the arithmetic is F32.
//
// Few rows give an expert one or two: bound by memory. The shared experts have all rows and soon
// are bound by arithmetic. In one loop the one thread's reading and the other's arithmetic overlap,
// and two waits for all threads are saved.

#include <algorithm>
#include <cstring>

#include "engine/kernels/cpu/cpu_internal.h"

namespace deepseek::engine {
namespace {

// One quantisation group of the intermediate: an item of the first pass.
constexpr int64_t kItemTiles = kQuantGroup / kTileRows;
static_assert(kItemTiles % kPanelTiles == 0);

// Puts a prepared piece of n <= 128 columns into its place in a prepared row of `cols` columns.
void PlacePiece(RowForm form, const uint8_t* piece, int64_t group, int64_t n, int64_t cols,
                uint8_t* row) {
  if (form != RowForm::kInt8) {
    const int64_t bytes = form == RowForm::kF32 ? 4 : 2;
    const int64_t padded = form == RowForm::kF32 ? n : (n + 3) / 4 * 4;
    std::memcpy(row + group * kQuantGroup * bytes, piece, static_cast<size_t>(padded * bytes));
    return;
  }
  const int64_t groups = (cols + kQuantGroup - 1) / kQuantGroup;
  uint8_t* meta = row + groups * kQuantGroup + group * 4;
  std::memcpy(row + group * kQuantGroup, piece, kQuantGroup);
  std::memcpy(meta, piece + kQuantGroup, 4);
  std::memcpy(meta + groups * 4, piece + kQuantGroup + 4, 4);
}

}  // namespace

void CpuBackend::GateUp(const ExpertRows& e, int64_t tile_begin, RowForm form, const uint8_t* then,
                        ExpertScratch* scratch) {
  const PackedMatrix& gate = Matrix(e.ffn->gate);
  const PackedMatrix& up = Matrix(e.ffn->up);
  const int64_t cols = gate.rows;
  const int64_t tile_end = std::min(tile_begin + kItemTiles, gate.tiles);
  const int64_t first = tile_begin * kTileRows;
  const int64_t n = std::min(tile_end * kTileRows, cols) - first;
  const RowForm down_form = FormFor(Matrix(e.ffn->down));
  alignas(64) std::array<uint8_t, kQuantGroup * 4> piece;
  for (int64_t begin = e.begin; begin < e.end; begin += kExpertRowBlock) {
    const int64_t m = std::min(kExpertRowBlock, e.end - begin);
    const uint8_t* from_up = up.quad(tile_begin);
    const uint8_t* next = begin + m < e.end ? gate.quad(tile_begin) : then;
    kernels_.gemm(gate, form, {tile_begin, tile_end, from_up}, &expert_x_[begin], m,
                  scratch->gate_rows.data(), first, false);
    kernels_.gemm(up, form, {tile_begin, tile_end, next}, &expert_x_[begin], m,
                  scratch->up_rows.data(), first, false);
    for (int64_t i = 0; i < m; ++i) {
      float* g = scratch->gate_rows[i];
      kernels_.swiglu(g, scratch->up_rows[i], n, g);
      kernels_.prepare(down_form, g, n, piece.data());
      PlacePiece(down_form, piece.data(), first / kQuantGroup, n, cols,
                 intermediate_.data() + e.intermediate + (begin + i - e.begin) * e.row_bytes);
    }
  }
}

void CpuBackend::RunExperts(int64_t hidden, RowForm form) {
  const auto list_work = [&](int64_t step, auto tiles_of) {
    work_.clear();
    for (size_t e = 0; e < expert_rows_.size(); ++e) {
      for (int64_t t = 0; t < tiles_of(expert_rows_[e]); t += step) {
        work_.emplace_back(static_cast<int32_t>(e), t);
      }
    }
  };
  int64_t multiply_adds = 0;
  int64_t bytes = 0;
  for (ExpertRows& e : expert_rows_) {
    const PackedMatrix& down = Matrix(e.ffn->down);
    e.intermediate = bytes;
    e.row_bytes = RowBytes(FormFor(down), down.cols);
    multiply_adds += (e.end - e.begin) * e.ffn->gate.rows * hidden;
    bytes += (e.end - e.begin) * e.row_bytes;
  }
  Reserve(&intermediate_, bytes);
  list_work(kItemTiles, [&](const ExpertRows& e) { return Matrix(e.ffn->gate).tiles; });
  // The first panel of the item after this one, which a thread as a rule takes next.
  const auto after = [&](int64_t item, PackedWeight FfnWeights::*matrix) -> const uint8_t* {
    if (static_cast<size_t>(item) + 1 >= work_.size()) return nullptr;
    const auto& [index, begin] = work_[static_cast<size_t>(item) + 1];
    return Matrix(expert_rows_[static_cast<size_t>(index)].ffn->*matrix).quad(begin);
  };
  ForItems(static_cast<int64_t>(work_.size()), 2 * multiply_adds, [&](int64_t item, int thread) {
    const auto [index, begin] = work_[static_cast<size_t>(item)];
    GateUp(expert_rows_[static_cast<size_t>(index)], begin, form, after(item, &FfnWeights::gate),
           &expert_scratch_[static_cast<size_t>(thread)]);
  });

  for (const ExpertRows& e : expert_rows_) {
    for (int64_t p = e.begin; p < e.end; ++p) {
      expert_x_[p] = intermediate_.data() + e.intermediate + (p - e.begin) * e.row_bytes;
    }
  }
  list_work(kPanelTiles, [&](const ExpertRows& e) { return Matrix(e.ffn->down).tiles; });
  ForItems(static_cast<int64_t>(work_.size()), multiply_adds, [&](int64_t item, int) {
    const auto [index, begin] = work_[static_cast<size_t>(item)];
    const ExpertRows& e = expert_rows_[static_cast<size_t>(index)];
    const PackedMatrix& down = Matrix(e.ffn->down);
    const TileRange tiles{begin, std::min(begin + kPanelTiles, down.tiles),
                          after(item, &FfnWeights::down)};
    kernels_.gemm(down, FormFor(down), tiles, &expert_x_[e.begin], e.end - e.begin,
                  &pair_out_[e.begin], 0, false);
  });
}

void CpuBackend::ReservePairs(int64_t pairs, int64_t hidden) {
  Reserve(&expert_x_, pairs);
  Reserve(&pair_out_, pairs);
  Reserve(&down_, pairs * hidden);
  for (int64_t p = 0; p < pairs; ++p) pair_out_[p] = down_.data() + p * hidden;
}

void CpuBackend::Ffn(const Buffer& x, const FfnWeights& ffn, const Buffer& out) {
  const int64_t hidden = x.shape[1];
  const RowForm form = FormFor(Matrix(ffn.gate), Matrix(ffn.up));
  Reserve(&prepared_rows_, rows());
  PrepareRows(x, hidden, form, rows());
  ReservePairs(rows(), hidden);
  std::copy_n(prepared_rows_.begin(), rows(), expert_x_.begin());
  expert_rows_.assign(1, {&ffn, 0, rows()});
  RunExperts(hidden, form);
  ForItems(rows(), rows() * hidden, [&](int64_t r, int) {
    kernels_.add_scaled(1.0F, pair_out_[r], hidden, HostData<float>(out) + r * hidden);
  });
}

bool CpuBackend::Joins(const FfnWeights& shared, int64_t pairs, RowForm form,
                       const MoeLayer& layer) const {
  // The scratch is what the largest step takes: a smaller one has room left.
  const auto bytes = [&](int64_t count, const FfnWeights& ffn) {
    const PackedMatrix& down = Matrix(ffn.down);
    return count * RowBytes(FormFor(down), down.cols);
  };
  return FormFor(Matrix(shared.gate), Matrix(shared.up)) == form &&
         static_cast<size_t>(pairs + rows()) <= pair_out_.size() &&
         static_cast<size_t>(bytes(pairs, layer.experts[0]) + bytes(rows(), shared)) <=
             intermediate_.size();
}

void CpuBackend::Moe(const Buffer& x, const Buffer& ids, const Buffer& weights,
                     const MoeLayer& layer, const Buffer& out) {
  const absl::Span<const FfnWeights> experts = layer.experts;
  const int32_t experts_per_token = layer.experts_per_token;
  const int64_t hidden = x.shape[1];
  const int64_t pairs = int64_t{rows()} * experts_per_token;
  const int32_t* id = HostData<int32_t>(ids);
  // One form serves all experts; a checkpoint that mixes types gets the one that every type takes.
  RowForm form = FormFor(Matrix(experts[0].gate), Matrix(experts[0].up));
  for (const FfnWeights& e : experts) {
    if (FormFor(Matrix(e.gate), Matrix(e.up)) != form) form = RowForm::kF32;
  }
  Reserve(&prepared_rows_, rows());
  PrepareRows(x, hidden, form, rows());
  const bool joined = layer.shared != nullptr && Joins(*layer.shared, pairs, form, layer);
  ReservePairs(joined ? pairs + rows() : pairs, hidden);
  Reserve(&pair_of_, pairs);
  Reserve(&expert_begin_, static_cast<int64_t>(experts.size()) + 1);
  // Counting sort of the (row, expert) pairs by expert; rows stay in order within an expert.
  std::fill(expert_begin_.begin(), expert_begin_.end(), 0);
  for (int64_t i = 0; i < pairs; ++i) ++expert_begin_[id[i] + 1];
  expert_rows_.clear();
  if (joined) {
    // First, so that the first thread computes while the others read.
    expert_rows_.push_back({layer.shared, pairs, pairs + rows()});
    std::copy_n(prepared_rows_.begin(), rows(), expert_x_.begin() + pairs);
  }
  for (size_t e = 0; e < experts.size(); ++e) {
    const int64_t count = expert_begin_[e + 1];
    expert_begin_[e + 1] = expert_begin_[e] + count;
    if (count > 0) expert_rows_.push_back({&experts[e], expert_begin_[e], expert_begin_[e + 1]});
  }
  for (int64_t i = 0; i < pairs; ++i) {
    const int64_t p = expert_begin_[id[i]]++;
    pair_of_[i] = p;
    expert_x_[p] = prepared_rows_[i / experts_per_token];
  }
  RunExperts(hidden, form);
  ForItems(rows(), pairs * hidden, [&](int64_t r, int) {
    // In top-k order: the sum's bits must not follow the sort.
    float* to = pair_out_[pair_of_[r * experts_per_token]];
    const float* weight = HostData<float>(weights) + r * experts_per_token;
    // weight[0] * y0 first, in place: y0 is not needed again.
    for (int64_t c = 0; c < hidden; ++c) to[c] *= weight[0];
    for (int32_t k = 1; k < experts_per_token; ++k) {
      kernels_.add_scaled(weight[k], pair_out_[pair_of_[r * experts_per_token + k]], hidden, to);
    }
    kernels_.add_scaled(1.0F, to, hidden, HostData<float>(out) + r * hidden);
    if (joined) {
      kernels_.add_scaled(1.0F, pair_out_[pairs + r], hidden, HostData<float>(out) + r * hidden);
    }
  });
  if (layer.shared != nullptr && !joined) Ffn(x, *layer.shared, out);
}

}  // namespace deepseek::engine
