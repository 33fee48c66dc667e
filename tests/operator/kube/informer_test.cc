#include "operator/kube/informer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "base/json_full.h"
#include "base/strings.h"
#include "tests/support/fake_api_server.h"

namespace deepseek::kube {
namespace {

using resources::kConfigMap;

// With a server that streams lists, and with one that does not.
class InformerTest : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override { server_->set_watch_list(GetParam()); }
  void TearDown() override {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }

  void Write(const std::string& name, const std::string& owner, const std::string& value) {
    const Json object{
        {"apiVersion", "v1"},
        {"kind", "ConfigMap"},
        {"metadata", {{"name", name}, {"labels", {{"watched", "yes"}, {"owner", owner}}}}},
        {"data", {{"v", value}}}};
    ASSERT_TRUE(client_.Apply(kConfigMap, "ns", name, object, {.field_manager = "t"}).ok());
  }

  void Start() {
    InformerOptions options;
    options.resource = kConfigMap;
    options.list.label_selector = "watched=yes";
    options.cache.index = [](const Json& object) {
      return object.value("/metadata/labels/owner"_json_pointer, "");
    };
    options.on_change = [this](const Json&) { ++changes_; };
    informer_ = std::make_unique<Informer>(client_, std::move(options));
    thread_ = std::thread([this] {
      informer_->Run({.stop = [this] { return stop_.load(); },
                      .sleep =
                          [this](absl::Duration d) {
                            slept_ = slept_.load() + absl::ToDoubleSeconds(d);
                            std::this_thread::yield();
                          },
                      .chance = [] { return 0.0; }});
    });
  }

  /// Until the first list is over and its objects were reported: what happens from then on is news.
  bool Synced(int objects) {
    return Eventually([&] { return informer_->synced() && changes_.load() == objects; });
  }

