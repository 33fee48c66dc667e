// A thousand requests that are cancelled or pass their deadline at any moment: their neighbours'
// answers keep their bits, and no block is lost.
#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "engine/engine.h"
#include "tests/support/engine/recording_sink.h"

namespace deepseek::engine {
namespace {

constexpr int kCancels = 1000;
constexpr int kNeighbours = 12;

using Bits = std::vector<std::pair<int32_t, float>>;

Bits Take(const RecordingSink& sink) {
  Bits bits;
  for (const TokenEvent& t : sink.tokens()) bits.emplace_back(t.id, t.logprob);
  return bits;
}

// Three beginnings, so that neighbours share blocks with those that are cancelled.
Request Of(uint32_t seed, int32_t max_tokens) {
  std::mt19937 random(seed);
  Request r;
  for (int32_t i = 0; i < 150; ++i)
    r.prompt.push_back(static_cast<int32_t>(seed % 3) * 101 + i * 3);
  for (auto n = random() % 60; n > 0; --n)
    r.prompt.push_back(static_cast<int32_t>(random() % 2000));
  r.max_tokens = max_tokens;
  r.sampling.temperature = seed % 2 == 0 ? 0.0F : 1.0F;
  r.sampling.seed = seed;
  r.top_logprobs = 0;
  return r;
}

EngineOptions Options(bool prefix_cache, int64_t kv_memory) {
  EngineOptions options;
  options.model.model_dir = std::string(TEST_SOURCE_DIR) + "/models/demo-v3";
  options.model.compute = Compute::kFp32;
  options.model.threads = 2;
  options.model.max_context = 512;
  options.model.max_batch = 8;
  options.model.kv_memory_bytes = kv_memory;
  options.max_queue = 1 << 20;
  options.max_queue_delay = absl::Hours(1);
  options.prefix_cache = prefix_cache;
  return options;
}

/// Cancels its own request after so many tokens; 0: not.
class Quitter final : public Sink {
 public:
  Quitter(Engine* engine, size_t after) : engine_(engine), after_(after) {}
  void OnToken(const TokenEvent& token) override {
    inner.OnToken(token);
    if (++tokens_ == after_) engine_->Cancel(id.load());
  }
  void OnFinish(FinishReason reason, const Usage& usage, const absl::Status& error) override {
    inner.OnFinish(reason, usage, error);
  }
  std::atomic<RequestId> id{0};
  RecordingSink inner;

 private:
  Engine* const engine_;
  const size_t after_;
  size_t tokens_ = 0;
};

TEST(Cancel, AThousandLeaveTheirNeighboursAloneAndNoBlockBehind) {
  std::vector<Bits> expected;
  {
    auto engine = LoadModel(Options(false, 0));
    ASSERT_TRUE(engine.ok()) << engine.status();
    for (uint32_t i = 0; i < kNeighbours; ++i) {
      const auto sink = std::make_shared<RecordingSink>();
      ASSERT_TRUE((*engine)->Submit(Of(i, 60), sink).ok());
      EXPECT_EQ(sink->Wait(), FinishReason::kLength);
      expected.push_back(Take(*sink));
    }
  }
  // 24 blocks of 64 tokens (4 layers of 80 numbers): eight requests of four blocks do not fit.
  auto loaded = LoadModel(Options(true, int64_t{24} * 64 * 4 * 80 * 4));
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  Engine* engine = loaded->get();
  std::mt19937 random(5);
  std::vector<std::shared_ptr<Quitter>> quitters;
  std::vector<std::shared_ptr<RecordingSink>> neighbours;
  for (int i = 0; i < kCancels; ++i) {
    if (i % (kCancels / kNeighbours) == 0 && neighbours.size() < kNeighbours) {
      neighbours.push_back(std::make_shared<RecordingSink>());
      const auto seed = static_cast<uint32_t>(neighbours.size() - 1);
      ASSERT_TRUE(engine->Submit(Of(seed, 60), neighbours.back()).ok());
    }
    // Cancelled at a token, at once, before a token (the one sent 16 earlier), or by a deadline.
    const auto how = random() % 4;
    Request request = Of(static_cast<uint32_t>(random()), 40);
    request.priority = static_cast<int32_t>(random() % 8 == 0);
    if (how == 3) request.deadline = absl::Now() + absl::Milliseconds(random() % 20);
    const auto sink = std::make_shared<Quitter>(engine, how == 0 ? 1 + random() % 20 : 0);
    const auto id = engine->Submit(request, sink);
    if (!id.ok()) continue;  // its deadline could not be met
    sink->id = *id;
    if (how == 1) engine->Cancel(*id);
    quitters.push_back(sink);
    if (quitters.size() >= 16) engine->Cancel(quitters[quitters.size() - 16]->id);
  }
  for (const auto& q : quitters) engine->Cancel(q->id);
  for (const auto& q : quitters) q->inner.Wait();
  for (size_t i = 0; i < neighbours.size(); ++i) {
    EXPECT_EQ(neighbours[i]->Wait(), FinishReason::kLength);
    EXPECT_EQ(Take(*neighbours[i]), expected[i]) << i;
  }
  EXPECT_EQ(engine->Drain(absl::InfiniteFuture()), 0);
  const Stats stats = engine->stats();
  EXPECT_EQ(stats.kv_blocks_used, 0);
  EXPECT_GT(stats.prefix_hits, 0);
}

}  // namespace
}  // namespace deepseek::engine
