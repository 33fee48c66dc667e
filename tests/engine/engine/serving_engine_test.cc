#include "engine/serving_engine.h"
#include "engine/refusal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/engine/engine/serving_fixture.h"

namespace deepseek::engine {
namespace {

using ::testing::HasSubstr;

Request Of(std::vector<int32_t> prompt, int32_t max_tokens) {
  Request r;
  r.prompt = std::move(prompt);
  r.max_tokens = max_tokens;
  return r;
}

/// An engine over a FakeModel, with a clock that tests move.
class ServingEngineTest : public ServingFixture {
 protected:
  void Start(FakeModel::Options model = {}, EngineOptions options = {}) {
    options.now = [this] { return absl::FromUnixMicros(now_us_ += tick_us_); };
    ServingFixture::Start(model, options);
  }
  /// One place, and in it an answer that has some eighty steps of 100 ms to go until Release().
  void StartBehindALongAnswer(const EngineOptions& options) {
    FakeModel::Options model;
    model.max_batch = 1;
    tick_us_ = 100'000;
    Start(model, options);
    fake_->HoldAt(20);
    Submit(Of({1}, 100));
    fake_->WaitUntilHeld();
    tick_us_ = 0;
  }
  ~ServingEngineTest() override { engine_.reset(); }  // it looks at the clock to its end
  absl::Time Now() const { return absl::FromUnixMicros(now_us_.load()); }
  void Advance(absl::Duration d) { now_us_ += absl::ToInt64Microseconds(d); }

  std::atomic<int64_t> now_us_{1'000'000'000};
  std::atomic<int64_t> tick_us_{0};  // time that each look at the clock takes
};

TEST_F(ServingEngineTest, AnswersUpToTheLimit) {
  Start();
  const auto sink = Submit(Of({1, 2, 3}, 5));
  EXPECT_EQ(sink->Wait(), FinishReason::kLength);
  EXPECT_EQ(sink->ids(), fake_->Expected({1, 2, 3}, 5));
  EXPECT_TRUE(sink->error().ok());
}

TEST_F(ServingEngineTest, StopIdIsDeliveredAndEndsTheAnswer) {
  Start();
  const auto expected = fake_->Expected({4, 4}, 6);
  Request r = Of({4, 4}, 50);
  r.stop_ids = {96 + 5, expected[3]};
  const auto sink = Submit(r);
  EXPECT_EQ(sink->Wait(), FinishReason::kStop);
  const auto end = std::find(expected.begin(), expected.end(), expected[3]) + 1;
  EXPECT_EQ(sink->ids(), std::vector<int32_t>(expected.begin(), end));
}

/// Lets 5, 6, 7, 5, 6, ... be said, `length` of them.
class Counting final : public TokenConstraint {
 public:
  explicit Counting(size_t length) : length_(length) {}
  const uint64_t* Allowed(int32_t tokens_left) override {
    left.push_back(tokens_left);
    mask_[0] = uint64_t{1} << Next();
    return mask_;
  }
  bool MayEnd() const override { return accepted.size() > 3; }
  void Accept(int32_t id) override { accepted.push_back(id); }
  bool Complete() const override { return accepted.size() == length_; }
  int32_t vocab() const override { return 97; }

  std::vector<int32_t> accepted, left;

