// What Events warn of: read once for a namespace, however many objects are in it, and no reason to
// stop when it cannot be read.
#include "operator/reconcile/warnings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <thread>

#include "base/json_full.h"
#include "base/strings.h"
#include "tests/operator/reconcile/harness.h"

namespace deepseek::reconcile {
namespace {

using kube::resources::kEvent;
using kube::resources::kPod;
using Answer = std::optional<absl::StatusOr<kube::HttpResponse>>;

bool IsListOfEvents(const kube::FakeCall& call) {
  return call.verb == "list" && call.collection == "events.k8s.io/events";
}

void Warn(kube::FakeApiServer* server, const std::string& ns, const std::string& name,
          const Json& pod_uid) {
  const Json event = {{"apiVersion", "events.k8s.io/v1"},
                      {"kind", "Event"},
                      {"metadata", {{"name", name}, {"namespace", ns}}},
                      {"type", "Warning"},
                      {"reason", "FailedMount"},
                      {"note", "no volume"},
                      {"regarding", {{"kind", "Pod"}, {"uid", pod_uid}}}};
  const auto made = server->SendAsController({.method = "POST",
                                              .path = kube::CollectionPath(kEvent, ns),
                                              .headers = {{"Content-Type", "application/json"}},
                                              .body = DumpJson(event)});
  ASSERT_EQ(made.code, 201) << made.body;
}

int Lists(const kube::FakeApiServer& server) {
  const std::vector<std::string> calls = server.Calls(/*reads=*/true);
  return static_cast<int>(std::count_if(calls.begin(), calls.end(), [](const std::string& call) {
    return call.starts_with("list events.k8s.io/events");
  }));
}

class WarningsTest : public ::testing::Test {
 protected:
  size_t About(const std::string& uid, const std::string& ns = "ns") {
    return warnings_.About({std::make_shared<const Json>(Json{{"metadata", {{"uid", uid}}}})}, ns)
        .size();
  }
  void Fail(bool fails) {
    server_->set_before([fails](const kube::FakeCall& call) -> Answer {
      if (!fails || !IsListOfEvents(call)) return std::nullopt;
      return kube::FakeApiServer::Refusal(500, "InternalError", "the store of events is away");
    });
  }

