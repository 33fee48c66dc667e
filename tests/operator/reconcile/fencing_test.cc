// A leader is stopped (SIGSTOP) for half a minute at every single call, in every story. Another one
// takes over meanwhile and finishes. Then the first one goes on where it was: with the call in its
// hand already past the fence. Nothing that it writes is accepted, and the end is as if it had
// never been there.

#include <gtest/gtest.h>

#include "base/log.h"
#include "base/strings.h"
#include "operator/kube/leader_election.h"
#include "tests/operator/reconcile/faults.h"
#include "tests/operator/reconcile/stories.h"

namespace deepseek::reconcile {
namespace {

using kube::FakeCall;
using kube::HttpResponse;

/// A process that takes part in the election.
class Candidate {
 public:
  Candidate(Harness* h, const std::string& identity)
      : h_(h),
        election_(kube::Client(h->server), Options(identity),
                  {.monotonic = [h] { return h->now; },
                   .wall = [h] { return h->now; },
                   .sleep = [h](absl::Duration d) { h->now += d; },
                   .stop = [] { return false; },
                   .chance = [] { return 0.0; }}),
        fenced_(std::make_shared<kube::FencedTransport>(
            h->server, [this] { return election_.WriteTime(); })) {}

  std::unique_ptr<OperatorProcess> Start() {
    return std::make_unique<OperatorProcess>(fenced_, h_->defaults(), [h = h_] { return h->now; });
  }
  bool Lead() {
    const auto led = election_.TryAcquireOrRenew();
    return led.ok() && *led;
  }

 private:
  static kube::LeaderElectionOptions Options(const std::string& identity) {
    kube::LeaderElectionOptions options;
    options.ns = "system";
    options.name = "deepseek-operator";
    options.identity = identity;
    return options;
  }
  Harness* h_;
  kube::LeaderElection election_;
  std::shared_ptr<kube::Transport> fenced_;
};

bool IsLease(const FakeCall& call) {
  return call.collection == "coordination.k8s.io/leases";
}

// An Event is a record that has no state to be stale against; the one in flight may be accepted.
bool IsEvent(const FakeCall& call) {
  return call.collection == "events.k8s.io/events";
}

struct Frozen {
  int calls = 0;                      ///< of the first leader, from the change on
  bool is = false;                    ///< it has been stopped
  std::vector<std::string> accepted;  ///< writes of the first leader after the other had taken over
  int refused = 0;
};

// Plays `story`; the first leader is stopped at its call `point` (0: never).
Outcome PlayFrozen(const Story& story, int point, Frozen* frozen) {
  Harness h;
  Candidate first(&h, "first"), second(&h, "second");
  std::unique_ptr<OperatorProcess> successor, stopped;
  bool others = false;  // who acts now is not the first leader

  const auto take_over = [&] {
    others = true;
    h.now += absl::Seconds(30);
    while (!second.Lead()) h.now += absl::Seconds(2);
    successor = second.Start();
    for (int quiet = 0; quiet < 3;) {
      h.now += absl::Milliseconds(100);
      EXPECT_TRUE(second.Lead());
      const auto before = h.server->Snapshot();
      successor->Pump();
      successor->Work();
      const bool moved = h.workloads.Step();
      quiet = moved || !(h.server->Snapshot() == before) ? 0 : quiet + 1;
    }
    others = false;
  };
  const auto disturb = [&] {
    EXPECT_TRUE(first.Lead());
    EXPECT_FALSE(second.Lead());
    h.process = first.Start();
    h.before_round = [&] {
      if (successor != nullptr) {
        // Its process has come to the end of what it did and is kept, so that it is seen to be
        // fenced.
        stopped = std::move(h.process);
        h.process = std::move(successor);
        stopped->Pump();
        stopped->Work();
        others = true;
      }
      EXPECT_TRUE(others ? second.Lead() : first.Lead());
    };
    h.server->set_before([&](const FakeCall& call) -> std::optional<absl::StatusOr<HttpResponse>> {
      if (others || IsLease(call) || ++frozen->calls != point) return std::nullopt;
      frozen->is = true;
      take_over();
      return std::nullopt;
    });
    h.server->set_after(
        [&](const FakeCall& call,
            const HttpResponse& response) -> std::optional<absl::StatusOr<HttpResponse>> {
          if (!frozen->is || others || call.write_number == 0 || IsLease(call) || IsEvent(call)) {
            return std::nullopt;
          }
          if (response.code < 300) {
            frozen->accepted.push_back(call.ToString());
          } else {
            ++frozen->refused;
          }
          return std::nullopt;
        });
  };
  return Play(story, &h, disturb);
}

class Fencing : public ::testing::TestWithParam<size_t> {};

TEST_P(Fencing, NothingOfAStoppedLeaderIsAccepted) {
  ASSERT_TRUE(log::SetLevelByName("error").ok());
  const Story& story = Stories()[GetParam()];
  Frozen calm;
  const Outcome expected = PlayFrozen(story, 0, &calm);
  ASSERT_GT(calm.calls, 0);
  const int share = FaultShare();
  for (int point = 1 + static_cast<int>(GetParam()) % share; point <= calm.calls; point += share) {
    SCOPED_TRACE(StrCat("stopped at call ", point, " of ", calm.calls));
    Frozen frozen;
    const Outcome outcome = PlayFrozen(story, point, &frozen);
    ASSERT_TRUE(frozen.is);
    ASSERT_EQ(frozen.accepted, std::vector<std::string>{});
    ASSERT_EQ(outcome.end_state, expected.end_state);
    ASSERT_EQ(Restarts(story, outcome, expected), "");
    ASSERT_FALSE(HasFailure());
  }
}

INSTANTIATE_TEST_SUITE_P(Stories, Fencing, ::testing::Range(size_t{0}, Stories().size()),
                         [](const auto& info) { return Stories()[info.param].name; });

}  // namespace
}  // namespace deepseek::reconcile
