#include "operator/kube/controller.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>

#include "absl/time/clock.h"
#include "base/json_full.h"
#include "base/strings.h"
#include "tests/support/fake_api_server.h"

namespace deepseek::kube {
namespace {

using resources::kConfigMap;
using resources::kService;

class ControllerTest : public ::testing::Test {
 protected:
  void Write(const Resource& r, const std::string& ns, const std::string& name,
             const std::string& owner = "") {
    Json object{
        {"apiVersion", "v1"},
        {"kind", r.kind},
        {"metadata", {{"name", name}, {"labels", {{"owner", owner}, {"n", StrCat(++n_)}}}}}};
    ASSERT_TRUE(client_.Apply(r, ns, name, object, {.field_manager = "t"}).ok());
  }
  void Start(std::vector<std::string> namespaces = {}) {
    std::vector<Source> sources{
        {kConfigMap, "", [](const Json& object) { return KeyOf(object); }, nullptr},
        {kService, "owner",
         [](const Json& object) {
           return KeyOf(object.value("/metadata/namespace"_json_pointer, ""),
                        object.value("/metadata/labels/owner"_json_pointer, ""));
         },
         nullptr}};
    caches_ = std::make_unique<Caches>(client_, std::move(sources), std::move(namespaces),
                                       [] { return absl::Now(); });
    controller_ = std::make_unique<Controller>(
        *caches_, ControllerOptions{.on_take = [this](absl::Duration) { ++taken_; }},
        [this](std::string_view ns, std::string_view name) -> absl::StatusOr<absl::Duration> {
          const std::lock_guard lock(mutex_);
          ++runs_[StrCat(ns, "/", name)];
          if (fail_ > 0) {
            --fail_;
            return absl::UnavailableError("not now");
          }
          return again_;
        },
        [] { return absl::Now(); }, [] { return 0.0; });
    controller_->StartInformers();
  }
  int Runs(const std::string& key) {
    const std::lock_guard lock(mutex_);
    return runs_[key];
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

  std::shared_ptr<FakeApiServer> server_ = std::make_shared<FakeApiServer>();
  Client client_{server_};
  int n_ = 0;
  std::mutex mutex_;
  std::map<std::string, int> runs_;
  std::atomic<int> taken_{0};
  int fail_ = 0;
  absl::Duration again_ = absl::InfiniteDuration();
  std::unique_ptr<Caches> caches_;
  std::unique_ptr<Controller> controller_;
};

TEST_F(ControllerTest, NothingRunsBeforeTheWorkersStart) {
  Write(kConfigMap, "a", "x");
  Start();
  ASSERT_TRUE(Eventually([&] { return controller_->Synced(); }));
  EXPECT_EQ(Runs("a/x"), 0);
  controller_->StartWorkers();
  EXPECT_TRUE(Eventually([&] { return Runs("a/x") == 1; }));
}

TEST_F(ControllerTest, ChangesOfChildrenRunTheirOwner) {
  Write(kConfigMap, "a", "x");
  Start();
  controller_->StartWorkers();
  ASSERT_TRUE(Eventually([&] { return Runs("a/x") == 1; }));
  Write(kService, "a", "child", "x");
  EXPECT_TRUE(Eventually([&] { return Runs("a/x") == 2; }));
  ASSERT_TRUE(client_.Delete(kService, "a", "child").ok());
  EXPECT_TRUE(Eventually([&] { return Runs("a/x") == 3; }));
  EXPECT_EQ(Runs("a/child"), 0);
}

TEST_F(ControllerTest, FailuresComeAgain) {
  fail_ = 3;
  Write(kConfigMap, "a", "x");
  Start();
  controller_->StartWorkers();
  EXPECT_TRUE(Eventually([&] { return Runs("a/x") == 4; }));
  EXPECT_EQ(taken_, 4) << "each is told of, for the metrics";
  EXPECT_EQ(controller_->figures().adds, 4);
}

TEST_F(ControllerTest, ComesBackWhenItSaidSo) {
  again_ = absl::Milliseconds(1);
  Write(kConfigMap, "a", "x");
  Start();
  controller_->StartWorkers();
  EXPECT_TRUE(Eventually([&] { return Runs("a/x") >= 3; }));
}

TEST_F(ControllerTest, WatchesOnlyTheNamespacesGiven) {
  Write(kConfigMap, "a", "x");
  Write(kConfigMap, "b", "x");
  Write(kConfigMap, "c", "x");
  Start({"a", "c"});
  controller_->StartWorkers();
  EXPECT_TRUE(Eventually([&] { return Runs("a/x") == 1 && Runs("c/x") == 1; }));
  for (const std::string& call : server_->Calls(/*reads=*/true)) {
    EXPECT_FALSE(call.ends_with(" b") || call.ends_with(" b (initial events)")) << call;
  }
  EXPECT_EQ(Runs("b/x"), 0);
}

TEST_F(ControllerTest, StopsWithinItsDeadline) {
  again_ = absl::Milliseconds(1);
  Write(kConfigMap, "a", "x");
  Start();
  controller_->StartWorkers();
  ASSERT_TRUE(Eventually([&] { return Runs("a/x") >= 1; }));
  controller_->Stop();
  EXPECT_TRUE(controller_->Join(absl::Now() + absl::Seconds(20)));
  const int runs = Runs("a/x");
  Write(kConfigMap, "a", "x");
  EXPECT_EQ(Runs("a/x"), runs);
}

}  // namespace
}  // namespace deepseek::kube
