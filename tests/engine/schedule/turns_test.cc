#include "engine/schedule/turns.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "engine/schedule/plan.h"

namespace deepseek::engine {
namespace {

/// Requests that wait for one place after the other, in the order of Senior.
class Queue {
 public:
  void Ask(const std::string& client, int count = 1, int32_t priority = 0) {
    for (int i = 0; i < count; ++i) {
      Sequence s;
      s.id = s.ticket = ++last_;
      s.priority = priority;
      s.turn = turns.Take(client);
      waiting_.push_back({s, client});
    }
  }
  void GiveUp(const std::string& client) {
    std::erase_if(waiting_, [&](const auto& w) { return w.second == client; });
    for (int64_t n = last_; n > 0 && turns.clients() > 0; --n) turns.Gone(client);
  }
  /// Who gets the next `places`.
  std::string Serve(int places) {
    std::string served;
    for (int i = 0; i < places && !waiting_.empty(); ++i) {
      const auto next =
          std::min_element(waiting_.begin(), waiting_.end(),
                           [](const auto& a, const auto& b) { return Senior(a.first, b.first); });
      turns.Served(next->second, next->first.turn);
      served += next->second.empty() ? "-" : next->second;
      waiting_.erase(next);
    }
    return served;
  }
  Turns turns;

 private:
  uint64_t last_ = 0;
  std::vector<std::pair<Sequence, std::string>> waiting_;
};

TEST(Turns, WhoAlwaysHasMoreToDoGetsPlacesByTurns) {
  Queue queue;
  queue.Ask("a", 4);
  queue.Ask("b", 2);
  queue.Ask("c", 3);
  EXPECT_EQ(queue.Serve(100), "abcabcaca");
}

TEST(Turns, WhoComesNewWaitsForOnePlaceHoweverManyWait) {
  Queue queue;
  queue.Ask("a", 100);
  EXPECT_EQ(queue.Serve(32), std::string(32, 'a'));
  queue.Ask("b");
  EXPECT_EQ(queue.Serve(3), "aba");
  queue.Ask("b");
  queue.Ask("b");
  EXPECT_EQ(queue.Serve(5), "ababa") << "it did not pay for having waited, nor get more";
}

TEST(Turns, NobodyIsOvertakenForEver) {
  Queue queue;
  queue.Ask("a", 10);
  std::string served;
  for (int i = 0; i < 100; ++i) {
    queue.Ask(std::string(1, static_cast<char>('A' + i % 26)));
    served += queue.Serve(1);
  }
  EXPECT_EQ(std::count(served.begin(), served.end(), 'a'), 10) << served;
}

TEST(Turns, WhatWasGivenUpIsNotPaidFor) {
  Queue queue;
  queue.Ask("a", 50);
  queue.GiveUp("a");
  queue.Ask("b", 2);
  queue.Ask("a", 2);
  EXPECT_EQ(queue.Serve(4), "baba");
}

TEST(Turns, PrioritiesGoBefore) {
  Queue queue;
  queue.Ask("a");
  queue.Ask("b", 2, 5);
  EXPECT_EQ(queue.Serve(3), "bba");
}

TEST(Turns, WithoutNamesTheOrderIsThatOfArrival) {
  Queue queue;
  queue.Ask("", 3);
  EXPECT_EQ(queue.turns.clients(), 0U);
  EXPECT_EQ(queue.Serve(3), "---");
  EXPECT_EQ(queue.turns.Next(""), 0);
}

TEST(Turns, NothingIsKeptOfWhoDoesNotWait) {
  Queue queue;
  queue.Ask("a", 2);
  queue.Ask("b");
  EXPECT_EQ(queue.turns.clients(), 2U);
  queue.Serve(3);
  EXPECT_EQ(queue.turns.clients(), 0U);
}

}  // namespace
}  // namespace deepseek::engine
