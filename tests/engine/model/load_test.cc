// LoadModelWeights: options, progress, cancellation, and what a loaded model refuses.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/engine/model/model_harness.h"

namespace deepseek::engine {
namespace {

using testing::HasSubstr;

absl::StatusOr<std::unique_ptr<Model>> Load(const std::function<void(ModelOptions&)>& edit,
                                            const LoadCallbacks& callbacks = {}) {
  ModelOptions options;
  options.model_dir = TEST_SOURCE_DIR "/tests/golden/deepseek_v3_sharded";
  edit(options);
  return LoadModelWeights(options, {.max_rows = 16, .max_logit_rows = 4}, callbacks,
                          MakeBackend(Kernels::kCpu, Compute::kBf16, 1));
}

TEST(Load, OptionsComeBackResolved) {
  const auto model = Load([](ModelOptions& o) { o.max_context = 128; });
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ((*model)->options().compute, Compute::kBf16);
  EXPECT_EQ((*model)->options().kv, KvType::kBf16);
  EXPECT_EQ((*model)->options().max_context, 128);
  EXPECT_EQ((*model)->kv_blocks(), 2 * 32);  // max_batch sequences of two blocks
  EXPECT_EQ((*model)->limits().max_rows, 16);
  EXPECT_GT((*model)->backend().weight_bytes(), 0);
}

TEST(Load, RefusesByName) {
  const auto message = [](const std::function<void(ModelOptions&)>& edit) {
    return std::string(Load(edit).status().message());
  };
  EXPECT_THAT(message([](ModelOptions& o) { o.max_context = 1 << 25; }),
              HasSubstr("max_position_embeddings"));
  EXPECT_THAT(message([](ModelOptions& o) { o.kv_memory_bytes = 1; }), HasSubstr("--kv-memory"));
  EXPECT_THAT(message([](ModelOptions& o) { o.load_mtp = true; }),
              HasSubstr("num_nextn_predict_layers"));
  EXPECT_THAT(message([](ModelOptions& o) { o.compute = Compute::kInt8; }),
              HasSubstr("--compute int8 with --weights native"));
  EXPECT_THAT(message([](ModelOptions& o) { o.model_dir = "/nowhere"; }),
              HasSubstr("/nowhere/config.json"));
}

TEST(Load, ModelRefusesBadStepsAndStaysUsable) {
  auto model = std::move(*Load([](ModelOptions&) {}));
  Batch batch;
  EXPECT_FALSE(model->Forward(batch).ok());
  std::vector<float> out;
  EXPECT_EQ(model->ForwardMtp(batch, {}, &out).code(), absl::StatusCode::kFailedPrecondition);
  Sequence sequence(model.get(), 0, 1);
  sequence.AddRows({1, 2, 3}, RowPath::kMaterialised, &batch);
  const int64_t before = model->progress();
  EXPECT_TRUE(model->Forward(batch).ok());
  EXPECT_GT(model->progress(), before);
  EXPECT_EQ(model->logits().shape[1], model->spec().vocab);
}

TEST(Load, MtpNeedsTheLastBatch) {
  LoadSpec spec;
  spec.dir = TEST_SOURCE_DIR "/tests/golden/deepseek_v3";
  spec.mtp = true;
  const auto model = MustLoad(spec);
  Batch batch;
  Sequence sequence(model.get(), 0, 1);
  sequence.AddRows({1, 2, 3}, RowPath::kMaterialised, &batch);
  std::vector<float> out;
  EXPECT_FALSE(model->ForwardMtp(batch, std::vector<int32_t>{2, 3}, &out).ok());  // no Forward yet
  ASSERT_TRUE(model->Forward(batch).ok());
  EXPECT_FALSE(model->ForwardMtp(batch, std::vector<int32_t>{2}, &out).ok());
  EXPECT_FALSE(model->ForwardMtp(batch, std::vector<int32_t>{2, 99999}, &out).ok());
  ASSERT_TRUE(model->Forward(batch).ok());
  ASSERT_TRUE(model->ForwardMtp(batch, std::vector<int32_t>{2, 3}, &out).ok());
  EXPECT_EQ(out.size(), size_t{2} * model->spec().vocab);
}

}  // namespace
}  // namespace deepseek::engine
