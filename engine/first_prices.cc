#include "engine/first_prices.h"

namespace deepseek::engine {
namespace {

// Packing a key and its value, in pairs: cpu/attend_scratch.cc, kTileCost.
constexpr double kPackedKey = 3;

}  // namespace

CostModel FirstPrices(const ModelSpec& spec) {
  CostModel cost;
  if (spec.experts > 0) {
    const auto routed = static_cast<double>(spec.RoutedParameters());
    const auto chosen = static_cast<double>(spec.experts_per_token) / spec.experts;
    const double rest = static_cast<double>(spec.ActiveParameters()) - routed * chosen;
    cost.experts = spec.experts;
    cost.experts_per_row = spec.experts_per_token;
    cost.expert_share = routed / (routed + rest);
  }
  const bool mla = spec.attention == Attention::kMla;
  const double pair = mla ? spec.nope_dim + spec.rope_dim + spec.v_dim : 2.0 * spec.head_dim;
  const double layers = pair * spec.heads * spec.layers;
  if (layers <= 0) return cost;  // no attention
  const double expanded = double{1} * spec.kv_lora_rank * (spec.nope_dim + spec.v_dim);
  cost.pairs_per_key = mla ? expanded / pair : kPackedKey;
  cost.absorbed_pair = mla ? (2.0 * spec.kv_lora_rank + spec.rope_dim) / pair : 1;
  cost.pairs_per_row = static_cast<double>(spec.ActiveParameters()) / layers;
  return cost;
}

}  // namespace deepseek::engine
