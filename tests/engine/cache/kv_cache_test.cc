#include "engine/cache/kv_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/arch/memory_plan.h"
#include "engine/kernels/reference/reference_backend.h"

namespace deepseek::engine {
namespace {

ModelSpec V3Attention() {
  ModelSpec spec;
  spec.attention = Attention::kMla;
  spec.layers = 61;
  spec.kv_lora_rank = 512;
  spec.rope_dim = 64;
  return spec;
}

TEST(KvCache, BlockHoldsLatentsOnly) {
  // 70.3 KB a token in bf16 over 61 layers.
  EXPECT_EQ(KvBlockBytes(V3Attention(), KvType::kBf16, 61), int64_t{64} * 576 * 2 * 61);
  EXPECT_EQ(KvBlockBytes(V3Attention(), KvType::kFp32, 61), int64_t{64} * 576 * 4 * 61);
}

TEST(KvCache, PlansForTheBatchWithinMemory) {
  ModelOptions options;
  options.kv = KvType::kBf16;
  options.max_batch = 4;
  const ModelSpec spec = V3Attention();
  const int64_t block = KvBlockBytes(spec, KvType::kBf16, 61);
  // 1000 tokens are 16 blocks.
  EXPECT_EQ(*PlanKvBlocks(spec, options, 61, 1000, block * 1000), 64);
  EXPECT_EQ(*PlanKvBlocks(spec, options, 61, 1000, block * 100), 50);  // half of what is free
  options.kv_memory_bytes = block * 33;
  EXPECT_EQ(*PlanKvBlocks(spec, options, 61, 1000, 0), 33);
}

TEST(KvCache, TooLittleMemoryIsRefusedWithNumbers) {
  ModelOptions options;
  options.kv = KvType::kBf16;
  const int64_t block = KvBlockBytes(V3Attention(), KvType::kBf16, 61);
  options.kv_memory_bytes = block * 15;
  const auto status = PlanKvBlocks(V3Attention(), options, 61, 1000, 0).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr(std::to_string(block * 16)));
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("--kv-memory"));
}

TEST(KvCache, LayersHaveTheCachesTypeAndShape) {
  const auto backend = CreateReferenceBackend();
  const auto cache = KvCache::Create(backend.get(), V3Attention(), KvType::kBf16, 3, 7);
  ASSERT_TRUE(cache.ok());
  EXPECT_EQ(cache->blocks(), 7);
  EXPECT_EQ(cache->layer(2).dtype, DType::kBf16);
  EXPECT_EQ(cache->layer(2).shape, (std::array<int64_t, 3>{7, 64, 576}));
  EXPECT_NE(cache->layer(0).handle, cache->layer(1).handle);
}

TEST(KvCache, BlocksAreThoseOfTheMemoryPlan) {
  ModelSpec gqa;
  gqa.layers = 3;
  gqa.kv_heads = 2;
  gqa.head_dim = 40;
  for (const ModelSpec& spec : {V3Attention(), gqa}) {
    for (const KvType kv : {KvType::kFp32, KvType::kBf16}) {
      EXPECT_EQ(KvBlockBytes(spec, kv, 7), int64_t{7} * kBlockTokens * KvRowBytes(spec, kv));
    }
  }
}

}  // namespace
}  // namespace deepseek::engine
