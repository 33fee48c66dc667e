// Lists and watches.
#include <vector>

#include "base/status.h"
#include "operator/kube/object_cache.h"
#include "tests/operator/kube/conformance_fixture.h"

namespace deepseek::kube {
namespace {

using resources::kConfigMap;

TEST_F(Conformance, ListsPagesBySelector) {
  for (int i = 0; i < 7; ++i) MustApply(kConfigMap, ConfigMap(StrCat("c-", i)));
  const auto list = client_->ListAll(
      kConfigMap,
      {.ns = ns_, .label_selector = "conformance=yes", .field_selector = "", .page_size = 3});
  ASSERT_TRUE(list.ok()) << list.status();
  ASSERT_EQ(list->items.size(), 7u);
  EXPECT_EQ(At(list->items[6], "/metadata/name"), "c-6");
  EXPECT_EQ(At(list->items[6], "/kind"), "ConfigMap");
  EXPECT_EQ(At(list->items[6], "/apiVersion"), "v1");
  EXPECT_FALSE(list->resource_version.empty());
  const auto one = client_->ListAll(kConfigMap, {.ns = ns_,
                                                 .label_selector = "conformance in (yes),!absent",
                                                 .field_selector = "metadata.name=c-3"});
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_EQ(one->items.size(), 1u);
}

TEST_F(Conformance, WatchDeliversInOrderAndBySelector) {
  MustApply(kConfigMap, ConfigMap("before"));
  const ListOptions options{.ns = ns_, .label_selector = "conformance=yes", .field_selector = ""};
  const auto list = client_->ListAll(kConfigMap, options);
  ASSERT_TRUE(list.ok()) << list.status();
  MustApply(kConfigMap, ConfigMap("a", {{"x", "1"}}));
  MustApply(kConfigMap, ConfigMap("a", {{"x", "2"}}));
  // No label any more: to this watcher the object is deleted.
  ASSERT_TRUE(client_
                  ->MergePatch(kConfigMap, ns_, "a",
                               {{"metadata", {{"labels", {{"conformance", "no"}}}}}}, "me")
                  .ok());
  ASSERT_TRUE(client_->Delete(kConfigMap, ns_, "before").ok());

  std::vector<std::string> seen;
  const absl::Status end = client_->Watch(
      kConfigMap, options, list->resource_version,
      [&](const WatchEvent& event) {
        if (event.type == WatchEventType::kBookmark) return;
        seen.push_back(
            StrCat(static_cast<int>(event.type), " ", At(event.object, "/metadata/name")));
        EXPECT_EQ(At(event.object, "/metadata/managedFields"), "(none)");
      },
      [&] { return seen.size() >= 4; });
  EXPECT_TRUE(end.ok()) << end;
  EXPECT_EQ(seen, (std::vector<std::string>{"0 a", "1 a", "2 a", "2 before"}));
}

TEST_F(Conformance, AListAsAStreamEndsWithABookmarkAndGoesOnAsAWatch) {
  MustApply(kConfigMap, ConfigMap("a"));
  MustApply(kConfigMap, ConfigMap("b"));
  Json other = ConfigMap("not selected");
  other["metadata"] = {{"name", "c"}};
  MustApply(kConfigMap, other);
  std::vector<std::string> seen;
  const absl::Status end = client_->WatchList(
      kConfigMap, {.ns = ns_, .label_selector = "conformance=yes", .field_selector = ""},
      [&](const WatchEvent& event) {
        if (event.initial_events_end) {
          EXPECT_GT(VersionOf(*event.object), 0);
          seen.emplace_back("end");
          MustApply(kConfigMap, ConfigMap("a", {{"x", "1"}}));
          return;
        }
        if (event.type == WatchEventType::kBookmark) return;
        seen.push_back(
            StrCat(static_cast<int>(event.type), " ", At(event.object, "/metadata/name")));
        EXPECT_EQ(At(event.object, "/metadata/managedFields"), "(none)");
      },
      [&] { return seen.size() >= 4; });
  if (IsRealServer() && absl::IsInvalidArgument(end)) {
    GTEST_SKIP() << "a server before 1.32 does not offer it: " << end;
  }
  EXPECT_TRUE(end.ok()) << end;
  EXPECT_EQ(seen, (std::vector<std::string>{"0 a", "0 b", "end", "1 a"}));
}

TEST_F(Conformance, WatchFromTheDistantPastIsTooOld) {
  const absl::Time deadline = absl::Now() + absl::Seconds(3);
  const absl::Status end = client_->Watch(
      kConfigMap, {.ns = ns_, .label_selector = "", .field_selector = ""}, "1",
      [](const WatchEvent&) {}, [&] { return absl::Now() > deadline; });
  // A server that was started minutes ago still remembers everything.
  if (IsRealServer() && end.ok()) GTEST_SKIP() << "this API server has not compacted yet";
  EXPECT_TRUE(absl::IsOutOfRange(end)) << end;
}

}  // namespace
}  // namespace deepseek::kube
