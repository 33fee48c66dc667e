#include "tests/engine/kernels/attention_rig.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace deepseek::engine {
namespace {

constexpr int32_t kPositions = 1024;

}  // namespace

AttentionRig::AttentionRig(Backend* backend, const AttentionShape& shape, int32_t max_rows,
                           int32_t blocks, uint32_t seed)
    : backend_(backend), shape_(shape) {
  Random random(seed);
  StepPlan plan;
  plan.max_rows = plan.max_logit_rows = max_rows;
  plan.heads = shape.heads;
  plan.kv_lora_rank = shape.lora;
  plan.nope_dim = shape.nope;
  plan.rope_dim = shape.rope;
  plan.v_dim = shape.v;
  plan.kv_heads = shape.kv_heads;
  plan.head_dim = shape.head_dim;
  EXPECT_TRUE(backend->Plan(plan).ok());
  const int32_t half = (shape.mla() ? shape.rope : shape.head_dim) / 2;
  std::vector<float> angles = random.Normal(kPositions * half);
  std::vector<float> cos = angles;
  for (float& x : cos) x = std::cos(x);
  for (float& x : angles) x = std::sin(x);
  table_ = {Upload(backend, cos, {kPositions, half, 0}),
            Upload(backend, angles, {kPositions, half, 0}),
            shape.mla() ? RopeLayout::kInterleaved : RopeLayout::kHalf};
  if (!shape.mla()) {
    gqa_.heads = shape.heads;
    gqa_.kv_heads = shape.kv_heads;
    gqa_.head_dim = shape.head_dim;
    gqa_.softmax_scale = 1 / std::sqrt(static_cast<float>(shape.head_dim));
    gqa_.cache = Zeros(
        backend,
        {blocks, kBlockTokens, 2 * shape.kv_heads * KvRowElements(shape.cache, gqa_.kv_shape())},
        shape.cache);
    return;
  }
  kv_b_.emplace(&random, int64_t{shape.heads} * (shape.nope + shape.v), shape.lora, shape.weight);
  for (int32_t h = 0; h < shape.heads; ++h) {
    const int64_t row = int64_t{h} * (shape.nope + shape.v);
    k_up_.push_back(
        *backend->Pack(kv_b_->host().Slice(row, shape.nope, 0, shape.lora).Transposed()));
    v_up_.push_back(*backend->Pack(kv_b_->host().Slice(row + shape.nope, shape.v, 0, shape.lora)));
  }
  mla_.k_up = k_up_;
  mla_.v_up = v_up_;
  mla_.heads = shape.heads;
  mla_.kv_lora_rank = shape.lora;
  mla_.nope_dim = shape.nope;
  mla_.rope_dim = shape.rope;
  mla_.v_dim = shape.v;
  mla_.softmax_scale = 1 / std::sqrt(static_cast<float>(shape.nope * shape.lora) * 0.09F +
                                     static_cast<float>(shape.rope));
  mla_.latent_norm = Upload(backend, random.Normal(shape.lora), {shape.lora, 0, 0});
  mla_.cache = Zeros(backend, {blocks, kBlockTokens, KvRowElements(shape.cache, mla_.kv_shape())},
                     shape.cache);
}

std::vector<float> AttentionRig::Step(const std::vector<Segment>& segments,
                                      const std::vector<int32_t>& block_ids,
                                      const std::vector<float>& kv, const std::vector<float>& q) {
  const int64_t rows = segments.back().first_row + segments.back().rows;
  const std::vector<int32_t> tokens(static_cast<size_t>(rows), 0);
  backend_->BeginStep({tokens, segments, block_ids, {}});
  const Buffer queries = Upload(backend_, q, {rows, shape_.q_width(), 0});
  const Buffer out = Zeros(backend_, {rows, shape_.out_width(), 0});
  if (shape_.mla()) {
    backend_->MlaAppend(Upload(backend_, kv, {rows, shape_.kv_width(), 0}), mla_, table_);
    backend_->MlaAttend(queries, mla_, out);
    return Download(backend_, out);
  }
  const int64_t width = shape_.kv_width() / 2;
  std::vector<float> k;
  std::vector<float> v;
  for (int64_t r = 0; r < rows; ++r) {
    const auto row = kv.begin() + r * 2 * width;
    k.insert(k.end(), row, row + width);
    v.insert(v.end(), row + width, row + 2 * width);
  }
  backend_->GqaAppend(Upload(backend_, k, {rows, width, 0}), Upload(backend_, v, {rows, width, 0}),
                      gqa_, table_);
  backend_->GqaAttend(queries, gqa_, out);
  return Download(backend_, out);
}

std::vector<uint8_t> AttentionRig::CacheBytes() {
  const Buffer& cache = shape_.mla() ? mla_.cache : gqa_.cache;
  std::vector<uint8_t> bytes(static_cast<size_t>(cache.elements() * SizeOf(cache.dtype)));
  EXPECT_TRUE(backend_->Download(cache, absl::MakeSpan(bytes)).ok());
  return bytes;
}

std::vector<float> RandomSteps(Backend* backend, const AttentionShape& shape, uint32_t seed) {
  constexpr int32_t kSequences = 4;
  constexpr int32_t kBlocks = 6;
  constexpr int32_t kMaxRows = 330;
  AttentionRig rig(backend, shape, kMaxRows, kSequences * kBlocks, seed);
  Random random(seed + 1);
  std::vector<int32_t> block_ids(kSequences * kBlocks);
  for (size_t i = 0; i < block_ids.size(); ++i) block_ids[i] = static_cast<int32_t>(i);
  for (size_t i = block_ids.size() - 1; i > 0; --i) {
    std::swap(block_ids[i], block_ids[random.Below(static_cast<uint32_t>(i + 1))]);
  }
  // Lengths around the tile's edge, one row, and what comes.
  const auto length = [&] {
    constexpr int32_t kEdges[] = {1, 1, 2, 63, 64, 65, 127, 128, 129, 7};
    return kEdges[random.Below(10)];
  };
  std::vector<float> all;
  int32_t context[kSequences] = {};
  for (int step = 0; step < 4; ++step) {
    std::vector<Segment> segments;
    int32_t rows = 0;
    for (int32_t s = 0; s < kSequences; ++s) {
      const int32_t n = std::min({length(), kBlocks * kBlockTokens - context[s], kMaxRows - rows});
      if (n <= 0 || random.Below(5) == 0) continue;
      // Prompt rows, generated rows, or some of each in one step.
      const int32_t prompt = random.Below(3) == 0 ? n / 2 : (random.Below(2) == 0 ? n : 0);
      for (const auto& [count, path] :
           {std::pair(prompt, RowPath::kMaterialised), std::pair(n - prompt, RowPath::kAbsorbed)}) {
        if (count == 0) continue;
        segments.push_back({rows, count, context[s], path, s * kBlocks, kBlocks});
        rows += count;
        context[s] += count;
      }
    }
    if (rows == 0) continue;
    const std::vector<float> out =
        rig.Step(segments, block_ids, random.Normal(rows * shape.kv_width()),
                 random.Normal(rows * shape.q_width()));
    all.insert(all.end(), out.begin(), out.end());
  }
  return all;
}

}  // namespace deepseek::engine
