// The real demo model through the Engine: an answer's bits do not depend on its company, the chunks
// or preemption.
#include <gtest/gtest.h>

#include "engine/engine.h"
#include "tests/support/engine/recording_sink.h"

namespace deepseek::engine {
namespace {

const std::string kDemo = std::string(TEST_SOURCE_DIR) + "/models/demo-v3";

Request Of(int32_t length, int32_t seed, float temperature) {
  Request r;
  for (int32_t i = 0; i < length; ++i) r.prompt.push_back((seed * 131 + i * 29) % 2048);
  r.max_tokens = 24;
  r.sampling.temperature = temperature;
  r.sampling.seed = static_cast<uint64_t>(seed);
  r.top_logprobs = 3;
  return r;
}

// Short prompts and long answers grow out of their room.
std::vector<Request> GrowingRequests() {
  std::vector<Request> requests;
  requests.reserve(6);
  for (int32_t i = 0; i < 6; ++i) {
    requests.push_back(Of(50 + i, i, i % 2 == 0 ? 0.0F : 1.0F));
    requests.back().max_tokens = 150;
  }
  return requests;
}

std::vector<Request> Requests() {
  std::vector<Request> requests;
  requests.reserve(10);
  for (int32_t i = 0; i < 10; ++i) requests.push_back(Of(1 + i * 23, i, i % 2 == 0 ? 0.0F : 1.0F));
  return requests;
}

using Bits = std::vector<std::vector<std::pair<int32_t, float>>>;

Bits Take(const RecordingSink& sink) {
  Bits bits;
  for (const TokenEvent& t : sink.tokens()) {
    bits.push_back({{t.id, t.logprob}});
    for (const TokenLogprob& l : t.top) bits.back().emplace_back(l.id, l.logprob);
  }
  return bits;
}

EngineOptions Options(Compute compute, int threads) {
  EngineOptions options;
  options.model.model_dir = kDemo;
  options.model.compute = compute;
  options.model.threads = threads;
  return options;
}

std::vector<Bits> Serve(const EngineOptions& options, bool together,
                        const std::vector<Request>& requests = Requests(),
                        int64_t* preemptions = nullptr) {
  auto engine = LoadModel(options);
  EXPECT_TRUE(engine.ok()) << engine.status();
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  for (const Request& r : requests) {
    sinks.push_back(std::make_shared<RecordingSink>());
    EXPECT_TRUE((*engine)->Submit(r, sinks.back()).ok());
    if (!together) sinks.back()->Wait();
  }
  std::vector<Bits> all;
  for (const auto& sink : sinks) {
    EXPECT_EQ(sink->Wait(), FinishReason::kLength);
    all.push_back(Take(*sink));
  }
  if (preemptions != nullptr) *preemptions = (*engine)->stats().preemptions;
  return all;
}

class Invariance : public ::testing::TestWithParam<Compute> {};

TEST_P(Invariance, AloneInABatchInChunksAndWithAnyThreads) {
  const std::vector<Bits> alone = Serve(Options(GetParam(), 1), /*together=*/false);
  ASSERT_EQ(alone.size(), 10U);
  for (const Bits& b : alone) ASSERT_EQ(b.size(), 24U);
  EXPECT_EQ(Serve(Options(GetParam(), 1), true), alone);
  EXPECT_EQ(Serve(Options(GetParam(), 3), true), alone);
  EngineOptions small_chunks = Options(GetParam(), 2);
  small_chunks.step_target = absl::Nanoseconds(1);
  EXPECT_EQ(Serve(small_chunks, true), alone);
}

TEST_P(Invariance, PreemptedAnswersKeepTheirBits) {
  const std::vector<Bits> alone = Serve(Options(GetParam(), 2), false, GrowingRequests());
  EngineOptions tight = Options(GetParam(), 2);
  tight.model.max_context = 256;
  // 6 blocks of 64 tokens (4 layers of 80 numbers): three requests start, each grows to four
  // blocks.
  tight.model.kv_memory_bytes = int64_t{6} * 64 * 4 * 80 * (GetParam() == Compute::kFp32 ? 4 : 2);
  int64_t preemptions = 0;
  EXPECT_EQ(Serve(tight, true, GrowingRequests(), &preemptions), alone);
  EXPECT_GT(preemptions, 0);
}

INSTANTIATE_TEST_SUITE_P(Computes, Invariance, ::testing::Values(Compute::kFp32, Compute::kBf16));

TEST(LoadModel, ChecksOptionsBeforeItReads) {
  for (const auto& [spoil, flag] : std::vector<std::pair<void (*)(EngineOptions*), std::string>>{
           {[](EngineOptions* o) { o->model.max_batch = 0; }, "--max-batch"},
           {[](EngineOptions* o) { o->model.max_batch = 5000; }, "--max-batch"},
           {[](EngineOptions* o) { o->model.max_context = -1; }, "--max-context"},
           {[](EngineOptions* o) { o->model.kv_memory_bytes = -1; }, "--kv-memory"},
           {[](EngineOptions* o) { o->max_queue = -1; }, "--max-queue"},
           {[](EngineOptions* o) { o->max_batch_delay = -absl::Seconds(1); }, "--max-batch-delay"},
           {[](EngineOptions* o) { o->step_target = absl::ZeroDuration(); }, "--step-target"}}) {
    EngineOptions options;
    options.model.model_dir = "/no/such/model";
    spoil(&options);
    const auto engine = LoadModel(options);
    EXPECT_EQ(engine.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(engine.status().message().find(flag), absl::string_view::npos) << engine.status();
  }
}

TEST(LoadModel, CanBeCancelledAndTellsProgress) {
  EngineOptions options = Options(Compute::kFp32, 1);
  int64_t loaded = 0, total = 0;
  options.on_progress = [&](const LoadProgress& p) {
    EXPECT_GE(p.loaded_bytes, loaded);
    loaded = p.loaded_bytes;
    total = p.total_bytes;
  };
  ASSERT_TRUE(LoadModel(options).ok());
  EXPECT_GT(total, 1'000'000);
  EXPECT_EQ(loaded, total);
  const std::atomic<bool> cancel = true;
  options.cancel_load = &cancel;
  EXPECT_EQ(LoadModel(options).status().code(), absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace deepseek::engine
