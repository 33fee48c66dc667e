#pragma once
// One attention layer, MLA or GQA, with random weights and a paged cache in a backend: steps of
// ragged segments go in, outputs come out. Everything follows from the seed, so that two rigs in
// different backends hold the same layer.

#include <optional>
#include <vector>

#include "tests/engine/kernels/backend_fixture.h"

namespace deepseek::engine {

struct AttentionShape {
  int32_t heads = 1;
  int32_t kv_heads = 0;                         // GQA
  int32_t lora = 0, nope = 0, rope = 0, v = 0;  // MLA
  int32_t head_dim = 0;                         // GQA
  DType weight = DType::kBf16;                  // of kv_b_proj
  DType cache = DType::kF32;

  bool mla() const { return lora > 0; }
  int64_t q_width() const { return int64_t{heads} * (mla() ? nope + rope : head_dim); }
  int64_t kv_width() const { return mla() ? lora + rope : int64_t{2} * kv_heads * head_dim; }
  int64_t out_width() const { return int64_t{heads} * (mla() ? v : head_dim); }
};

class AttentionRig {
 public:
  AttentionRig(Backend* backend, const AttentionShape& shape, int32_t max_rows, int32_t blocks,
               uint32_t seed);
  /// Appends kv [rows, kv_width] (GQA: [k | v]) and attends with q [rows, q_width].
  std::vector<float> Step(const std::vector<Segment>& segments,
                          const std::vector<int32_t>& block_ids, const std::vector<float>& kv,
                          const std::vector<float>& q);
  std::vector<uint8_t> CacheBytes();

 private:
  Backend* backend_;
  AttentionShape shape_;
  std::optional<TestMatrix> kv_b_;
  std::vector<PackedWeight> k_up_, v_up_;
  MlaLayer mla_;
  GqaLayer gqa_;
  RopeTable table_;
};

/// A ragged run over several sequences, prompt and generated rows mixed; all outputs in order.
std::vector<float> RandomSteps(Backend* backend, const AttentionShape& shape, uint32_t seed);

}  // namespace deepseek::engine
