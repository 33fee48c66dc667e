// Whole rollouts as text: one line per step with what stands, what was decided and what is
// reported. A person reviews the diff of tests/golden/operator/*.txt. UPDATE_GOLDEN=1 rewrites
// them.

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <sstream>

#include "absl/strings/str_format.h"
#include "base/strings.h"
#include "tests/operator/decide/world.h"

namespace deepseek::decide {
namespace {

class Transcript {
 public:
  World world;

  void Say(const std::string& text) { StrAppend(&text_, "\n# ", text, "\n"); }

  void Edit(const std::string& what, const Json& spec) {
    Say(what);
    world.Edit(spec);
  }

  /// Steps until at rest, at most `rounds`; quiet steps are left out.
  void Run(int rounds = 60) {
    for (int i = 0; i < rounds; ++i) {
      world.now += absl::Seconds(1);
      const Plan plan = world.Reconcile();
      const std::string line =
          absl::StrFormat("%-22s Ready=%s", world.Picture(), world.Condition("Ready"));
      std::string more;
      if (!world.Condition("Stalled").starts_with("False")) more += "  Stalled";
      if (world.Condition("Available").starts_with("False")) more += "  unavailable";
      for (const Decision& decision : plan.decisions) {
        StrAppend(&more, "\n       - ", decision.action, " (", decision.reason,
                  "): ", decision.message);
      }
      if (line + more != last_) {
        absl::StrAppendFormat(&text_, "%4ds  %s%s\n", absl::ToInt64Seconds(world.now - start_),
                              line, more);
      }
      last_ = line + more;
      world.Step();
    }
  }

  void Expect(const std::string& name) const {
    const std::string path = StrCat(TEST_SOURCE_DIR, "/tests/golden/operator/", name, ".txt");
    if (std::getenv("UPDATE_GOLDEN") != nullptr) {
      std::ofstream(path, std::ios::binary) << text_;
      return;
    }
    std::ifstream file(path, std::ios::binary);
    std::ostringstream golden;
    golden << file.rdbuf();
    EXPECT_EQ(golden.str(), text_) << path << ": review, then run with UPDATE_GOLDEN=1";
  }

 private:
  absl::Time start_ = world.now;
  std::string text_ =
                  "Pods as r<revision> ready/wanted; decisions below the step that took them.\n",
              last_;
};

Json Three(const Json& more = Json::object()) {
  Json spec = {{"replicas", 3}};
  spec.merge_patch(more);
  return spec;
}
Json Batch(int batch, const Json& more = Json::object()) {
  Json spec = Three({{"engine", {{"maxBatch", batch}}}});
  spec.merge_patch(more);
  return spec;
}

TEST(TranscriptTest, Rolling) {
  Transcript t;
  t.Edit("apply, 3 replicas", Three());
  t.Run();
  t.Edit("a change, maxSurge 1, maxUnavailable 0", Batch(8));
  t.Run();
  t.Edit("revert", Three());
  t.Run();
  t.Expect("rolling");
}

TEST(TranscriptTest, BadModel) {
  Transcript t;
  t.Edit("apply, 3 replicas", Three());
  t.Run();
  t.Edit("a change to a model that the agent refuses", Batch(8));
  t.world.fates[t.world.last_hash8] = Fate::kInvalid;
  t.Run();
  t.Edit("another change, good", Batch(9));
  t.Run();
  t.Expect("bad_model");
}

TEST(TranscriptTest, RevertInMidRollout) {
  Transcript t;
  t.Edit("apply, 3 replicas", Three());
  t.Run();
  t.Edit("a change that stays loading", Batch(8));
  t.world.fates[t.world.last_hash8] = Fate::kLoading;
  t.Run(5);
  t.Edit("revert: stable's pods are not touched", Three());
  t.Run();
  t.Expect("revert_in_mid_rollout");
}

TEST(TranscriptTest, Recreate) {
  Transcript t;
  t.Edit("apply, 3 replicas", Three());
  t.Run();
  t.Edit("a change with strategy Recreate", Batch(8, {{"rollout", {{"strategy", "Recreate"}}}}));
  t.Run();
  t.Expect("recreate");
}

TEST(TranscriptTest, PauseScaleResume) {
  Transcript t;
  t.Edit("apply, 3 replicas", Three());
  t.Run();
  t.Edit("a change", Batch(8));
  t.Run(3);
  t.Edit("pause", Batch(8, {{"rollout", {{"paused", true}}}}));
  t.Run(5);
  t.Edit("5 replicas while paused", Batch(8, {{"rollout", {{"paused", true}}}, {"replicas", 5}}));
  t.Run(5);
  t.Edit("resume", Batch(8, {{"replicas", 5}}));
  t.Run();
  t.Expect("pause_scale_resume");
}

TEST(TranscriptTest, Deadline) {
  Transcript t;
  t.Edit("apply, 3 replicas, progressDeadline 10s, loading for ever",
         Three({{"rollout", {{"progressDeadline", "10s"}}}}));
  t.world.fates[t.world.last_hash8] = Fate::kLoading;
  t.Run(20);
  t.Say("loaded after all");
  t.world.fates.clear();
  t.Run();
  t.Expect("deadline");
}

TEST(TranscriptTest, NoRoomForASurge) {
  Transcript t;
  t.Edit("apply, 3 replicas", Three());
  t.Run();
  t.Edit("a change, maxSurge 0, maxUnavailable 1",
         Batch(8, {{"rollout", {{"maxSurge", 0}, {"maxUnavailable", 1}}}}));
  t.Run();
  t.Expect("no_surge");
}

}  // namespace
}  // namespace deepseek::decide
