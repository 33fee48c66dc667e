// Progress, cancellation, damage and speed-relevant cuts of a load, on tensors of several pieces.

#include "engine/model/weight_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "engine/kernels/reference/reference_backend.h"
#include "engine/weights/check_tensors.h"
#include "tests/engine/model/model_harness.h"
#include "tests/engine/model/random_checkpoint.h"

namespace deepseek::engine {
namespace {

using testing::HasSubstr;

// The embedding is 16000 x 75 F32: 4.6 MiB, five pieces.
Json LargeVocabulary() {
  Json config = SmallConfig();
  config["vocab_size"] = 16000;
  config["hidden_size"] = 75;
  return config;
}

absl::Status Load(const std::string& dir, int threads, bool mtp, const LoadCallbacks& callbacks) {
  ModelOptions options;
  options.model_dir = dir;
  options.compute = Compute::kFp32;
  options.threads = threads;
  options.load_mtp = mtp;
  return LoadModelWeights(options, {.max_rows = 16, .max_logit_rows = 4}, callbacks,
                          MakeBackend(Kernels::kCpu, Compute::kFp32, 1))
      .status();
}

TEST(WeightLoader, ProgressRisesToTheTotalAndNotAbove) {
  for (const bool tied : {false, true}) {
    Json config = LargeVocabulary();
    config["tie_word_embeddings"] = tied;
    const RandomCheckpoint checkpoint(config, "F32", 1);
    for (const bool mtp : {false, true}) {
      int64_t last = 0, all = 0, calls = 0;
      LoadCallbacks callbacks;
      callbacks.on_progress = [&](int64_t loaded, int64_t total) {
        EXPECT_GT(loaded, last);
        last = loaded;
        all = total;
        ++calls;
      };
      ASSERT_TRUE(Load(checkpoint.dir, 2, mtp, callbacks).ok());
      EXPECT_EQ(last, all);
      EXPECT_GT(calls, 30);
    }
  }
}

TEST(WeightLoader, CancelEndsWithinOneTensor) {
  const RandomCheckpoint checkpoint(LargeVocabulary(), "F32", 2);
  const int64_t embedding = int64_t{16000} * 75 * 4;
  for (const int threads : {1, 3}) {
    std::atomic<bool> cancel{false};
    int64_t last = 0;
    LoadCallbacks callbacks;
    callbacks.cancel = &cancel;
    callbacks.on_progress = [&](int64_t loaded, int64_t) {
      last = loaded;
      cancel = true;
    };
    EXPECT_EQ(Load(checkpoint.dir, threads, false, callbacks).code(), absl::StatusCode::kCancelled);
    EXPECT_LT(last, embedding);
  }
}

TEST(WeightLoader, ThreadsDoNotChangeTheWeights) {
  const RandomCheckpoint checkpoint(LargeVocabulary(), "BF16", 3);
  std::vector<float> first;
  for (const int threads : {1, 2, 5}) {
    ModelOptions options;
    options.model_dir = checkpoint.dir;
    options.compute = Compute::kFp32;
    options.threads = threads;
    auto model = LoadModelWeights(options, {.max_rows = 16, .max_logit_rows = 16}, {},
                                  MakeBackend(Kernels::kCpu, Compute::kFp32, 1));
    ASSERT_TRUE(model.ok()) << model.status();
    const std::vector<float> logits =
        RunModel(model->get(), {1, 15999, 700, 3, 8000}, RunSpec{}).logits;
    if (first.empty()) first = logits;
    EXPECT_EQ(logits, first);
  }
}

class Damaged : public testing::Test {
 protected:
  // Opens and then harms: what happens to a file that is replaced while it is read.
  Damaged()
      : files_(LargeVocabulary(), "F32", 4),
        spec_(*ReadModelSpec(files_.dir)),
        checkpoint_(*Checkpoint::Open(files_.dir)),
        backend_(CreateReferenceBackend()) {
    options_.threads = 2;
  }
  std::string file() const { return files_.dir + "/model.safetensors"; }
  void Poison(const std::string& tensor, int64_t element) const {
    const TensorView& view = **checkpoint_.Get(tensor);
    std::fstream out(file(), std::ios::in | std::ios::out | std::ios::binary);
    out.seekp(checkpoint_.PlaceOf(view).offset + element * 4);
    const uint32_t nan = 0x7fc00001U;
    out.write(reinterpret_cast<const char*>(&nan), 4);
  }
  absl::Status LoadTwo() {
    WeightLoader loader(checkpoint_, spec_, options_, backend_.get(), callbacks_);
    absl::Status status = loader.Table("model.embed_tokens.weight").status();
    if (status.ok()) status = loader.Linear("lm_head").status();
    const absl::Status finished = loader.Finish();
    return status.ok() ? finished : status;
  }

  RandomCheckpoint files_;
  ModelSpec spec_;
  Checkpoint checkpoint_;
  std::unique_ptr<Backend> backend_;
  ModelOptions options_;
  LoadCallbacks callbacks_;
};

TEST_F(Damaged, TheFirstBadNumberIsNamed) {
  Poison("lm_head.weight", 75 * 10);
  Poison("model.embed_tokens.weight", 75 * 15998 + 7);
  Poison("model.embed_tokens.weight", 75 * 15999 + 1);
  for (int round = 0; round < 20; ++round) {
    const absl::Status status = LoadTwo();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("model.embed_tokens.weight holds NaN or infinity at [15998, 7]"));
  }
}

TEST_F(Damaged, AFileThatIsCutOffMeanwhileIsAnErrorAndNoSignal) {
  std::filesystem::resize_file(file(), 1 << 20);
  const absl::Status status = LoadTwo();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("cut off"));
}

TEST_F(Damaged, SlicesMustComeFromTheLoader) {
  WeightLoader loader(checkpoint_, spec_, options_, backend_.get(), callbacks_);
  HostMatrix stranger;
  stranger.name = "x";
  EXPECT_EQ(loader.Pack(stranger).status().code(), absl::StatusCode::kInternal);
  EXPECT_TRUE(loader.Finish().ok());
}

}  // namespace
}  // namespace deepseek::engine
