// Objects are made, edited, scaled and deleted by chance, pods live or fail, people interfere, the
// operator restarts. Whenever the world is left alone it comes to rest, and then every object
// either serves as it says or says what is wrong.
//
// DEEPSEEK_TRANSITIONS=N: how many (unset: 10,000).

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/log.h"
#include "base/strings.h"
#include "operator/api/deepseek_deployment.h"
#include "operator/api/names.h"
#include "operator/decide/json_read.h"
#include "tests/operator/reconcile/harness.h"
#include "tests/operator/reconcile/random_spec.h"

namespace deepseek::reconcile {
namespace {

using decide::IntegerAt;
using decide::TextAt;
using kube::FakeWorkloads;
using kube::resources::kDeepSeekDeployment;
using kube::resources::kDeployment;

constexpr int kTransitionsPerWorld = 50;
constexpr int kNames = 3;

int Transitions() {
  const char* n = std::getenv("DEEPSEEK_TRANSITIONS");
  return n == nullptr ? 10000 : std::atoi(n);
}

class World {
 public:
  explicit World(uint64_t seed) : chance_(seed) {
    // The API server's schema and rules stand before the operator.
    h_.server->set_admission([](const Json& object, const Json*) -> std::string {
      if (object.value("kind", "") != api::kKind) return "";
      return std::string(ToStd(api::Parse(object).status().message()));
    });
  }

  void Transition() {
    const std::string name = StrCat("m", chance_.Below(kNames));
    const Json before = h_.Get(kDeepSeekDeployment, name);
    const int what = chance_.Below(20);
    if (before.is_null() || what < 2) {
      Put(name, before, chance_.Make());
    } else if (what < 12) {
      Put(name, before, chance_.Edit(before["spec"]));
    } else if (what < 14) {
      Json spec = before["spec"];
      spec["replicas"] = chance_.Below(4);
      Put(name, before, spec);
    } else if (what < 15) {
      h_.Delete(name);
    } else if (what < 17) {
      fate_ = kFates[chance_.Below(static_cast<int>(std::size(kFates)))];
      h_.workloads.set_fate("", fate_, "as chance had it");
    } else if (what < 18) {
      h_.Restart();
    } else if (what < 19) {
      Interfere();
    } else {
      h_.now += absl::Minutes(chance_.Below(90));
    }
    for (int i = chance_.Below(6); i > 0; --i) {
      h_.now += absl::Milliseconds(100);
      h_.Round();
    }
  }

  // The world is left alone, then looked at.
  void Rest() {
    h_.Settle();
    for (int i = 0; i < kNames; ++i) Judge(StrCat("m", i));
    const int writes = h_.Writes();
    h_.now += absl::Hours(24);
    h_.Round();
    EXPECT_EQ(h_.Writes(), writes) << "a resync writes " << h_.server->Calls().back();
    h_.Restart();
    h_.Round();
    EXPECT_EQ(h_.Writes(), writes) << "a restart writes " << h_.server->Calls().back();
  }

  int accepted() const { return accepted_; }

 private:
  static constexpr FakeWorkloads::Fate kFates[] = {
      FakeWorkloads::Fate::kReady,     FakeWorkloads::Fate::kReady,
      FakeWorkloads::Fate::kPending,   FakeWorkloads::Fate::kFails,
      FakeWorkloads::Fate::kImagePull, FakeWorkloads::Fate::kUnschedulable};

  void Put(const std::string& name, const Json& before, const Json& spec) {
    Json object = before.is_null() ? Json{{"apiVersion", api::kApiVersion},
                                          {"kind", api::kKind},
                                          {"metadata", {{"name", name}, {"namespace", kNamespace}}}}
                                   : before;
    object["spec"] = spec;
    const auto response = h_.server->SendAsController(
        {.method = before.is_null() ? "POST" : "PUT",
         .path = before.is_null() ? kube::CollectionPath(kDeepSeekDeployment, kNamespace)
                                  : kube::ObjectPath(kDeepSeekDeployment, kNamespace, name),
         .headers = {{"Content-Type", "application/json"}},
         .body = object.dump()});
    EXPECT_TRUE(response.code < 300 || response.code == 422) << response.body;
    accepted_ += response.code < 300 ? 1 : 0;
  }