  std::shared_ptr<kube::FakeApiServer> server_ = std::make_shared<kube::FakeApiServer>();
  kube::Client client_{server_};
  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  Warnings warnings_{client_, [this] { return now_; }};
};

TEST_F(WarningsTest, OneListIsForAllObjectsOfANamespaceForFourSeconds) {
  Warn(server_.get(), "ns", "one", "a");
  Warn(server_.get(), "ns", "two", "b");
  Warn(server_.get(), "other", "three", "a");
  EXPECT_EQ(About("a"), 1U);
  EXPECT_EQ(About("b"), 1U) << "each its own";
  EXPECT_EQ(About("c"), 0U);
  EXPECT_EQ(Lists(*server_), 1);
  EXPECT_EQ(About("b", "other"), 0U);
  EXPECT_EQ(Lists(*server_), 2);
  Warn(server_.get(), "ns", "four", "c");
  now_ += absl::Seconds(3);
  EXPECT_EQ(About("c"), 0U);
  now_ += absl::Seconds(1);
  EXPECT_EQ(About("c"), 1U);
  EXPECT_EQ(Lists(*server_), 3);
}

TEST_F(WarningsTest, WhatWasReadLastStaysWhileItCannotBeRead) {
  Warn(server_.get(), "ns", "one", "a");
  EXPECT_EQ(About("a"), 1U);
  Fail(true);
  for (int i = 0; i < 10; ++i, now_ += absl::Seconds(4)) EXPECT_EQ(About("a"), 1U);
  EXPECT_EQ(About("a", "another"), 0U) << "nothing was ever read there";
}

TEST_F(WarningsTest, AFailureIsTriedAgainAfterFourSecondsThenLaterAndLater) {
  Fail(true);
  const absl::Time begin = now_;
  std::vector<int64_t> at;
  for (; now_ < begin + absl::Seconds(245); now_ += absl::Seconds(1)) {
    const int before = Lists(*server_);
    for (int i = 0; i < 3; ++i) About("a");
    if (Lists(*server_) != before) at.push_back(absl::ToInt64Seconds(now_ - begin));
  }
  EXPECT_THAT(at, ::testing::ElementsAre(0, 4, 12, 28, 60, 120, 180, 240));
  Fail(false);
  Warn(server_.get(), "ns", "one", "a");
  now_ = begin + absl::Seconds(300);
  EXPECT_EQ(About("a"), 1U);
  now_ += absl::Seconds(4);
  const int before = Lists(*server_);
  About("a");
  EXPECT_EQ(Lists(*server_), before + 1) << "what went well starts from the beginning";
}

TEST_F(WarningsTest, AClockThatIsSetBackHoldsUpNothing) {
  About("a");
  now_ -= absl::Hours(1);
  Warn(server_.get(), "ns", "one", "a");
  EXPECT_EQ(About("a"), 1U);
}

TEST_F(WarningsTest, NamespacesThatNobodyAsksAboutAreForgotten) {
  for (int i = 0; i < 100; ++i) About("a", StrCat("ns-", i));
  EXPECT_EQ(warnings_.size(), 100U);
  for (int i = 0; i < 120; ++i, now_ += absl::Seconds(1)) About("a", "ns-7");
  EXPECT_EQ(warnings_.size(), 1U);
}

TEST_F(WarningsTest, WhileOneReadsOthersGoOnWithWhatIsKnown) {
  Warn(server_.get(), "ns", "one", "a");
  About("a");
  now_ += absl::Seconds(4);
  std::optional<size_t> meanwhile;
  server_->set_before([&](const kube::FakeCall& call) -> Answer {
    if (IsListOfEvents(call)) std::thread([&] { meanwhile = About("a"); }).join();
    return std::nullopt;
  });
  About("a");
  EXPECT_EQ(meanwhile, 1U);
  EXPECT_EQ(Lists(*server_), 2);
}

TEST_F(WarningsTest, WhereNothingIsKnownYetAllWaitForTheSameList) {
  constexpr int kThreads = 8;
  Warn(server_.get(), "ns", "one", "a");
  std::atomic<int> here{0}, told{0};
  server_->set_before([&](const kube::FakeCall& call) -> Answer {
    while (IsListOfEvents(call) && here < kThreads) std::this_thread::yield();
    return std::nullopt;
  });
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      ++here;
      told += static_cast<int>(About("a"));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(told, kThreads);
  EXPECT_EQ(Lists(*server_), 1);
}

class WarningsOfAReconcilerTest : public ::testing::Test {
 protected:
  WarningsOfAReconcilerTest() { h_.workloads.set_fate("", kube::FakeWorkloads::Fate::kPending); }
  void Rounds(int seconds) {
    for (int i = 0; i < seconds; ++i, h_.now += absl::Seconds(1)) h_.Round();
  }
  Harness h_;
};

TEST_F(WarningsOfAReconcilerTest, TheObjectsOfANamespaceShareThemAndAreToldWithinTenSeconds) {
  constexpr int kObjects = 20;
  for (int i = 0; i < kObjects; ++i) h_.Apply(StrCat("demo-", i), Spec());
  Rounds(20);
  ASSERT_EQ(h_.Pods().size(), size_t{kObjects});
  h_.server->ForgetCalls();
  Rounds(60);
  EXPECT_GE(Lists(*h_.server), 5);
  EXPECT_LE(Lists(*h_.server), 16) << "a list in four seconds, not four a second";
  for (const std::string& pod : h_.Pods()) {
    Warn(h_.server.get(), kNamespace, "about-" + pod, h_.Get(kPod, pod)["metadata"]["uid"]);
  }
  Rounds(10);
  for (int i = 0; i < kObjects; ++i)
    EXPECT_EQ(h_.Condition(StrCat("demo-", i), "Ready"), "False VolumeNotReady") << i;
}

TEST_F(WarningsOfAReconcilerTest, WhereTheyCannotBeReadAllElseGoesOn) {
  h_.server->set_before([](const kube::FakeCall& call) -> Answer {
    if (!IsListOfEvents(call)) return std::nullopt;
    return absl::DeadlineExceededError("no answer");
  });
  h_.Apply("demo", Spec());
  Rounds(10);
  EXPECT_EQ(h_.Pods().size(), 1U);
  EXPECT_EQ(h_.Condition("demo", "Ready"), "False Creating");
  h_.Apply("demo", Spec({{"replicas", 3}}));
  Rounds(10);
  EXPECT_EQ(h_.Pods().size(), 3U);
  h_.server->set_before(nullptr);
  Warn(h_.server.get(), kNamespace, "why", h_.Get(kPod, h_.Pods().at(0))["metadata"]["uid"]);
  Rounds(40);
  EXPECT_EQ(h_.Condition("demo", "Ready"), "False VolumeNotReady");
}

}  // namespace
}  // namespace deepseek::reconcile
