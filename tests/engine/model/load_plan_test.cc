// The plan against what a load really holds, to the byte: golden sets, the demo model, odd shapes,
// each type of weights and cache.

#include "engine/model/load_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "engine/kernels/cpu/cpu_backend.h"
#include "engine/model/step_buffers.h"
#include "tests/engine/model/model_harness.h"
#include "tests/engine/model/random_checkpoint.h"

namespace deepseek::engine {
namespace {

using testing::HasSubstr;

constexpr StepLimits kLimits{.max_rows = 40, .max_logit_rows = 8};

LoadPlan MustPlan(const ModelOptions& options, const StepLimits& limits = kLimits,
                  const std::optional<MemoryRoom>& room = std::nullopt) {
  const auto checkpoint = Checkpoint::Open(options.model_dir);
  EXPECT_TRUE(checkpoint.ok()) << checkpoint.status();
  auto plan = PlanLoad(options, limits, *checkpoint, room);
  EXPECT_TRUE(plan.ok()) << plan.status();
  return *std::move(plan);
}

// The largest steps: of prompts, which share what is made for a segment, and of generated rows.
void RunFullSteps(Model* model) {
  for (const RowPath path : {RowPath::kMaterialised, RowPath::kAbsorbed}) {
    Batch batch;
    std::vector<int32_t> tokens;
    tokens.reserve(static_cast<size_t>(kLimits.max_rows));
    for (int32_t i = 0; i < kLimits.max_rows; ++i) tokens.push_back(i * 31 % model->spec().vocab);
    Sequence(model, 0, 1).AddRows(tokens, path, &batch);
    batch.logit_rows.resize(static_cast<size_t>(kLimits.max_logit_rows));
    const absl::Status status = model->Forward(batch);
    EXPECT_TRUE(status.ok()) << status;
  }
}

void ExpectExact(ModelOptions options) {
  options.threads = 2;  // scratch is per thread
  options.bf16_products = FindCpuKernels()->bf16_products;
  const LoadPlan plan = MustPlan(options);
  SCOPED_TRACE(options.model_dir);
  SCOPED_TRACE(Name(options.weights));
  auto backend = CreateCpuBackend({plan.options.compute, options.threads});
  ASSERT_TRUE(backend.ok()) << backend.status();
  const auto model = LoadModelWeights(options, kLimits, {}, *std::move(backend));
  ASSERT_TRUE(model.ok()) << model.status();
  const MemoryPlan& m = plan.memory;
  EXPECT_EQ((*model)->kv_blocks(), m.kv_blocks);
  EXPECT_EQ((*model)->backend().weight_bytes() + (*model)->backend().buffer_bytes(),
            m.packed_bytes() + m.table_bytes + m.step_bytes + m.kv_bytes());
  // Scratch grows by what vectors round up to.
  const int64_t scratch = (*model)->backend().scratch_bytes();
  EXPECT_LE(scratch, m.scratch_bytes + m.scratch_bytes / 8);
  EXPECT_GE(scratch, m.scratch_bytes / 2);
  RunFullSteps(model->get());
  EXPECT_EQ((*model)->backend().scratch_bytes(), scratch) << "a step allocates nothing";
}

std::vector<std::string> StoredModels() {
  std::vector<std::string> dirs{TEST_SOURCE_DIR "/models/demo-v3"};
  for (const auto& entry : std::filesystem::directory_iterator(TEST_SOURCE_DIR "/tests/golden")) {
    if (std::filesystem::exists(entry.path() / "config.json")) dirs.push_back(entry.path());
  }
  return dirs;
}

TEST(LoadPlan, IsWhatTheBackendHolds) {
  const std::vector<std::string> dirs = StoredModels();
  ASSERT_GE(dirs.size(), 5U);
  for (const std::string& dir : dirs) {
    for (const WeightType weights : {WeightType::kNative, WeightType::kInt8, WeightType::kInt4}) {
      ModelOptions options;
      options.model_dir = dir;
      options.weights = weights;
      options.max_context = 200;
      options.max_batch = 3;
      ExpectExact(options);
    }
  }
}

TEST(LoadPlan, IsExactForEachCacheAndTheMtpLayer) {
  for (const KvType kv : {KvType::kFp32, KvType::kBf16, KvType::kInt8}) {
    ModelOptions options;
    options.model_dir = TEST_SOURCE_DIR "/tests/golden/deepseek_v3";
    options.kv = kv;
    options.load_mtp = true;
    ExpectExact(options);
  }
}

TEST(LoadPlan, IsExactForOddShapesAndTypes) {
  for (const char* dtype : {"BF16", "F16", "F32"}) {
    for (const bool tied : {false, true}) {
      Json config = SmallConfig();
      config["hidden_size"] = 75;
      config["kv_lora_rank"] = 33;
      config["moe_intermediate_size"] = 13;
      config["tie_word_embeddings"] = tied;
      const RandomCheckpoint checkpoint(config, dtype, 5);
      for (const WeightType weights : {WeightType::kNative, WeightType::kInt8, WeightType::kInt4}) {
        ModelOptions options;
        options.model_dir = checkpoint.dir;
        options.weights = weights;
        options.load_mtp = true;
        ExpectExact(options);
      }
    }
  }
}

// What a row becomes follows from each weight's own type: INT8 codes and F32 numbers are met in F32
// where bf16 was asked for.
TEST(LoadPlan, IsExactWhereWeightsAreNotWhatIsComputed) {
  Json wide = SmallConfig();
  // The intermediates are most of the scratch, and the forms of their rows show.
  wide["moe_intermediate_size"] = 640;
  wide["intermediate_size"] = 1300;
  for (const char* dtype : {"BF16", "F32"}) {
    const RandomCheckpoint checkpoint(wide, dtype, 7);
    for (const WeightType weights : {WeightType::kNative, WeightType::kInt8}) {
      for (const Compute compute : {Compute::kBf16, Compute::kFp32}) {
        SCOPED_TRACE(Name(compute));
        ModelOptions options;
        options.model_dir = checkpoint.dir;
        options.weights = weights;
        options.compute = compute;
        ExpectExact(options);
      }
    }
  }
}

TEST(LoadPlan, IsExactForADenseModelThatIsWiderInsideThanOutside) {
  const Json llama = Json::parse(R"({
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 24,
    "num_hidden_layers": 1, "vocab_size": 97, "max_position_embeddings": 256,
    "num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 1300,
    "rms_norm_eps": 1e-5})");
  const RandomCheckpoint checkpoint(llama, "BF16", 8);
  ModelOptions options;
  options.model_dir = checkpoint.dir;
  ExpectExact(options);
}

TEST(LoadPlan, IsExactForFp8BlocksOfAnySize) {
  for (const int64_t cols : {16, 128}) {
    Json config = SmallConfig();
    config["hidden_size"] = 139;  // the right half of eh_proj starts inside a block
    config["quantization_config"] = {
        {"quant_method", "fp8"}, {"fmt", "e4m3"}, {"weight_block_size", {cols, cols}}};
    const RandomCheckpoint checkpoint(config, "BF16", 6);
    for (const WeightType weights : {WeightType::kNative, WeightType::kInt4}) {
      ModelOptions options;
      options.model_dir = checkpoint.dir;
      options.weights = weights;
      options.load_mtp = true;
      ExpectExact(options);
    }
  }
}

TEST(LoadPlan, RefusesBeforeAnythingIsAllocated) {
  ModelOptions options;
  options.model_dir = TEST_SOURCE_DIR "/models/demo-v3";
  options.kv_memory_bytes = int64_t{1} << 50;
  int64_t reads = 0;
  LoadCallbacks callbacks;
  callbacks.on_progress = [&](int64_t, int64_t) { ++reads; };
  const auto status =
      LoadModelWeights(options, kLimits, callbacks, MakeBackend(Kernels::kCpu, Compute::kBf16, 1))
          .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("--kv-memory"));
  EXPECT_EQ(reads, 0);
}

