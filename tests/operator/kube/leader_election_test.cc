#include "operator/kube/leader_election.h"

#include <gtest/gtest.h>

#include "base/json_full.h"
#include "tests/support/fake_api_server.h"

namespace deepseek::kube {
namespace {

// Two candidates with one clock; sleeping advances it.
class LeaderElectionTest : public ::testing::Test {
 protected:
  std::unique_ptr<LeaderElection> Candidate(const std::string& identity) {
    LeaderElectionOptions options;
    options.ns = "system";
    options.name = "deepseek-operator";
    options.identity = identity;
    return std::make_unique<LeaderElection>(
        Client(server_), options,
        LeaderElectionWorld{.monotonic = [this] { return now_; },
                            .wall = [this] { return now_; },
                            .sleep =
                                [this](absl::Duration d) {
                                  now_ += d;
                                  if (on_sleep_) on_sleep_();
                                },
                            .stop = [this] { return stop_; },
                            .chance = [] { return 0.0; }});
  }
  std::string Field(const char* field) {
    const auto lease = server_->Find(resources::kLease, "system", "deepseek-operator");
    const Json& value = (*lease)["spec"][field];
    return value.is_string() ? value.get<std::string>() : value.dump();
  }
  void Unreachable(bool is) {
    server_->set_before([is](const FakeCall&) -> std::optional<absl::StatusOr<HttpResponse>> {
      if (!is) return std::nullopt;
      return absl::UnavailableError("cut");
    });
  }

