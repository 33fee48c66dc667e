#include "tests/operator/decide/transcript.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "absl/strings/str_format.h"
#include "base/json_full.h"
#include "base/strings.h"

namespace deepseek::decide {
namespace {

constexpr int kAtRest = 12;  // rounds without a new line; longer than any deadline in the stories

}  // namespace

void Transcript::Say(const std::string& text) {
  StrAppend(&text_, "\n# ", text, "\n");
}

void Transcript::Edit(const std::string& what, const Json& spec) {
  Say(what);
  world.Edit(spec);
}

void Transcript::Run(int rounds) {
  int quiet = 0;
  for (int i = 0; i < rounds; ++i) {
    // What rested so long rests until somebody does something.
    if (quiet == kAtRest) {
      world.now += absl::Seconds(rounds - i);
      return;
    }
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
      absl::StrAppendFormat(&text_, "%4ds  %s%s\n", absl::ToInt64Seconds(world.now - start_), line,
                            more);
    }
    quiet = line + more == last_ ? quiet + 1 : 0;
    last_ = line + more;
    world.Step();
  }
}

void Transcript::Expect(const std::string& name) const {
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

Json Three(const Json& more) {
  Json spec = {{"replicas", 3}};
  spec.merge_patch(more);
  return spec;
}

Json Batch(int batch, const Json& more) {
  Json spec = Three({{"engine", {{"maxBatch", batch}}}});
  spec.merge_patch(more);
  return spec;
}

}  // namespace deepseek::decide
