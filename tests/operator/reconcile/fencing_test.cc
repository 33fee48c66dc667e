// A leader is stopped (SIGSTOP) for half a minute at every single call, in every story. Another one
// takes over meanwhile and finishes. Then the first one goes on where it was: with the call in its
// hand already past the fence, the worst moment there is. That call is accepted only if nobody has
// touched its object since it was judged, nothing after it leaves the process, and the end is as if
// the first leader had never been there.
//
// DEEPSEEK_FAULT_SHARE=N: every Nth point only.

#include <gtest/gtest.h>

#include <cstdio>
#include <set>

#include "absl/strings/str_replace.h"
#include "base/log.h"
#include "base/strings.h"
#include "operator/api/names.h"
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

// An Event is a record that has no state to be stale against.
bool IsEvent(const FakeCall& call) {
  return call.collection == "events.k8s.io/events";
}

// A revision that is replaced while it is rolled out may have become stable before, in half a
// minute.
std::string WithoutStableTimes(std::string state) {
  absl::StrReplaceAll({{StrCat("\"", api::kStableSinceAnnotation, "\":\"set\","), ""}}, &state);
  return state;
}

std::string Key(const FakeCall& call) {
  return StrCat(call.collection, " ", call.ns, "/", call.name);
}

struct Frozen {
  int calls = 0;                      ///< of the first leader, from the change on
  bool is = false;                    ///< it has been stopped
  int writes_after = 0;               ///< of the first leader that left it after it went on
  std::set<std::string> touched;      ///< objects that the successor has written
  std::vector<std::string> accepted;  ///< writes of the first leader on these
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
    h.server->set_after([&](const FakeCall& call, const HttpResponse& response)
                            -> std::optional<absl::StatusOr<HttpResponse>> {
      if (!frozen->is || call.write_number == 0 || call.dry_run || IsLease(call) || IsEvent(call)) {
        return std::nullopt;
      }
      if (others) {
        if (response.code < 300) frozen->touched.insert(Key(call));
        return std::nullopt;
      }
      ++frozen->writes_after;
      if (response.code < 300 && frozen->touched.contains(Key(call))) {
        frozen->accepted.push_back(call.ToString());
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
  int runs = 0;
  for (int point = 1 + static_cast<int>(GetParam()) % share; point <= calm.calls; point += share) {
    SCOPED_TRACE(StrCat("stopped at call ", point, " of ", calm.calls));
    Frozen frozen;
    const Outcome outcome = PlayFrozen(story, point, &frozen);
    ASSERT_TRUE(frozen.is);
    ASSERT_LE(frozen.writes_after, 1);
    ASSERT_EQ(frozen.accepted, std::vector<std::string>{});
    if (story.most_superseded > 0) {
      // Half a minute more until the next edit: the revision in between may be rolled out in full.
      ASSERT_EQ(WithoutStableTimes(outcome.end_state), WithoutStableTimes(expected.end_state));
    } else {
      ASSERT_EQ(outcome.end_state, expected.end_state);
      ASSERT_EQ(Restarts(story, outcome, expected), "");
    }
    ASSERT_FALSE(HasFailure());
    ++runs;
  }
  std::printf("%d runs\n", runs);
}

INSTANTIATE_TEST_SUITE_P(Stories, Fencing, ::testing::Range(size_t{0}, Stories().size()),
                         [](const auto& info) { return Stories()[info.param].name; });

}  // namespace
}  // namespace deepseek::reconcile