TEST(LoadPlan, PlansForTheRoomItIsGiven) {
  ModelOptions options;
  options.model_dir = TEST_SOURCE_DIR "/models/demo-v3";
  options.max_context = 512;
  const LoadPlan wide = MustPlan(options);
  EXPECT_TRUE(wide.Fits().ok());
  const LoadPlan tight =
      MustPlan(options, kLimits, MemoryRoom{wide.memory.least_bytes() - 1, "the cgroup"});
  const absl::Status status = tight.Fits();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  for (const char* word : {"the cgroup leaves", "demo-v3", "--max-context 448"}) {
    EXPECT_THAT(std::string(status.message()), HasSubstr(word));
  }
  const LoadPlan exact =
      MustPlan(options, kLimits, MemoryRoom{wide.memory.least_bytes(), "the cgroup"});
  EXPECT_TRUE(exact.Fits().ok()) << exact.Fits();
  EXPECT_EQ(exact.memory.kv_blocks, exact.memory.blocks_per_sequence);
}

TEST(StepLimits, LongContextsOfMlaGetLongerChunks) {
  ModelSpec mla, gqa;
  mla.attention = Attention::kMla;
  gqa.attention = Attention::kGqa;
  EXPECT_EQ(StepLimitsFor(mla, 100).max_rows, 512);
  EXPECT_EQ(StepLimitsFor(mla, 1024).max_rows, 512);
  EXPECT_EQ(StepLimitsFor(mla, 2048).max_rows, 1024);
  EXPECT_EQ(StepLimitsFor(mla, 4096).max_rows, 2048);
  EXPECT_EQ(StepLimitsFor(mla, 32768).max_rows, 2048);
  EXPECT_EQ(StepLimitsFor(mla, 163840).max_rows, 2048);
  EXPECT_EQ(StepLimitsFor(gqa, 163840).max_rows, 512) << "its keys are cached as they are";
}

}  // namespace
}  // namespace deepseek::engine
