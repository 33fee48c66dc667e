#include "engine/kernels/cpu/attend_scratch.h"

#include <array>
#include <limits>

#include "base/status.h"

namespace deepseek::engine {
namespace {

// Making both operands of a tile, in units of one query's work on it (bf16, MLA or GQA).
constexpr int64_t kTileCost = 3;
// Scratch from here on lies in huge pages.
constexpr int64_t kHugeFrom = 1 << 20;

}  // namespace

int32_t HeadsPerItem(int32_t heads, int64_t rows, int threads) {
  int32_t best = heads;
  int64_t least = std::numeric_limits<int64_t>::max();
  for (int32_t parts = 1; parts <= heads; ++parts) {
    const int32_t n = (heads + parts - 1) / parts;
    const int64_t items = rows * ((heads + n - 1) / n);
    const int64_t cost = (items + threads - 1) / threads * (n + kTileCost);
    if (cost < least) {
      least = cost;
      best = n;
    }
  }
  return best;
}

absl::Status AttendScratch::Plan(const StepPlan& plan, const AttendKernels* kernels) {
  kernels_ = kernels;
  const int64_t latent = plan.kv_lora_rank + plan.rope_dim;
  const int64_t q_dim = plan.nope_dim + plan.rope_dim;
  const int64_t q_words = std::max<int64_t>(kernels->Words(q_dim), kernels->Words(plan.head_dim));
  const int64_t v_panels = Panels(std::max(plan.v_dim, plan.head_dim));
  const int64_t lora_words = kernels->Words(plan.kv_lora_rank);
  const int64_t key_words = std::max(q_words, kernels->Words(latent));
  const int64_t queries = std::max({plan.max_rows, kItemQueries, plan.heads});
  const int64_t tile = kBlockTokens;
  struct Part {
    float** data;
    int64_t floats;
  };
  const std::array<Part, 11> parts = {{
      {&tile_rows_, tile * std::max({kernels->Words(latent), kernels->Words(plan.head_dim),
                                     kernels->Words((plan.kv_lora_rank + 15) / 16 * 16)})},
      {&rows_, tile * std::max(q_words, kernels->Words(plan.v_dim))},
      {&keys_, key_words * kPanel},
      {&values_, std::max(Panels(plan.kv_lora_rank), v_panels) * tile * kPanel},
      {&expanded_,
       tile * std::max(ExpandedStride(plan.nope_dim, plan.rope_dim), Panels(plan.v_dim) * kPanel)},
      {&k_weight_, Panels(plan.nope_dim) * lora_words * kPanel},
      {&v_weight_, Panels(plan.v_dim) * lora_words * kPanel},
      {&columns_, int64_t{std::max(plan.kv_lora_rank, plan.nope_dim)} * 16},
      {&absorbed_, kWaveRows * latent},
      {&query_words_, queries * q_words},
      {&query_sums_, queries * v_panels * kPanel},
  }};
  // Each part ends with a vector that may be written beyond its last number.
  const auto padded = [](int64_t floats) { return (floats + 16 + 15) / 16 * 16; };
  int64_t floats = 0;
  for (const Part& part : parts) floats += padded(part.floats);
  const int64_t bytes = floats * int64_t{sizeof(float)};
  ASSIGN_OR_RETURN(memory_, HostMemory::Allocate(bytes, bytes >= kHugeFrom));
  auto* at = reinterpret_cast<float*>(memory_.data());
  for (const Part& part : parts) {
    *part.data = at;
    at += padded(part.floats);
  }
  queries_.reserve(static_cast<size_t>(queries));
  sums_.reserve(static_cast<size_t>(queries));
  ends_.reserve(static_cast<size_t>(queries));
  state_.reserve(static_cast<size_t>(queries));
  return absl::OkStatus();
}

int64_t AttendScratch::bytes() const {
  constexpr size_t kPerQuery = sizeof(float*) * 2 + sizeof(int32_t) + sizeof(SoftmaxState);
  return memory_.bytes() + static_cast<int64_t>(ends_.capacity() * kPerQuery);
}

TileRows AttendScratch::Load(const TileSource& source, const uint8_t* tile, int32_t keys) {
  const int64_t width = source.shape.width;
  if (source.type == kernels_->row_type && width % kernels_->per_word == 0) {
    return {tile, width * SizeOf(source.type)};
  }
  const int64_t words = kernels_->Words(width);
  kernels_->load_tile(source.type, source.shape, tile, keys, words, tile_rows_);
  return {reinterpret_cast<const uint8_t*>(tile_rows_), words * 4};
}

void AttendScratch::Clear() {
  queries_.clear();
  sums_.clear();
  ends_.clear();
  state_.clear();
}

void AttendScratch::AddQuery(const float* q, int64_t n, int32_t end, int64_t v) {
  float* operand = query_words_ + queries() * kernels_->Words(n);
  kernels_->to_row(q, n, operand);
  AddQuery(operand, end, query_sums_ + queries() * Panels(v) * kPanel, v);
}

void AttendScratch::AddQuery(const float* operand, int32_t end, float* sums, int64_t v) {
  std::fill_n(sums, Panels(v) * kPanel, 0.0F);
  queries_.push_back(operand);
  sums_.push_back(sums);
  ends_.push_back(end);
  state_.push_back({-std::numeric_limits<float>::infinity(), 0});
}

}  // namespace deepseek::engine
