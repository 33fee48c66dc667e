#include "operator/kube/informer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "absl/time/clock.h"
#include "base/json_full.h"
#include "base/strings.h"
#include "tests/support/fake_api_server.h"

namespace deepseek::kube {
namespace {

using resources::kConfigMap;

class InformerTest : public ::testing::Test {
 protected:
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
    options.index = [](const Json& object) {
      return object.value("/metadata/labels/owner"_json_pointer, "");
    };
    options.on_change = [this](const Object&) { ++changes_; };
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

TEST_F(InformerTest, FollowsWhatWasThereAndWhatComes) {
  Write("a", "x", "1");
  Start();
  ASSERT_TRUE(Eventually([&] { return informer_->synced() && Value("a") == "1"; }));
  Write("b", "x", "1");
  Write("a", "y", "2");
  ASSERT_TRUE(Eventually([&] { return Value("a") == "2"; }));
  EXPECT_EQ(informer_->ByIndex("x").size(), 1u);
  EXPECT_EQ(informer_->ByIndex("y").size(), 1u);
  ASSERT_TRUE(client_.Delete(kConfigMap, "ns", "b").ok());
  ASSERT_TRUE(Eventually([&] { return informer_->All().size() == 1; }));
  EXPECT_TRUE(informer_->ByIndex("x").empty());
}

TEST_F(InformerTest, ListsAgainWhenTheWatchIsTooOld) {
  Write("a", "x", "1");
  Write("gone", "x", "1");
  Start();
  ASSERT_TRUE(Eventually([&] { return Value("gone") == "1"; }));
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
  const int before = changes_;
  server_->set_before(nullptr);
  ASSERT_TRUE(Eventually([&] { return Value("a") == "2"; }));
  ASSERT_TRUE(Eventually([&] { return informer_->All().size() == 1; }));
  // Exactly the change and the deletion are reported; a relist of unchanged objects says nothing.
  ASSERT_TRUE(Eventually([&] { return changes_.load() == before + 2; }));
}

TEST_F(InformerTest, ACutWatchGoesOnWithoutAList) {
  Write("a", "x", "1");
  Start();
  ASSERT_TRUE(Eventually([&] { return Value("a") == "1"; }));
  server_->ForgetCalls();
  server_->CutWatches();
  Write("a", "x", "2");
  ASSERT_TRUE(Eventually([&] { return Value("a") == "2"; }));
  for (const std::string& call : server_->Calls(/*reads=*/true)) {
    EXPECT_FALSE(call.starts_with("list")) << call;
  }
}

TEST_F(InformerTest, RefusalsAreRetriedWithBackoff) {
  std::atomic<int> refused{0};
  server_->set_before([&](const FakeCall& call) -> std::optional<absl::StatusOr<HttpResponse>> {
    if (call.verb != "list" || refused >= 3) return std::nullopt;
    ++refused;
    return FakeApiServer::Refusal(429, "TooManyRequests", "slow down");
  });
  Write("a", "x", "1");
  Start();
  ASSERT_TRUE(Eventually([&] { return Value("a") == "1"; }));
  EXPECT_DOUBLE_EQ(slept_.load(), 0.8 + 1.6 + 3.2);
}

TEST(ListBackoff, GrowsToHalfAMinuteAndSpreads) {
  EXPECT_EQ(ListBackoff(0, 0), absl::Milliseconds(800));
  EXPECT_EQ(ListBackoff(1, 0), absl::Milliseconds(1600));
  EXPECT_EQ(ListBackoff(100, 0), absl::Seconds(30));
  EXPECT_EQ(ListBackoff(100, 0.5), absl::Seconds(45));
}

}  // namespace
}  // namespace deepseek::kube