 private:
  size_t Next() const { return 5 + accepted.size() % 3; }
  const size_t length_;
  uint64_t mask_[2] = {};
};

TEST_F(ServingEngineTest, AConstraintRestrictsAndEndsItsAnswerAlone) {
  Start();
  Request r = Of({1, 2, 3}, 6);
  const auto constraint = std::make_shared<Counting>(4);
  r.constraint = constraint;
  const auto sink = Submit(r);
  const auto neighbour = Submit(Of({1, 2, 3}, 5));
  EXPECT_EQ(sink->Wait(), FinishReason::kStop);
  EXPECT_EQ(sink->ids(), (std::vector<int32_t>{5, 6, 7, 5}));
  EXPECT_EQ(constraint->accepted, sink->ids());
  EXPECT_EQ(constraint->left, (std::vector<int32_t>{6, 5, 4, 3}));
  neighbour->Wait();
  EXPECT_EQ(neighbour->ids(), fake_->Expected({1, 2, 3}, 5));
}

TEST_F(ServingEngineTest, AStopIdEndsAConstrainedAnswerOnlyWhereItMayEnd) {
  Start();
  Request r = Of({1, 2, 3}, 20);
  const auto constraint = std::make_shared<Counting>(9);
  r.constraint = constraint;
  r.stop_ids = {6};
  const auto sink = Submit(r);
  EXPECT_EQ(sink->Wait(), FinishReason::kStop);
  EXPECT_EQ(sink->ids(), (std::vector<int32_t>{5, 6, 7, 5, 6}));
  EXPECT_EQ(constraint->accepted, (std::vector<int32_t>{5, 6, 7, 5})) << "the end is none of it";
}

TEST_F(ServingEngineTest, AConstrainedAnswerStillHasItsLimit) {
  Start();
  Request r = Of({1, 2, 3}, 2);
  r.constraint = std::make_shared<Counting>(4);
  EXPECT_EQ(Submit(r)->Wait(), FinishReason::kLength);
}

TEST_F(ServingEngineTest, WithoutMaxTokensRunsToTheContextLimit) {
  FakeModel::Options o;
  o.max_positions = 40;
  Start(o);
  const auto sink = Submit(Of({1, 2}, 0));
  EXPECT_EQ(sink->Wait(), FinishReason::kLength);
  EXPECT_EQ(sink->usage().generated_tokens, 38);
}

TEST_F(ServingEngineTest, LogprobsComeWhenAskedFor) {
  Start();
  Request r = Of({1}, 1);
  r.top_logprobs = 2;
  const auto sink = Submit(r);
  sink->Wait();
  ASSERT_EQ(sink->tokens().size(), 1U);
  EXPECT_EQ(sink->tokens()[0].logprob, -0.5F);
  ASSERT_EQ(sink->tokens()[0].top.size(), 2U);
  EXPECT_EQ(sink->tokens()[0].top[1].id, 1);
}

TEST_F(ServingEngineTest, RefusesWhatCanNeverRun) {
  Start();
  const auto got = engine_->Submit(Of({1, 200}, 5), std::make_shared<RecordingSink>());
  EXPECT_EQ(got.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(got.status().message()), HasSubstr("prompt[1]"));
}

TEST_F(ServingEngineTest, CancelEndsARunningRequestAndFreesItsBlocks) {
  Start();
  fake_->HoldAt(4);
  RequestId id = 0;
  const auto sink = Submit(Of({1, 2, 3}, 3000), &id);
  fake_->WaitUntilHeld();
  engine_->Cancel(id);
  engine_->Cancel(id);
  engine_->Cancel(12345);
  fake_->Release();
  EXPECT_EQ(sink->Wait(), FinishReason::kCancelled);
  EXPECT_EQ(sink->ids().size(), 4U) << "the step that was under way, no more";
  EXPECT_EQ(Submit(Of({1}, 2))->Wait(), FinishReason::kLength) << "the engine goes on";
  engine_->Drain(absl::InfiniteFuture());
  EXPECT_EQ(engine_->stats().kv_blocks_used, 0);
}

TEST_F(ServingEngineTest, CancelEndsAWaitingRequest) {
  FakeModel::Options o;
  o.max_batch = 1;
  Start(o);
  fake_->Hold();
  const auto first = Submit(Of({1}, 3));
  fake_->WaitUntilHeld();
  RequestId id = 0;
  const auto second = Submit(Of({2}, 3), &id);
  engine_->Cancel(id);
  fake_->Release();
  EXPECT_EQ(second->Wait(), FinishReason::kCancelled);
  EXPECT_TRUE(second->ids().empty());
  EXPECT_EQ(first->Wait(), FinishReason::kLength);
}

TEST_F(ServingEngineTest, DeadlineEndsARunningRequest) {
  Start();
  Request r = Of({1}, 3000);
  r.deadline = Now() + absl::Seconds(5);
  fake_->HoldAt(3);
  const auto sink = Submit(r);
  fake_->WaitUntilHeld();
  Advance(absl::Seconds(6));
  fake_->Release();
  EXPECT_EQ(sink->Wait(), FinishReason::kDeadline);
  EXPECT_EQ(sink->ids().size(), 3U) << "what was generated stays delivered";
}

TEST_F(ServingEngineTest, ADeadlineThatHasPassedIsNoFullQueue) {
  Start();
  Request r = Of({1}, 3);
  r.deadline = Now();
  const auto got = engine_->Submit(std::move(r), std::make_shared<RecordingSink>());
  EXPECT_EQ(got.status().code(), absl::StatusCode::kDeadlineExceeded) << got.status();
}

TEST_F(ServingEngineTest, DeadlineEndsARequestThatWaitsForCompany) {
  EngineOptions options;
  options.max_batch_delay = absl::Hours(1);
  Start({}, options);
  Request r = Of({1}, 3);
  r.deadline = Now() + absl::Seconds(5);
  const auto sink = Submit(r);
  Advance(absl::Seconds(6));
  EXPECT_EQ(sink->Wait(), FinishReason::kDeadline);
}

TEST_F(ServingEngineTest, MaxBatchDelayWaitsForCompany) {
  EngineOptions options;
  options.max_batch_delay = absl::Seconds(50);
  FakeModel::Options o;
  o.max_batch = 2;
  Start(o, options);
  const auto a = Submit(Of({1}, 3));
  const auto b = Submit(Of({2}, 3));
  EXPECT_EQ(a->Wait(), FinishReason::kLength);
  EXPECT_EQ(b->Wait(), FinishReason::kLength);
  EXPECT_EQ(engine_->stats().steps, 3) << "both in the same three steps";
  const auto alone = Submit(Of({1}, 3));
  Advance(absl::Seconds(51));
  EXPECT_EQ(alone->Wait(), FinishReason::kLength);
  EXPECT_EQ(alone->usage().queue_time, absl::Seconds(51)) << "nobody came";
}

TEST_F(ServingEngineTest, AFullQueueRefuses) {
  FakeModel::Options o;
  o.max_batch = 1;
  EngineOptions options;
  options.max_queue = 2;
  Start(o, options);
  fake_->Hold();
  const auto running = Submit(Of({1}, 2));
  fake_->WaitUntilHeld();
  const auto second = Submit(Of({2}, 2));
  const auto third = Submit(Of({3}, 2));
  const auto refused = engine_->Submit(Of({4}, 2), std::make_shared<RecordingSink>());
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(engine_->stats().waiting, 2);
  EXPECT_EQ(engine_->stats().running, 1);
  fake_->Release();
  EXPECT_EQ(third->Wait(), FinishReason::kLength);
}

TEST_F(ServingEngineTest, ClientsTakeTurns) {
  FakeModel::Options o;
  o.max_batch = 1;
  tick_us_ = 1;
  Start(o);
  fake_->Hold();
  const auto of = [](int32_t token, const char* client) {
    Request r = Of({token}, 2);
    r.client = client;
    return r;
  };
  const auto first = Submit(of(1, "heavy"));
  fake_->WaitUntilHeld();
  std::vector<std::shared_ptr<RecordingSink>> heavy;
  heavy.reserve(5);
  for (int32_t i = 0; i < 5; ++i) heavy.push_back(Submit(of(2 + i, "heavy")));
  const auto light = Submit(of(9, "light"));
  RequestId id = 0;
  const auto gone = Submit(of(10, "gone"), &id);
  engine_->Cancel(id);
  fake_->Release();
  EXPECT_EQ(heavy.back()->Wait(), FinishReason::kLength);
  EXPECT_EQ(light->Wait(), FinishReason::kLength);
  EXPECT_EQ(gone->Wait(), FinishReason::kCancelled);
  EXPECT_LT(light->usage().queue_time, heavy[1]->usage().queue_time) << "behind one of the five";
}

TEST_F(ServingEngineTest, RefusesWhoWouldWaitTooLong) {
  for (const bool limited : {false, true}) {
    EngineOptions options;
    if (limited) options.max_queue_delay = absl::Seconds(5);
    StartBehindALongAnswer(options);
    const auto refused = [&](Request r) {
      const auto got = engine_->Submit(std::move(r), std::make_shared<RecordingSink>());
      EXPECT_EQ(got.status().code(), absl::StatusCode::kResourceExhausted) << got.status();
      return got.status();
    };
    if (limited) {
      const absl::Status status = refused(Of({2}, 3));
      EXPECT_THAT(std::string(status.message()), HasSubstr("--max-queue-delay"));
      EXPECT_GT(*RetryAfter(status), absl::Seconds(2));
      EXPECT_LT(*RetryAfter(status), absl::Seconds(4));
    } else {
      Request r = Of({2}, 3);
      r.deadline = Now() + absl::Seconds(4);
      EXPECT_THAT(std::string(refused(r).message()), HasSubstr("deadline"));
      Submit(Of({2}, 200));
      (void)refused(Of({3}, 3));  // behind more than 30 s
    }
    fake_->Release();
    engine_.reset();
  }
}

// What eval asks for: all its prompts at once, however long they take.
TEST_F(ServingEngineTest, WithoutALimitNobodyWaitsTooLong) {
  EngineOptions options;
  options.max_queue_delay = absl::InfiniteDuration();
  StartBehindALongAnswer(options);
  Submit(Of({2}, 200));
  const auto last = Submit(Of({3}, 3));  // behind more than 30 s
  fake_->Release();
  EXPECT_EQ(last->Wait(), FinishReason::kLength);
}

TEST_F(ServingEngineTest, WithoutAQueueFreePlacesAreStillFilled) {
  FakeModel::Options o;
  o.max_batch = 2;
  EngineOptions options;
  options.max_queue = 0;
  Start(o, options);
  fake_->Hold();
  const auto first = Submit(Of({1}, 2));
  const auto second = Submit(Of({2}, 2));
  EXPECT_EQ(engine_->Submit(Of({3}, 2), std::make_shared<RecordingSink>()).status().code(),
            absl::StatusCode::kResourceExhausted);
  fake_->Release();
  EXPECT_EQ(first->Wait(), FinishReason::kLength);
  EXPECT_EQ(second->Wait(), FinishReason::kLength);
}

TEST_F(ServingEngineTest, NanEndsOnlyTheRequestThatHasIt) {
  Start();
  fake_->poison_token = 50;
  const auto good = Submit(Of({1}, 3));
  const auto bad = Submit(Of({1, 50}, 3));
  EXPECT_EQ(bad->Wait(), FinishReason::kError);
  EXPECT_THAT(std::string(bad->error().message()), HasSubstr("not a number"));
  EXPECT_TRUE(bad->ids().empty());
  EXPECT_EQ(good->Wait(), FinishReason::kLength);
  engine_->Drain(absl::InfiniteFuture());
  EXPECT_EQ(engine_->stats().nonfinite_rows, 1);
}

TEST_F(ServingEngineTest, AFailedStepEndsItsRequestsAndTheEngineGoesOn) {
  Start();
  fake_->fail_forwards = 1;
  const auto sink = Submit(Of({1}, 3));
  EXPECT_EQ(sink->Wait(), FinishReason::kError);
  EXPECT_EQ(sink->error().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(Submit(Of({1}, 3))->Wait(), FinishReason::kLength);
}

TEST_F(ServingEngineTest, DrainRefusesNewAndWaitsForRunning) {
  Start();
  fake_->Hold();
  const auto sink = Submit(Of({1}, 4));
  fake_->WaitUntilHeld();
  std::thread release([this] { fake_->Release(); });
  EXPECT_EQ(engine_->Drain(Now() + absl::Hours(1)), 0);
  release.join();
  EXPECT_TRUE(sink->finished());
  EXPECT_EQ(engine_->Submit(Of({1}, 4), sink).status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(ServingEngineTest, DrainCancelsTheRestAtItsDeadline) {
  Start();
  fake_->HoldAt(2);
  const auto sink = Submit(Of({1}, 3000));
  fake_->WaitUntilHeld();
  std::thread drain([this] { EXPECT_GE(engine_->Drain(Now()), 1); });
  // The drain has begun when new requests are refused; only then may the step go on.
  while (engine_->Submit(Of({1}, 1), std::make_shared<RecordingSink>()).ok()) {
    std::this_thread::yield();
  }
  fake_->Release();
  drain.join();
  EXPECT_EQ(sink->Wait(), FinishReason::kCancelled);
}

TEST_F(ServingEngineTest, DestructionFinishesEverySink) {
  FakeModel::Options o;
  o.max_batch = 1;
  Start(o);
  const auto running = Submit(Of({1}, 4000));
  const auto waiting = Submit(Of({2}, 4000));
  running->WaitForTokens(1);
  engine_.reset();
  EXPECT_TRUE(running->finished());
  EXPECT_TRUE(waiting->finished());
}

TEST_F(ServingEngineTest, StatsTellWorkFromIdleness) {
  Start();
  EXPECT_EQ(engine_->stats().busy_since, absl::InfiniteFuture());
  EXPECT_EQ(engine_->stats().kv_blocks_total, 64);
  fake_->Hold();
  const auto sink = Submit(Of({1}, 2));
  fake_->WaitUntilHeld();
  Stats s = engine_->stats();
  EXPECT_EQ(s.running, 1);
  EXPECT_EQ(s.kv_blocks_used, 0) << "published before the step takes its blocks";
  EXPECT_EQ(s.busy_since, Now());
  EXPECT_EQ(s.last_step_end, absl::InfinitePast());
  fake_->Release();
  sink->Wait();
  engine_->Drain(absl::InfiniteFuture());
  s = engine_->stats();
  EXPECT_EQ(s.busy_since, absl::InfiniteFuture());
  EXPECT_EQ(s.running, 0);
  EXPECT_EQ(s.steps, 2);
  EXPECT_EQ(s.last_step_end, Now());
}

// Asks again as soon as its answer ends, as many do. While the batch is full the estimate is far
// beyond what is waited for.
TEST_F(ServingEngineTest, WhoHearsOfAnEndFindsThePlaceFree) {
  class Again final : public Sink {
   public:
    explicit Again(Engine* engine) : engine_(engine) {}
    void OnToken(const TokenEvent&) override {}
    void OnFinish(FinishReason reason, const Usage&, const absl::Status&) override {
      next = std::make_shared<RecordingSink>();
      status = engine_->Submit(Of({3}, 1), next).status();
      done.OnFinish(reason, {}, absl::OkStatus());
    }
    Engine* engine_;
    std::shared_ptr<RecordingSink> next;
    absl::Status status;
    RecordingSink done;
  };
  for (const bool queue : {false, true}) {
    FakeModel::Options o;
    o.max_batch = 1;
    EngineOptions options;
    if (!queue) options.max_queue = 0;
    tick_us_ = 1'000'000;
    Start(o, options);
    const auto sink = std::make_shared<Again>(engine_.get());
    Request ends_early = Of({1}, 1000);
    ends_early.stop_ids = {fake_->Expected({1}, 2).back()};
    ASSERT_TRUE(engine_->Submit(std::move(ends_early), sink).ok());
    EXPECT_EQ(sink->done.Wait(), FinishReason::kStop);
    ASSERT_TRUE(sink->status.ok()) << sink->status;
    EXPECT_EQ(sink->next->Wait(), FinishReason::kLength);
    engine_.reset();
  }
}

TEST_F(ServingEngineTest, ASinkMayCallTheEngine) {
  Start();
  class Cancelling final : public Sink {
   public:
    explicit Cancelling(Engine* engine) : engine_(engine) {}
    void OnToken(const TokenEvent&) override { engine_->Cancel(1); }
    void OnFinish(FinishReason reason, const Usage&, const absl::Status&) override {
      next = std::make_shared<RecordingSink>();
      EXPECT_TRUE(engine_->Submit(Of({3}, 1), next).ok());
      done.OnFinish(reason, {}, absl::OkStatus());
    }
    Engine* engine_;
    std::shared_ptr<RecordingSink> next;
    RecordingSink done;
  };
  const auto sink = std::make_shared<Cancelling>(engine_.get());
  ASSERT_TRUE(engine_->Submit(Of({1}, 3000), sink).ok());
  EXPECT_EQ(sink->done.Wait(), FinishReason::kCancelled);
  EXPECT_EQ(sink->next->Wait(), FinishReason::kLength);
}

}  // namespace
}  // namespace deepseek::engine
