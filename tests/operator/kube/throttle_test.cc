#include "operator/kube/throttle.h"

#include <gtest/gtest.h>

#include <vector>

namespace deepseek::kube {
namespace {

class ThrottleTest : public ::testing::Test, protected Transport {
 protected:
  absl::StatusOr<HttpResponse> Send(const HttpRequest& request) override {
    sent_.push_back(now_ - start_);
    timeout_ = request.timeout;
    if (answers_.empty()) return HttpResponse{.code = 200, .headers = {}, .body = ""};
    const HttpResponse answer = answers_.front();
    answers_.erase(answers_.begin());
    return answer;
  }
  absl::StatusOr<HttpResponse> Stream(const HttpRequest& request,
                                      const std::function<bool(std::string_view)>&,
                                      const std::function<bool()>&) override {
    return Send(request);
  }
  absl::StatusOr<HttpResponse> Ask(absl::Duration timeout = absl::Seconds(30)) {
    return throttled_.Send(
        {.method = "GET", .path = "/x", .headers = {}, .body = "", .timeout = timeout});
  }
  static HttpResponse Busy(int code, const std::string& retry_after) {
    HttpResponse response{.code = code, .headers = {}, .body = ""};
    if (!retry_after.empty()) response.headers["retry-after"] = retry_after;
    return response;
  }