  template <typename F>
  bool Eventually(F condition) {
    const absl::Time deadline = absl::Now() + absl::Seconds(20);
    while (!condition()) {
      if (absl::Now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }
  std::string Value(const std::string& name) const {
    const Object object = informer_->Get("ns", name);
    return object == nullptr ? "" : object->value("/data/v"_json_pointer, "");
  }

  std::shared_ptr<FakeApiServer> server_ = std::make_shared<FakeApiServer>();
  Client client_{server_};
  std::unique_ptr<Informer> informer_;
  std::atomic<bool> stop_{false};
  std::atomic<int> changes_{0};
  std::atomic<double> slept_{0};
  std::thread thread_;
};

TEST_P(InformerTest, FollowsWhatWasThereAndWhatComes) {
  Write("a", "x", "1");
  Start();
  ASSERT_TRUE(Eventually([&] { return informer_->synced() && Value("a") == "1"; }));
  Write("b", "x", "1");
  Write("a", "y", "2");
  ASSERT_TRUE(Eventually([&] { return Value("a") == "2"; }));
  EXPECT_EQ(informer_->cache().ByIndex("x").size(), 1u);
  EXPECT_EQ(informer_->cache().ByIndex("y").size(), 1u);
  ASSERT_TRUE(client_.Delete(kConfigMap, "ns", "b").ok());
  ASSERT_TRUE(Eventually([&] { return informer_->cache().All().size() == 1; }));
  EXPECT_TRUE(informer_->cache().ByIndex("x").empty());
}

TEST_P(InformerTest, ListsAgainWhenTheWatchIsTooOld) {
  Write("a", "x", "1");
  Write("gone", "x", "1");
  Start();
  ASSERT_TRUE(Synced(2));
  // The watch ends, and what happens meanwhile is compacted away.
  server_->set_before([](const FakeCall& call) -> std::optional<absl::StatusOr<HttpResponse>> {
    if (call.verb != "watch" && call.verb != "list") return std::nullopt;
    return absl::UnavailableError("cut");
  });
  server_->CutWatches();
  ASSERT_TRUE(Eventually([&] { return slept_.load() > 0; }));
  Write("a", "x", "2");
  ASSERT_TRUE(client_.Delete(kConfigMap, "ns", "gone").ok());
  server_->Compact();
  server_->set_before(nullptr);
  ASSERT_TRUE(Eventually([&] { return Value("a") == "2"; }));
  ASSERT_TRUE(Eventually([&] { return informer_->cache().All().size() == 1; }));
  // Exactly the change and the deletion are reported; a relist of unchanged objects says nothing.
  ASSERT_TRUE(Eventually([&] { return changes_.load() == 4; }));
}

TEST_P(InformerTest, WhatTheAnswerHasToldIsNoNewsAndTheWatchGoesOnBehindIt) {
  Write("a", "x", "1");
  Start();
  ASSERT_TRUE(Synced(1));
  // The watch hears of it after the answer to the same write.
  server_->set_before([](const FakeCall& call) -> std::optional<absl::StatusOr<HttpResponse>> {
    if (call.verb != "watch") return std::nullopt;
    return absl::UnavailableError("cut");
  });
  server_->CutWatches();
  ASSERT_TRUE(Eventually([&] { return slept_.load() > 0; }));
  Write("a", "x", "2");
  const absl::StatusOr<Object> written = client_.Get(kConfigMap, "ns", "a");
  ASSERT_TRUE(written.ok());
  informer_->Saw(**written);
  server_->set_before(nullptr);
  Write("b", "x", "1");
  ASSERT_TRUE(Eventually([&] { return Value("b") == "1"; }));
  EXPECT_EQ(Value("a"), "2");
  ASSERT_TRUE(Eventually([&] { return changes_.load() >= 2; }));
  EXPECT_EQ(changes_, 2) << "a was reported when it was listed, then b";
}

TEST_P(InformerTest, ACutWatchGoesOnWithoutAList) {
  Write("a", "x", "1");
  Start();
  ASSERT_TRUE(Synced(1));
  server_->ForgetCalls();
  server_->CutWatches();
  Write("a", "x", "2");
  ASSERT_TRUE(Eventually([&] { return Value("a") == "2"; }));
  for (const std::string& call : server_->Calls(/*reads=*/true)) {
    EXPECT_FALSE(call.starts_with("list") || call.ends_with("(initial events)")) << call;
  }
}

TEST_P(InformerTest, RefusalsAreRetriedWithBackoff) {
  std::atomic<int> refused{0};
  server_->set_before([&](const FakeCall& call) -> std::optional<absl::StatusOr<HttpResponse>> {
    if ((call.verb != "list" && !call.initial_events) || refused >= 3) return std::nullopt;
    ++refused;
    return FakeApiServer::Refusal(429, "TooManyRequests", "slow down");
  });
  Write("a", "x", "1");
  Start();
  ASSERT_TRUE(Eventually([&] { return Value("a") == "1"; }));
  EXPECT_DOUBLE_EQ(slept_.load(), 0.8 + 1.6 + 3.2);
}

TEST_P(InformerTest, ListsAsTheServerOffers) {
  Write("a", "x", "1");
  Start();
  ASSERT_TRUE(Eventually([&] { return informer_->synced(); }));
  int lists = 0;
  for (const std::string& call : server_->Calls(/*reads=*/true)) {
    lists += call.starts_with("list") ? 1 : 0;
  }
  EXPECT_EQ(lists, GetParam() ? 0 : 1);
}

TEST_P(InformerTest, AnsweredWritesAreReadAtOnceAndOlderEventsDoNotUndoThem) {
  Write("a", "x", "1");
  Start();
  ASSERT_TRUE(Synced(1));
  stop_ = true;
  thread_.join();
  Write("a", "x", "2");
  Write("a", "x", "3");
  informer_->Saw(*server_->Find(kConfigMap, "ns", "a"));
  EXPECT_EQ(Value("a"), "3");
  const int before = changes_;
  ASSERT_TRUE(informer_->Pump().ok());  // tells of 2 and of 3
  EXPECT_EQ(Value("a"), "3");
  EXPECT_EQ(changes_, before) << "it was known";
}

TEST_P(InformerTest, AnEventThatWasLostForGoodIsMadeUpForByTheNextList) {
  absl::Time now = absl::UnixEpoch();
  InformerOptions options;
  options.resource = kConfigMap;
  options.relist = absl::Hours(8);
  options.monotonic = [&] { return now; };
  Informer informer(client_, std::move(options));
  ASSERT_TRUE(informer.Pump().ok());
  server_->set_event_fate([](int, const StoredEvent&) { return EventFate::kDrop; });
  Write("a", "x", "1");
  now += absl::Hours(7);
  ASSERT_TRUE(informer.Pump().ok());
  EXPECT_EQ(informer.Get("ns", "a"), nullptr);
  now += absl::Hours(1);
  ASSERT_TRUE(informer.Pump().ok());
  EXPECT_NE(informer.Get("ns", "a"), nullptr);
}

TEST_P(InformerTest, AnOptionalKindMayBeUnknownComeAndGo) {
  server_->set_served("/configmaps", false);
  int served = 0;
  std::vector<std::string> changed;
  InformerOptions options;
  options.resource = kConfigMap;
  options.optional = true;
  options.on_served = [&] { ++served; };
  options.on_change = [&](const Json& object) { changed.push_back(KeyOf(object)); };
  Informer informer(client_, std::move(options));
  EXPECT_TRUE(informer.served()) << "nothing else is known yet";
  ASSERT_TRUE(informer.Pump().ok());
  EXPECT_TRUE(informer.synced()) << "nobody waits for it";
  EXPECT_FALSE(informer.served());

  server_->set_served("/configmaps", true);
  Write("a", "x", "1");
  ASSERT_TRUE(informer.Pump().ok());
  EXPECT_TRUE(informer.served());
  EXPECT_EQ(served, 1);
  EXPECT_NE(informer.Get("ns", "a"), nullptr);

  server_->set_served("/configmaps", false);
  ASSERT_TRUE(informer.Pump().ok());
  EXPECT_FALSE(informer.served());
  EXPECT_EQ(informer.Get("ns", "a"), nullptr);
  EXPECT_EQ(changed, (std::vector<std::string>{"ns/a", "ns/a"})) << "it came and went";
  EXPECT_EQ(served, 1);
}

TEST_P(InformerTest, AKindThatMustBeThereIsAskedForUntilItIs) {
  server_->set_served("/configmaps", false);
  InformerOptions options;
  options.resource = kConfigMap;
  Informer informer(client_, std::move(options));
  EXPECT_TRUE(absl::IsNotFound(informer.Pump()));
  EXPECT_FALSE(informer.synced());
}

INSTANTIATE_TEST_SUITE_P(Servers, InformerTest, ::testing::Bool(), [](const auto& info) {
  return info.param ? "StreamsLists" : "ListsInPages";
});

// How an informer of a kind to which nothing happens sleeps between its first eight watches, each
// of which ends after `life`.
std::vector<absl::Duration> SleepsAfterQuietWatches(absl::Duration life, bool cut) {
  const auto server = std::make_shared<FakeApiServer>();
  server->set_watch_list(false);
  absl::Time now = absl::UnixEpoch();
  int watches = 0;
  server->set_before([&](const FakeCall& call) -> std::optional<absl::StatusOr<HttpResponse>> {
    if (call.verb != "watch" || call.initial_events) return std::nullopt;
    ++watches;
    now += life;
    if (cut) return absl::UnavailableError("cut");
    return HttpResponse{.code = 200, .headers = {}, .body = ""};
  });
  InformerOptions options;
  options.resource = kConfigMap;
  options.monotonic = [&] { return now; };
  Informer informer(Client(server), std::move(options));
  std::vector<absl::Duration> slept;
  informer.Run({.stop = [&] { return watches == 8; },
                .sleep = [&](absl::Duration d) { slept.push_back(d); },
                .chance = [] { return 0.0; }});
  return slept;
}

TEST(QuietWatches, ThatLivedForAWhileAreNoFailures) {
  const absl::Duration first = ListBackoff(0, 0);
  EXPECT_EQ(SleepsAfterQuietWatches(absl::Minutes(5), /*cut=*/false),
            std::vector<absl::Duration>());
  EXPECT_EQ(SleepsAfterQuietWatches(absl::Seconds(10), /*cut=*/true),
            std::vector<absl::Duration>(7, first));
}

TEST(QuietWatches, ThatEndAtOnceAreAskedForEverMoreSeldom) {
  for (const bool cut : {false, true}) {
    const std::vector<absl::Duration> slept = SleepsAfterQuietWatches(absl::Seconds(9), cut);
    ASSERT_GE(slept.size(), 4U);
    EXPECT_EQ(slept.back(), ListBackoff(static_cast<int>(slept.size()) - 1, 0));
  }
}

TEST(ListBackoff, GrowsToHalfAMinuteAndSpreads) {
  EXPECT_EQ(ListBackoff(0, 0), absl::Milliseconds(800));
  EXPECT_EQ(ListBackoff(1, 0), absl::Milliseconds(1600));
  EXPECT_EQ(ListBackoff(100, 0), absl::Seconds(30));
  EXPECT_EQ(ListBackoff(100, 0.5), absl::Seconds(45));
}

}  // namespace
}  // namespace deepseek::kube