  // A hand in one of our objects.
  void Interfere() {
    const auto all = h_.server->All(kDeployment, kNamespace);
    if (all.empty()) return;
    const auto& object = *all[chance_.Below(static_cast<int>(all.size()))];
    const std::string path =
        kube::ObjectPath(kDeployment, kNamespace, TextAt(object, "/metadata/name"));
    if (chance_.Below(3) == 0) {
      h_.server->SendAsController({.method = "DELETE", .path = path, .headers = {}, .body = ""});
    } else {
      h_.server->SendAsController(
          {.method = "PATCH",
           .path = path,
           .headers = {{"Content-Type", "application/merge-patch+json"}},
           .body = Json{{"spec", {{"replicas", chance_.Below(5)}}}}.dump()});
    }
  }

  void Judge(const std::string& name) {
    const Json dsd = h_.Get(kDeepSeekDeployment, name);
    if (dsd.is_null()) return;
    SCOPED_TRACE(StrCat(name, " ", dsd["spec"].dump()));
    EXPECT_EQ(IntegerAt(dsd, "/status/observedGeneration"), IntegerAt(dsd, "/metadata/generation"));
    const std::string ready = h_.Condition(name, "Ready");
    const std::string stalled = h_.Condition(name, "Stalled");
    EXPECT_FALSE(h_.Message(name, "Ready").empty());
    // The one refusal that the schema leaves to the operator: the memory of a preset's shape.
    if (ready == "False InvalidSpec") {
      EXPECT_NE(TextAt(dsd, "/spec/model/preset"), "");
      EXPECT_THAT(h_.Message(name, "Ready"),
                  ::testing::AnyOf(::testing::HasSubstr("spec.engine.kvCacheMemory: "),
                                   ::testing::HasSubstr(".limits.memory: ")));
      return;
    }
    const bool paused = decide::BoolAt(dsd, "/spec/rollout/paused");
    const int64_t replicas = IntegerAt(dsd, "/spec/replicas");
    if (fate_ == FakeWorkloads::Fate::kReady && !paused) {
      EXPECT_EQ(ready, "True AllReplicasReady");
      EXPECT_EQ(TextAt(dsd, "/status/ready"), StrCat(replicas, "/", replicas));
    } else if (!ready.starts_with("True")) {
      // Half a day later nothing is on its way any more, unless a hand holds it.
      EXPECT_TRUE(stalled.starts_with("True") || ready == "False Paused" ||
                  h_.Condition(name, "Reconciling").starts_with("True"))
          << ready << ", " << stalled;
    }
  }

  Harness h_;
  RandomSpec chance_;
  FakeWorkloads::Fate fate_ = FakeWorkloads::Fate::kReady;
  int accepted_ = 0;
};

TEST(RandomTransitions, EndInRestAndAClearCondition) {
  ASSERT_TRUE(log::SetLevelByName("error").ok());
  const int all = Transitions();
  int accepted = 0;
  for (int done = 0, seed = 1; done < all; ++seed) {
    SCOPED_TRACE(StrCat("seed ", seed));
    World world(static_cast<uint64_t>(seed));
    for (int i = 0; i < kTransitionsPerWorld && done < all; ++i, ++done) {
      world.Transition();
      if (i % 10 == 9) world.Rest();
      ASSERT_FALSE(::testing::Test::HasFailure()) << "transition " << i;
    }
    accepted += world.accepted();
  }
  // The generator must not mostly be refused.
  EXPECT_GT(accepted, all / 3);
}

}  // namespace
}  // namespace deepseek::reconcile