  const absl::Time start_ = absl::UnixEpoch();
  absl::Time now_ = start_;
  bool ends_ = false;
  std::vector<absl::Duration> sent_;
  absl::Duration timeout_;
  std::vector<HttpResponse> answers_;
  ThrottledTransport throttled_{
      std::shared_ptr<Transport>(std::shared_ptr<void>(), this),
      {.requests_per_second = 10, .burst = 3},
      {.monotonic = [this] { return now_; },
       .wall = [this] { return absl::FromUnixSeconds(1'700'000'000) + (now_ - start_); },
       .sleep = [this](absl::Duration d) { now_ += ends_ ? absl::ZeroDuration() : d; }}};
};

TEST_F(ThrottleTest, ABurstGoesAtOnceAndTheRestAtTheRate) {
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(Ask().ok());
  const std::vector<absl::Duration> expected = {absl::ZeroDuration(),    absl::ZeroDuration(),
                                                absl::ZeroDuration(),    absl::Milliseconds(100),
                                                absl::Milliseconds(200), absl::Milliseconds(300)};
  EXPECT_EQ(sent_, expected);
  now_ += absl::Hours(1);  // not more than a burst is saved up
  sent_.clear();
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(Ask().ok());
  EXPECT_EQ(sent_.back() - sent_.front(), absl::Milliseconds(100));
}

TEST_F(ThrottleTest, ADateIsATimeToComeBack) {
  const std::pair<const char*, absl::Duration> cases[] = {
      {"Tue, 14 Nov 2023 22:13:27 GMT", absl::Seconds(7)},
      {"Tue, 14 Nov 2023 22:13:19 GMT", absl::ZeroDuration()},  // it has passed
      {"Wed, 15 Nov 2023 22:13:20 GMT", absl::Minutes(1)},      // as with seconds: not for ever
      {"tomorrow", absl::Seconds(1)},
      {"-7", absl::Seconds(1)}};
  for (const auto& [date, pause] : cases) {
    now_ = start_;
    sent_.clear();
    answers_ = {Busy(503, date)};
    ThrottledTransport throttled(
        std::shared_ptr<Transport>(std::shared_ptr<void>(), this), {},
        {.monotonic = [this] { return now_; },
         .wall = [this] { return absl::FromUnixSeconds(1'700'000'000) + (now_ - start_); },
         .sleep = [this](absl::Duration d) { now_ += d; }});
    ASSERT_TRUE(throttled
                    .Send({.method = "GET",
                           .path = "/x",
                           .headers = {},
                           .body = "",
                           .timeout = absl::Minutes(5)})
                    .ok());
    EXPECT_EQ(sent_.back() - sent_.front(), pause) << date;
  }
}

TEST_F(ThrottleTest, BusyIsWhenMostOfTheBurstIsUsedOrTheServerPauses) {
  EXPECT_FALSE(throttled_.Busy());
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Ask().ok());
  EXPECT_TRUE(throttled_.Busy());
  now_ += absl::Milliseconds(100);
  EXPECT_FALSE(throttled_.Busy());
  answers_ = {Busy(429, "7"), Busy(429, "7")};
  ASSERT_TRUE(Ask(absl::Seconds(10)).ok());
  EXPECT_TRUE(throttled_.Busy());
}

TEST_F(ThrottleTest, NotNowIsAskedAgainWhenTheServerSaid) {
  answers_ = {Busy(429, "3"), Busy(503, "2")};
  const auto answer = Ask();
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->code, 200);
  EXPECT_EQ(sent_, (std::vector<absl::Duration>{absl::ZeroDuration(), absl::Seconds(3),
                                                absl::Seconds(5)}));
  EXPECT_EQ(timeout_, absl::Seconds(25)) << "waiting counts against the call's own time";
}

TEST_F(ThrottleTest, AServerThatNamesNoTimeIsGivenASecond) {
  answers_ = {Busy(429, "")};
  EXPECT_EQ(Ask()->code, 200);
  EXPECT_EQ(sent_.back(), absl::Seconds(1));
}

// As client-go: of a ServerTimeout (500) or a Timeout (504), the server says when it will do.
TEST_F(ThrottleTest, AnyFaultOfTheServersWithATimeIsAskedAgainThen) {
  for (const int code : {500, 502, 503, 504}) {
    sent_.clear();
    const absl::Time begin = now_;
    answers_ = {Busy(code, "4")};
    EXPECT_EQ(Ask()->code, 200) << code;
    EXPECT_EQ(sent_,
              (std::vector<absl::Duration>{begin - start_, begin - start_ + absl::Seconds(4)}))
        << code;
  }
}

TEST_F(ThrottleTest, AFaultWithoutATimeMayHaveTakenEffectAndIsNotRepeated) {
  for (const int code : {500, 503, 504}) {
    sent_.clear();
    answers_ = {Busy(code, "")};
    EXPECT_EQ(Ask()->code, code);
    EXPECT_EQ(sent_.size(), 1u) << code;
  }
}

TEST_F(ThrottleTest, ARefusalForGoodIsNotRepeatedWhateverItSays) {
  answers_ = {Busy(409, "1")};
  EXPECT_EQ(Ask()->code, 409);
  EXPECT_EQ(sent_.size(), 1u);
}

TEST_F(ThrottleTest, ThePauseHoldsForEveryone) {
  answers_ = {Busy(429, "5")};
  EXPECT_EQ(Ask(absl::Seconds(2))->code, 429) << "it cannot wait so long";
  ASSERT_TRUE(Ask().ok());
  EXPECT_EQ(sent_.back(), absl::Seconds(5));
}

TEST_F(ThrottleTest, WhatCannotBeSentInTimeIsNotSent) {
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Ask().ok());
  EXPECT_TRUE(absl::IsDeadlineExceeded(Ask(absl::Milliseconds(50)).status()));
  EXPECT_EQ(sent_.size(), 3u);
}

TEST_F(ThrottleTest, WhatIsNotSentTakesNoTurn) {
  answers_ = {Busy(429, "30")};
  EXPECT_EQ(Ask(absl::Seconds(20))->code, 429);
  for (int i = 0; i < 2000; ++i) {  // many keys, and the server is busy for longer than they wait
    EXPECT_TRUE(absl::IsDeadlineExceeded(Ask(absl::Seconds(20)).status()));
  }
  now_ += absl::Seconds(30);
  sent_.clear();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Ask().ok());
  EXPECT_EQ(sent_, std::vector<absl::Duration>(3, absl::Seconds(30))) << "the whole burst is there";
}

TEST_F(ThrottleTest, GivesUpInTheEnd) {
  answers_.assign(20, Busy(429, "1"));
  EXPECT_EQ(Ask()->code, 429);
  EXPECT_EQ(sent_.size(), 5u);
}

TEST_F(ThrottleTest, TheEndOfTheProcessEndsTheWait) {
  answers_ = {Busy(429, "5")};
  ends_ = true;
  EXPECT_EQ(Ask().status().code(), absl::StatusCode::kCancelled);
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(absl::IsCancelled(Ask().status()));
  ends_ = false;
  ASSERT_TRUE(Ask().ok());
  EXPECT_EQ(sent_.back(), absl::Seconds(5)) << "those who gave up took no turn";
}

TEST_F(ThrottleTest, StreamsAreNotRepeatedButTheirRefusalPausesTheRest) {
  answers_ = {Busy(429, "4")};
  const auto none = [] { return false; };
  EXPECT_EQ(throttled_
                .Stream(
                    {.method = "GET", .path = "/w", .headers = {}, .body = ""},
                    [](std::string_view) { return true; }, none)
                ->code,
            429);
  ASSERT_TRUE(Ask().ok());
  EXPECT_EQ(sent_, (std::vector<absl::Duration>{absl::ZeroDuration(), absl::Seconds(4)}));
}

}  // namespace
}  // namespace deepseek::kube
