// Whatever field of whatever object is null or of another type, nothing throws: a pass ends with a
// plan.

#include <gtest/gtest.h>

#include "operator/api/names.h"
#include "operator/decide/decide.h"
#include "operator/decide/json_read.h"
#include "operator/reconcile/apply.h"
#include "operator/reconcile/observe.h"
#include "tests/operator/reconcile/harness.h"

namespace deepseek::reconcile {
namespace {

using kube::resources::kDeepSeekDeployment;

void AddPaths(const Json& json, const Json::json_pointer& at,
              std::vector<Json::json_pointer>* paths) {
  if (!at.empty()) paths->push_back(at);
  if (json.is_object()) {
    for (const auto& [key, value] : json.items()) AddPaths(value, at / key, paths);
  } else if (json.is_array()) {
    for (size_t i = 0; i < json.size(); ++i) AddPaths(json[i], at / i, paths);
  }
}

// `object` with each of its fields replaced in turn, and without a shape at all.
std::vector<Json> Spoiled(const Json& object) {
  std::vector<Json> out = {Json(), Json(7), Json("x"), Json::array(), Json::object()};
  std::vector<Json::json_pointer> paths;
  AddPaths(object, Json::json_pointer(), &paths);
  for (const Json::json_pointer& path : paths) {
    for (const Json& value : {Json(), object[path].is_string() ? Json(7) : Json("x"),
                              object[path].is_object() ? Json::array({Json()}) : Json::object()}) {
      out.push_back(object);
      out.back()[path] = value;
    }
  }
  return out;
}

class HostileObjectsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    h_.Apply("demo", Spec({{"replicas", 2}, {"observability", {{"podMonitor", Json::object()}}}}));
    h_.Converge("demo");
    h_.Apply("demo", Spec({{"replicas", 2},
                           {"engine", {{"maxBatch", 2}}},
                           {"workload", {{"template", {{"spec", {{"dnsPolicy", "Default"}}}}}}}}));
    ASSERT_TRUE(h_.Until([&] { return h_.Pods().size() >= 3; }));
    h_.process->Pump();
    world_ = *Observe(h_.process->caches, kNamespace, "demo");
    ASSERT_GE(world_.pods.size(), 3u);
    world_.events.push_back(std::make_shared<const Json>(
        Json{{"metadata", {{"name", "e"}, {"creationTimestamp", "2023-11-14T22:13:20Z"}}},
             {"reason", "FailedMount"},
             {"note", "no volume"},
             {"type", "Warning"},
             {"eventTime", "2023-11-14T22:13:20.000000Z"},
             {"deprecatedCount", 3},
             {"deprecatedLastTimestamp", "2023-11-14T22:13:20Z"},
             {"series", {{"count", 2}, {"lastObservedTime", "2023-11-14T22:13:20.000000Z"}}},
             {"regarding", {{"kind", "Pod"}, {"uid", world_.pods[0]->at("metadata").at("uid")}}}}));
    world_.agents_asked = true;
    for (const auto& pod : world_.pods) {
      world_.agents[pod->at("metadata").at("uid")] = std::make_shared<const Json>(
          Json{{"state", "loading"},
               {"loaded_bytes", 1},
               {"total_bytes", 2},
               {"model", {{"family", "f"}, {"parameters", 3}, {"digest", "sha256:0"}}}});
    }
  }

  void Decide(const decide::Cluster& cluster) {
    NeedsEvents(cluster);
    const decide::Plan plan = decide::Decide(decide::Read(cluster), h_.defaults(), h_.now);
    render::RenderTrial(plan);
    (void)FindChanges(cluster, render::Render(plan), plan.deletions);
  }

  // Of every object of `objects` one after the other.
  void SpoilEach(std::vector<decide::Object>* objects, const decide::Cluster& cluster) {
    for (decide::Object& object : *objects) {
      const decide::Object whole = object;
      for (const Json& spoiled : Spoiled(*whole)) {
        object = std::make_shared<const Json>(spoiled);
        EXPECT_NO_THROW(Decide(cluster)) << spoiled;
      }
      object = whole;
    }
  }

  Harness h_;
  decide::Cluster world_;
};

TEST_F(HostileObjectsTest, Children) {
  SpoilEach(&world_.children, world_);
}

TEST_F(HostileObjectsTest, PodsAndTheirEvents) {
  SpoilEach(&world_.pods, world_);
  SpoilEach(&world_.events, world_);
}

TEST_F(HostileObjectsTest, WhatAgentsAnswer) {
  for (auto& [uid, answer] : world_.agents) {
    const decide::Object whole = answer;
    for (const Json& spoiled : Spoiled(*whole)) {
      answer = std::make_shared<const Json>(spoiled);
      EXPECT_NO_THROW(Decide(world_)) << spoiled;
    }
    answer = whole;
  }
}

TEST_F(HostileObjectsTest, TheDeepSeekDeployment) {
  for (const Json& spoiled : Spoiled(*world_.dsd)) {
    decide::Cluster cluster = world_;
    cluster.dsd = std::make_shared<const Json>(spoiled);
    EXPECT_NO_THROW(Decide(cluster)) << spoiled;
  }
}

TEST_F(HostileObjectsTest, NorDoTheCaches) {
  kube::Caches& caches = h_.process->caches;
  const auto see = [&](const kube::Resource& kind, const Json& whole) {
    for (const Json& spoiled : Spoiled(whole)) {
      EXPECT_NO_THROW(caches.Saw(kind, spoiled)) << spoiled;
      EXPECT_NO_THROW((void)Observe(caches, kNamespace, "demo")) << spoiled;
    }
  };
  see(kDeepSeekDeployment, *world_.dsd);
  for (const auto& child : world_.children) {
    see(*ResourceOf(decide::TextAt(*child, "/kind")), *child);
  }
  for (const auto& pod : world_.pods) see(kube::resources::kPod, *pod);
}

}  // namespace
}  // namespace deepseek::reconcile
