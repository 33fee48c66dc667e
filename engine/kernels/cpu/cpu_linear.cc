// Linear, Ffn and Moe on packed tiles. Work is cut into (matrix, block of tiles) items, never along
// K and never by the number of threads.

#include <algorithm>
#include <array>
#include <cstring>

#include "engine/kernels/cpu/cpu_internal.h"

namespace deepseek::engine {
namespace {

// Tiles of one work item: 64 outputs, so that items are many and rows of x are read often enough
// from cache.
constexpr int64_t kItemTiles = 4;

int64_t Items(int64_t tiles) {
  return (tiles + kItemTiles - 1) / kItemTiles;
}

}  // namespace

void CpuBackend::Linear(const Buffer& x, const PackedWeight& weight, int64_t rows, bool accumulate,
                        const Buffer& out) {
  const PackedMatrix& w = Matrix(weight);
  for (int64_t r = 0; r < rows; ++r) {
    x_rows_[r] = HostData<float>(x) + r * w.cols;
    out_rows_[r] = HostData<float>(out) + r * w.rows;
  }
  ForItems(Items(w.tiles), rows * w.rows * w.cols, [&](int64_t item, int) {
    const int64_t begin = item * kItemTiles;
    kernels_.gemm(w, begin, std::min(begin + kItemTiles, w.tiles), x_rows_.data(), rows,
                  out_rows_.data(), accumulate);
  });
}

void CpuBackend::RunExperts(int64_t hidden) {
  const auto list_work = [&](auto tiles_of) {
    work_.clear();
    for (size_t e = 0; e < expert_rows_.size(); ++e) {
      for (int64_t t = 0; t < tiles_of(expert_rows_[e]); t += kItemTiles) {
        work_.emplace_back(static_cast<int32_t>(e), t);
      }
    }
  };
  int64_t multiply_adds = 0;
  for (const ExpertRows& e : expert_rows_)
    multiply_adds += (e.end - e.begin) * e.ffn->gate.rows * hidden;

  list_work([&](const ExpertRows& e) { return Matrix(e.ffn->gate).tiles; });
  ForItems(static_cast<int64_t>(work_.size()), 2 * multiply_adds, [&](int64_t item, int) {
    const auto [index, begin] = work_[static_cast<size_t>(item)];
    const ExpertRows& e = expert_rows_[static_cast<size_t>(index)];
    const PackedMatrix& gate = Matrix(e.ffn->gate);
    const int64_t end = std::min(begin + kItemTiles, gate.tiles);
    const int64_t m = e.end - e.begin;
    kernels_.gemm(gate, begin, end, &x_rows_[e.begin], m, &gate_rows_[e.begin], false);
    kernels_.gemm(Matrix(e.ffn->up), begin, end, &x_rows_[e.begin], m, &up_rows_[e.begin], false);
    const int64_t first = begin * kTileRows;
    const int64_t n = std::min(end * kTileRows, gate.rows) - first;
    for (int64_t p = e.begin; p < e.end; ++p) {
      kernels_.swiglu(gate_rows_[p] + first, up_rows_[p] + first, n, gate_rows_[p] + first);
    }
  });

  list_work([&](const ExpertRows& e) { return Matrix(e.ffn->down).tiles; });
  ForItems(static_cast<int64_t>(work_.size()), multiply_adds, [&](int64_t item, int) {
    const auto [index, begin] = work_[static_cast<size_t>(item)];
    const ExpertRows& e = expert_rows_[static_cast<size_t>(index)];
    const PackedMatrix& down = Matrix(e.ffn->down);
    kernels_.gemm(down, begin, std::min(begin + kItemTiles, down.tiles), &gate_rows_[e.begin],
                  e.end - e.begin, &pair_out_[e.begin], false);
  });
}

void CpuBackend::Ffn(const Buffer& x, const FfnWeights& ffn, const Buffer& out) {
  const int64_t hidden = x.shape[1];
  for (int32_t r = 0; r < rows(); ++r) {
    x_rows_[r] = HostData<float>(x) + r * hidden;
    gate_rows_[r] = gate_.data() + r * ffn.gate.rows;
    up_rows_[r] = up_.data() + r * ffn.gate.rows;
    pair_out_[r] = down_.data() + r * hidden;
  }
  expert_rows_.assign(1, {&ffn, 0, rows()});
  RunExperts(hidden);
  ForItems(rows(), rows() * hidden, [&](int64_t r, int) {
    kernels_.add_scaled(1.0F, pair_out_[r], hidden, HostData<float>(out) + r * hidden);
  });
}

void CpuBackend::Moe(const Buffer& x, const Buffer& ids, const Buffer& weights,
                     int32_t experts_per_token, absl::Span<const FfnWeights> experts,
                     const Buffer& out) {
  const int64_t hidden = x.shape[1];
  const int64_t pairs = int64_t{rows()} * experts_per_token;
  const int32_t* id = HostData<int32_t>(ids);
  // Counting sort of the (row, expert) pairs by expert; rows stay in order within an expert.
  std::fill(expert_begin_.begin(), expert_begin_.end(), 0);
  for (int64_t i = 0; i < pairs; ++i) ++expert_begin_[id[i] + 1];
  expert_rows_.clear();
  for (size_t e = 0; e < experts.size(); ++e) {
    const int64_t count = expert_begin_[e + 1];
    expert_begin_[e + 1] = expert_begin_[e] + count;
    if (count > 0) expert_rows_.push_back({&experts[e], expert_begin_[e], expert_begin_[e + 1]});
  }
  for (int64_t i = 0; i < pairs; ++i) {
    const int64_t p = expert_begin_[id[i]]++;
    const int64_t intermediate = experts[static_cast<size_t>(id[i])].gate.rows;
    pair_of_[i] = p;
    x_rows_[p] = HostData<float>(x) + i / experts_per_token * hidden;
    gate_rows_[p] = gate_.data() + p * intermediate;
    up_rows_[p] = up_.data() + p * intermediate;
    pair_out_[p] = down_.data() + p * hidden;
  }
  RunExperts(hidden);
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
  });
}

}  // namespace deepseek::engine
