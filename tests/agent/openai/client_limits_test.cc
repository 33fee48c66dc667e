#include "agent/openai/client_limits.h"

#include <gtest/gtest.h>

#include <optional>

#include "agent/openai/error.h"

namespace deepseek::agent {
namespace {

TEST(ClientLimits, OneClientHasSoManyAndTheOthersTheirs) {
  const auto limits = ClientLimits::Make(3);
  auto two = limits->Take("alice", 2);
  ASSERT_TRUE(two.ok()) << two.status();
  const auto full = limits->Take("alice", 2);
  const ApiError error = FromStatus(full.status());
  EXPECT_EQ(error.http_status, 429);
  EXPECT_EQ(error.code, "client_limit");
  EXPECT_EQ(error.message,
            "this API key has 2 answers in progress, of at most 3 (--max-requests-per-key), no "
            "room for 2 more: wait for one of them to end");
  EXPECT_TRUE(limits->Take("bob", 3).ok());
  auto third = limits->Take("alice", 1);
  EXPECT_TRUE(third.ok());
  EXPECT_EQ(limits->InProgress("alice"), 3);
  two->GiveBack();
  two->GiveBack();
  EXPECT_EQ(limits->InProgress("alice"), 1) << "once is enough";
  EXPECT_TRUE(limits->Take("alice", 2).ok());
}

TEST(ClientLimits, PlacesGoWithTheirHolderAndNothingIsKept) {
  const auto limits = ClientLimits::Make(3);
  {
    ClientLimits::Places kept;
    {
      ClientLimits::Places first = *limits->Take("alice", 1);
      kept = std::move(first);
    }
    EXPECT_EQ(limits->InProgress("alice"), 1);
    kept = *limits->Take("bob", 2);
    EXPECT_EQ(limits->InProgress("alice"), 0);
    EXPECT_EQ(limits->InProgress("bob"), 2);
    EXPECT_EQ(limits->clients(), 1U);
  }
  EXPECT_EQ(limits->clients(), 0U);
}

TEST(ClientLimits, MoreThanEverFitsIsWrongNotBusy) {
  const auto limits = ClientLimits::Make(3);
  const ApiError error = FromStatus(limits->Take("alice", 4).status());
  EXPECT_EQ(error.http_status, 400);
  EXPECT_EQ(error.param, "n");
  EXPECT_EQ(limits->clients(), 0U);
}

TEST(ClientLimits, WithoutALimitOrANameNothingIsCounted) {
  const auto none = ClientLimits::Make(0);
  EXPECT_TRUE(none->Take("alice", 1'000'000).ok());
  const auto limits = ClientLimits::Make(1);
  const auto first = limits->Take("", 100);
  EXPECT_TRUE(first.ok());
  EXPECT_EQ(limits->clients(), 0U);
}

}  // namespace
}  // namespace deepseek::agent