  std::shared_ptr<FakeApiServer> server_ = std::make_shared<FakeApiServer>();
  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  bool stop_ = false;
  std::function<void()> on_sleep_;
  std::unique_ptr<LeaderElection> a_ = Candidate("a"), b_ = Candidate("b");
};

// Somebody edited it by hand.
TEST_F(LeaderElectionTest, ALeaseOfNullsAndWrongTypesIsTaken) {
  for (const char* spec : {"null", R"({"leaseTransitions":null,"holderIdentity":null})",
                           R"({"leaseTransitions":"7","holderIdentity":7,"renewTime":{}})",
                           R"({"leaseTransitions":2147483647})"}) {
    server_ = std::make_shared<FakeApiServer>();
    a_ = Candidate("a");
    const Json lease{{"apiVersion", "coordination.k8s.io/v1"},
                     {"kind", "Lease"},
                     {"metadata", {{"name", "deepseek-operator"}, {"namespace", "system"}}},
                     {"spec", Json::parse(spec)}};
    ASSERT_TRUE(Client(server_).Create(resources::kLease, "system", lease, "t").ok());
    const auto led = a_->TryAcquireOrRenew();
    ASSERT_TRUE(led.ok()) << led.status();
    EXPECT_TRUE(*led) << spec;
    EXPECT_EQ(Field("holderIdentity"), "a");
  }
  EXPECT_EQ(Field("leaseTransitions"), "2147483647");
}

TEST_F(LeaderElectionTest, TheFirstOneLeadsAndTheOtherWaits) {
  EXPECT_EQ(a_->WriteTime(), absl::ZeroDuration());
  ASSERT_TRUE(a_->Acquire().ok());
  EXPECT_FALSE(*b_->TryAcquireOrRenew());
  EXPECT_EQ(Field("holderIdentity"), "a");
  EXPECT_EQ(Field("leaseDurationSeconds"), "15");
  EXPECT_EQ(Field("leaseTransitions"), "1");
  EXPECT_EQ(Field("renewTime"), "2023-11-14T22:13:20.000000Z");
  EXPECT_EQ(a_->WriteTime(), absl::Seconds(15));
  EXPECT_EQ(b_->WriteTime(), absl::ZeroDuration());
}

TEST_F(LeaderElectionTest, ASilentLeaderIsReplacedAfterItHasStoppedWriting) {
  ASSERT_TRUE(*a_->TryAcquireOrRenew());
  ASSERT_FALSE(*b_->TryAcquireOrRenew());
  absl::Time stopped_writing = absl::InfiniteFuture();
  // Every tenth of a second: never may both write.
  for (int i = 0; i < 200; ++i) {
    now_ += absl::Milliseconds(100);
    if (a_->WriteTime() <= absl::ZeroDuration()) stopped_writing = std::min(stopped_writing, now_);
    if (i % 20 == 0 && *b_->TryAcquireOrRenew()) {
      EXPECT_LT(stopped_writing, now_);
      EXPECT_EQ(Field("holderIdentity"), "b");
      EXPECT_EQ(Field("leaseTransitions"), "2");
      // The old leader sees it at its next attempt.
      EXPECT_FALSE(*a_->TryAcquireOrRenew());
      EXPECT_EQ(a_->WriteTime(), absl::ZeroDuration());
      return;
    }
  }
  FAIL() << "nobody took over within 20 s";
}

TEST_F(LeaderElectionTest, ARenewedLeaseIsNotTaken) {
  ASSERT_TRUE(*a_->TryAcquireOrRenew());
  for (int i = 0; i < 60; ++i) {
    now_ += absl::Seconds(2);
    ASSERT_TRUE(*a_->TryAcquireOrRenew());
    ASSERT_FALSE(*b_->TryAcquireOrRenew());
  }
  EXPECT_EQ(Field("leaseTransitions"), "1");
}

TEST_F(LeaderElectionTest, WhoHoldsTheLeaseWritesItWithoutALook) {
  ASSERT_TRUE(*a_->TryAcquireOrRenew());
  const auto calls = [&] {
    std::string verbs;
    for (const std::string& call : server_->Calls(/*reads=*/true))
      verbs += call.substr(0, call.find(' ') + 1);
    server_->ForgetCalls();
    return verbs;
  };
  calls();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(*a_->TryAcquireOrRenew());
  EXPECT_EQ(calls(), "update update update ");
  // Somebody has touched it without taking it
  ASSERT_TRUE(Client(server_)
                  .MergePatch(resources::kLease, "system", "deepseek-operator",
                              {{"metadata", {{"labels", {{"x", "y"}}}}}}, "t")
                  .ok());
  calls();
  ASSERT_TRUE(*a_->TryAcquireOrRenew());
  EXPECT_EQ(calls(), "update get update ");
  // Somebody has removed it
  ASSERT_TRUE(Client(server_).Delete(resources::kLease, "system", "deepseek-operator").ok());
  calls();
  ASSERT_TRUE(*a_->TryAcquireOrRenew());
  EXPECT_EQ(calls(), "update get create ");
}

TEST_F(LeaderElectionTest, WhoWasReplacedUnnoticedDoesNotTakeItBack) {
  ASSERT_TRUE(*a_->TryAcquireOrRenew());
  ASSERT_FALSE(*b_->TryAcquireOrRenew());
  now_ += absl::Seconds(15);
  ASSERT_TRUE(*b_->TryAcquireOrRenew());
  EXPECT_FALSE(*a_->TryAcquireOrRenew());
  EXPECT_EQ(a_->WriteTime(), absl::ZeroDuration());
  EXPECT_EQ(Field("holderIdentity"), "b");
}

TEST_F(LeaderElectionTest, AClockThatIsWrongDoesNotSteal) {
  ASSERT_TRUE(*a_->TryAcquireOrRenew());
  // b starts late, on a clock a day ahead: it must see the lease unchanged for 15 s of its own.
  now_ += absl::Hours(24);
  EXPECT_FALSE(*b_->TryAcquireOrRenew());
  now_ += absl::Seconds(14);
  EXPECT_FALSE(*b_->TryAcquireOrRenew());
  now_ += absl::Seconds(1);
  EXPECT_TRUE(*b_->TryAcquireOrRenew());
}

TEST_F(LeaderElectionTest, HoldEndsAtTheRenewDeadline) {
  ASSERT_TRUE(a_->Acquire().ok());
  const absl::Time since = now_;
  Unreachable(true);
  const absl::Status end = a_->Hold();
  EXPECT_TRUE(absl::IsAborted(end)) << end;
  EXPECT_EQ(now_ - since, absl::Seconds(10));
}

TEST_F(LeaderElectionTest, AShortOutageIsSurvived) {
  ASSERT_TRUE(a_->Acquire().ok());
  int sleeps = 0;
  on_sleep_ = [&] {
    ++sleeps;
    Unreachable(sleeps >= 2 && sleeps < 5);
    stop_ = sleeps == 20;
  };
  EXPECT_TRUE(a_->Hold().ok());
  EXPECT_GT(a_->WriteTime(), absl::ZeroDuration());
}

TEST_F(LeaderElectionTest, AReleasedLeaseIsTakenAtOnce) {
  ASSERT_TRUE(a_->Acquire().ok());
  ASSERT_FALSE(*b_->TryAcquireOrRenew());
  ASSERT_TRUE(a_->Release().ok());
  EXPECT_EQ(a_->WriteTime(), absl::ZeroDuration());
  EXPECT_TRUE(*b_->TryAcquireOrRenew());
}

TEST_F(LeaderElectionTest, ReleaseLeavesAnothersLeaseAlone) {
  ASSERT_TRUE(a_->Acquire().ok());
  now_ += absl::Seconds(9);
  const Json theirs{{"spec", {{"holderIdentity", "b"}}}};
  ASSERT_TRUE(Client(server_)
                  .MergePatch(resources::kLease, "system", "deepseek-operator", theirs, "t")
                  .ok());
  EXPECT_TRUE(a_->Release().ok());
  EXPECT_EQ(Field("holderIdentity"), "b");
}

TEST_F(LeaderElectionTest, OnlyOneWinsARaceForAFreeLease) {
  // Both have read "not found" when they create.
  bool raced = false;
  server_->set_before([&](const FakeCall& call) -> std::optional<absl::StatusOr<HttpResponse>> {
    if (call.verb == "create" && !raced) {
      raced = true;
      EXPECT_TRUE(*b_->TryAcquireOrRenew());
    }
    return std::nullopt;
  });
  EXPECT_FALSE(*a_->TryAcquireOrRenew());
  EXPECT_EQ(Field("holderIdentity"), "b");
}

// Records the deadline of what passes.
class Recorder : public Transport {
 public:
  absl::StatusOr<HttpResponse> Send(const HttpRequest& request) override {
    ++sent;
    timeout = request.timeout;
    return HttpResponse{.code = 200, .headers = {}, .body = "{}"};
  }
  absl::StatusOr<HttpResponse> Stream(const HttpRequest&,
                                      const std::function<bool(std::string_view)>&,
                                      const std::function<bool()>&) override {
    return HttpResponse{.code = 200, .headers = {}, .body = ""};
  }
  int sent = 0;
  absl::Duration timeout;
};

TEST(FencedTransport, RefusesWritesWithoutTheLeaseAndBoundsTheOthers) {
  auto recorder = std::make_shared<Recorder>();
  absl::Duration left = absl::Seconds(7);
  FencedTransport fenced(recorder, [&] { return left; });
  for (const char* method : {"POST", "PUT", "PATCH", "DELETE"}) {
    ASSERT_TRUE(fenced.Send({.method = method, .path = "/x", .headers = {}, .body = ""}).ok());
    EXPECT_EQ(recorder->timeout, absl::Seconds(7));
  }
  left = absl::ZeroDuration();
  for (const char* method : {"POST", "PUT", "PATCH", "DELETE"}) {
    EXPECT_EQ(
        fenced.Send({.method = method, .path = "/x", .headers = {}, .body = ""}).status().code(),
        absl::StatusCode::kFailedPrecondition);
  }
  EXPECT_EQ(recorder->sent, 4);
  EXPECT_TRUE(fenced.Send({.method = "GET", .path = "/x", .headers = {}, .body = ""}).ok());
  EXPECT_EQ(recorder->timeout, absl::Seconds(30));
}

}  // namespace
}  // namespace deepseek::kube
