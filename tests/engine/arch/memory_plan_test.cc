// The pure plan: bytes of shapes, what fits, what a refusal says. That a load follows it is
// tests/engine/model/load_plan_test.cc.

#include "engine/arch/memory_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/arch/packed_size.h"

namespace deepseek::engine {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(PackedSize, TilesOfSixteenRowsAndQuadsOfColumns) {
  EXPECT_EQ(PackedSize(PackedForm::kBf16, 16, 4, 128), 16 * 4 * 2);
  EXPECT_EQ(PackedSize(PackedForm::kBf16, 17, 5, 128), 32 * 8 * 2);
  EXPECT_EQ(PackedSize(PackedForm::kF32, 1, 1, 128), 16 * 4 * 4);
}

TEST(PackedSize, ScalesCount) {
  EXPECT_EQ(PackedSize(PackedForm::kF8, 256, 256, 128), 256 * 256 + 256 * 2 * 4);
  // 8.125 and 4.125 bits a weight.
  EXPECT_EQ(PackedSize(PackedForm::kInt8, 256, 1024, 128), 256 * 1024 + 256 * 8 * 2);
  EXPECT_EQ(PackedSize(PackedForm::kInt4, 256, 1024, 128), 256 * 1024 / 2 + 256 * 8 * 2);
  // 1408 columns are eleven groups; 40 columns are padded to one.
  EXPECT_EQ(PackedSize(PackedForm::kInt4, 16, 1408, 128), 16 * 11 * 66);
  EXPECT_EQ(PackedSize(PackedForm::kInt8, 16, 40, 128), 16 * 130);
}

TEST(PackedSize, OfSevenHundredBillionParametersDoesNotOverflow) {
  EXPECT_GT(PackedSize(PackedForm::kF32, int64_t{1} << 31, 1 << 15, 128), int64_t{1} << 47);
}

// DeepSeek-V3's attention and experts, one layer and 256 experts of it.
ModelSpec V3() {
  ModelSpec spec;
  spec.attention = Attention::kMla;
  spec.layers = 61;
  spec.hidden = 7168;
  spec.vocab = 129280;
  spec.max_positions = 163840;
  spec.heads = 128;
  spec.q_lora_rank = 1536;
  spec.kv_lora_rank = 512;
  spec.nope_dim = 128;
  spec.rope_dim = 64;
  spec.v_dim = 128;
  spec.first_dense_layers = 3;
  spec.dense_intermediate = 18432;
  spec.experts = 256;
  spec.experts_per_token = 8;
  spec.shared_experts = 1;
  spec.expert_intermediate = 2048;
  spec.fp8_blocks = true;
  return spec;
}

std::vector<PlannedTensor> SomeTensors() {
  using Keep = PlannedTensor::Keep;
  return {{WeightPart::kEmbedding, Keep::kTable, DType::kBf16, 129280, 7168},
          {WeightPart::kHead, Keep::kLinear, DType::kBf16, 129280, 7168},
          {WeightPart::kExperts, Keep::kLinear, DType::kF8E4M3, 2048, 7168, 768},
          {WeightPart::kRouter, Keep::kNative, DType::kBf16, 256, 7168},
          {WeightPart::kNorms, Keep::kVector, DType::kBf16, 7168}};
}

ModelOptions Options() {
  ModelOptions options;
  options.model_dir = "v3";
  options.compute = Compute::kBf16;
  options.kv = KvType::kBf16;
  options.max_context = 4096;
  options.max_batch = 4;
  return options;
}

constexpr StepShape kStep{.rows = 512, .logit_rows = 64, .threads = 2};
constexpr int64_t kPlenty = int64_t{1} << 44;

MemoryPlan Plan(const ModelOptions& options, int64_t available = kPlenty) {
  return PlanMemory(V3(), options, kStep, SomeTensors(), available);
}

TEST(KvRow, IsTheLatentAndNotTheHeads) {
  EXPECT_EQ(KvRowBytes(V3(), KvType::kBf16), 576 * 2);
  EXPECT_EQ(KvRowBytes(V3(), KvType::kFp32), 576 * 4);
  EXPECT_EQ(KvRowBytes(V3(), KvType::kInt8), 576 + 4 * 4 + 4);
  ModelSpec gqa;
  gqa.kv_heads = 8;
  gqa.head_dim = 128;
  EXPECT_EQ(KvRowBytes(gqa, KvType::kBf16), 2 * 8 * 128 * 2);
  EXPECT_EQ(KvRowBytes(gqa, KvType::kInt8), 2 * 8 * (128 + 4));
}

TEST(MemoryPlan, PartsAreWhatTensorsAreKeptAs) {
  const MemoryPlan plan = Plan(Options());
  const auto part = [&](WeightPart p) { return plan.part_bytes[static_cast<size_t>(p)]; };
  EXPECT_EQ(part(WeightPart::kEmbedding), int64_t{129280} * 7168 * 2);
  EXPECT_EQ(part(WeightPart::kHead), int64_t{129280} * 7168 * 2);
  EXPECT_EQ(part(WeightPart::kExperts), int64_t{768} * (2048 * 7168 + 2048 * 56 * 4));
  EXPECT_EQ(part(WeightPart::kNorms), 7168 * 4);
  EXPECT_EQ(part(WeightPart::kMtp), 0);
  EXPECT_EQ(plan.kv_bytes_per_token, 61 * 576 * 2);  // 70.3 KB
  EXPECT_EQ(plan.kv_bytes(), plan.kv_bytes_per_token * 4096 * 4);
  EXPECT_EQ(plan.table_bytes, int64_t{4096} * 64 * 4);
  // One row of the embedding and 8 of 256 experts.
  EXPECT_EQ(plan.weight_bytes_per_token, part(WeightPart::kHead) + part(WeightPart::kRouter) +
                                             part(WeightPart::kNorms) +
                                             part(WeightPart::kExperts) / 256 * 8);
}

TEST(MemoryPlan, RouterAndEmbeddingAreNeverQuantised) {
  ModelOptions options = Options();
  const MemoryPlan native = Plan(options);
  options.weights = WeightType::kInt4;
  const MemoryPlan int4 = Plan(options);
  for (const WeightPart part : {WeightPart::kEmbedding, WeightPart::kRouter, WeightPart::kNorms}) {
    const auto i = static_cast<size_t>(part);
    EXPECT_EQ(native.part_bytes[i], int4.part_bytes[i]) << Name(part);
  }
  const auto head = static_cast<size_t>(WeightPart::kHead);
  EXPECT_EQ(int4.part_bytes[head], int64_t{129280} * 56 * 66);
}

TEST(MemoryPlan, TheCacheTakesHalfOfWhatIsLeftYetAtLeastOneSequence) {
  const ModelOptions options = Options();
  const MemoryPlan plenty = Plan(options);
  EXPECT_EQ(plenty.kv_blocks, 4 * 64);
  const int64_t block = plenty.kv_block_bytes;
  EXPECT_EQ(Plan(options, plenty.fixed_bytes() + 300 * block).kv_blocks, 150);
  EXPECT_EQ(Plan(options, plenty.fixed_bytes() + 70 * block).kv_blocks, 64);
  EXPECT_EQ(Plan(options, 0).kv_blocks, 64);
}

TEST(MemoryPlan, GrowsWithContextBatchRowsAndThreads) {
  const MemoryPlan base = Plan(Options());
  ModelOptions longer = Options();
  longer.max_context = 32768;
  EXPECT_EQ(Plan(longer).kv_bytes(), 8 * base.kv_bytes());
  StepShape wide = kStep;
  wide.rows = 1024;
  wide.threads = 4;
  const MemoryPlan more = PlanMemory(V3(), Options(), wide, SomeTensors(), kPlenty);
  EXPECT_GT(more.step_bytes, base.step_bytes);
  EXPECT_GT(more.scratch_bytes, base.scratch_bytes);
}

// 512 rows of 8 experts each, which have 2,048 columns inside: rounded to bf16 where the weights
// are native, as F32 where they are integers that bf16 does not meet. The rows of a product, up to
// 7,168 wide, are made anew only where they are not read as F32.
TEST(MemoryPlan, RowsTakeTheFormThatTheirWeightsRead) {
  std::vector<PlannedTensor> tensors = SomeTensors();
  tensors.push_back(
      {WeightPart::kExperts, PlannedTensor::Keep::kLinear, DType::kF8E4M3, 7168, 2048, 768});
  const auto scratch = [&](WeightType weights, Compute compute, bool bf16_products = true) {
    ModelOptions options = Options();
    options.weights = weights;
    options.compute = compute;
    StepShape step = kStep;
    step.bf16_products = bf16_products;
    return PlanMemory(V3(), options, step, tensors, kPlenty).scratch_bytes;
  };
  constexpr int64_t kInside = int64_t{512} * 8 * 2048, kOutside = int64_t{512} * 7168;
  const int64_t native = scratch(WeightType::kNative, Compute::kBf16);
  EXPECT_EQ(scratch(WeightType::kInt8, Compute::kBf16) - native, kInside * 2 - kOutside * 2);
  EXPECT_EQ(scratch(WeightType::kInt8, Compute::kInt8) - native,
            kInside / 128 * 136 - kInside * 2 + kOutside / 128 * 136 - kOutside * 2);
  EXPECT_EQ(scratch(WeightType::kNative, Compute::kBf16, false),
            scratch(WeightType::kNative, Compute::kFp32, false));
}

TEST(Fit, IsTheInverseOfThePlan) {
  for (const int32_t context : {64, 1000, 4096, 100000}) {
    ModelOptions options = Options();
    options.max_context = context;
    const MemoryPlan plan = Plan(options);
    const Fit fit = FitInto(plan, V3(), plan.total_bytes());
    EXPECT_EQ(fit.sequences, 4);
    EXPECT_EQ(fit.kv_blocks, plan.kv_blocks);
    // The longest context really fits, and 64 tokens more do not.
    options.max_batch = 1;
    options.max_context = fit.context;
    EXPECT_LE(Plan(options).least_bytes(), plan.total_bytes());
    if (fit.context == V3().max_positions) continue;
    options.max_context += 64;
    EXPECT_GT(Plan(options).least_bytes(), plan.total_bytes());
  }
  EXPECT_EQ(FitInto(Plan(Options()), V3(), 0).sequences, 0);
  EXPECT_EQ(FitInto(Plan(Options()), V3(), 0).context, 0);
}

absl::Status Check(const ModelOptions& options, int64_t available) {
  return CheckPlan(V3(), options, kStep, SomeTensors(), available, "v3", "the machine");
}

TEST(CheckPlan, RefusesWithNumbersAndRemedies) {
  const MemoryPlan plan = Plan(Options());
  EXPECT_TRUE(Check(Options(), plan.least_bytes()).ok());
  const absl::Status status = Check(Options(), plan.least_bytes() - 1);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  const std::string text(status.message());
  EXPECT_THAT(text, HasSubstr("memory: v3: needs " + std::to_string(plan.least_bytes())));
  EXPECT_THAT(text, HasSubstr("the machine leaves " + std::to_string(plan.least_bytes() - 1)));
  EXPECT_THAT(text, HasSubstr("use --max-context 4032"));
  EXPECT_THAT(text, HasSubstr("use --weights int8"));
  EXPECT_EQ(text.find('\n'), std::string::npos);
}

TEST(CheckPlan, SaysWhatIsMissingWhenNothingHelps) {
  const absl::Status status = Check(Options(), 1 << 20);
  EXPECT_THAT(std::string(status.message()), HasSubstr("(give "));
  EXPECT_THAT(Remedies(V3(), Options(), kStep, SomeTensors(), 1 << 20), IsEmpty());
}

TEST(CheckPlan, AnExplicitCacheIsTakenAtItsWord) {
  ModelOptions options = Options();
  const MemoryPlan plan = Plan(options);
  options.kv_memory_bytes = plan.blocks_per_sequence * plan.kv_block_bytes - 1;
  EXPECT_THAT(std::string(Check(options, kPlenty).message()), HasSubstr("--kv-memory gives"));
  options.kv_memory_bytes = 1000 * plan.kv_block_bytes;
  EXPECT_TRUE(Check(options, plan.fixed_bytes() + options.kv_memory_bytes).ok());
  const int64_t less = plan.fixed_bytes() + 500 * plan.kv_block_bytes;
  EXPECT_THAT(std::string(Check(options, less).message()),
              HasSubstr("--kv-memory " + std::to_string(500 * plan.kv_block_bytes)));
}

TEST(Remedies, WhatFitsIsNotChanged) {
  EXPECT_THAT(Remedies(V3(), Options(), kStep, SomeTensors(), kPlenty), IsEmpty());
}

TEST(Remedies, EachOneReallyFits) {
  ModelOptions options = Options();
  options.kv = KvType::kFp32;
  const int64_t room = Plan(options).least_bytes() - 1;
  EXPECT_THAT(Remedies(V3(), options, kStep, SomeTensors(), room),
              ElementsAre("--max-context 4032", "--kv bf16", "--weights int8"));
  options.kv = KvType::kBf16;
  EXPECT_TRUE(Check(options, room).ok());
}

TEST(BytesText, IsForPeople) {
  EXPECT_EQ(BytesText(0), "0 B");
  EXPECT_EQ(BytesText(1536), "1.50 KiB");
  EXPECT_EQ(BytesText(int64_t{3} << 30), "3.00 GiB");
  EXPECT_EQ(BytesText(int64_t{5000} << 40), "5000.00 TiB");
}

}  // namespace
}  // namespace deepseek::engine
