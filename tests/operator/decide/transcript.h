#pragma once
// Whole rollouts as text: one line per step with what stands, what was decided and what is
// reported. A person reviews the diff of tests/golden/operator/*.txt. UPDATE_GOLDEN=1 rewrites
// them.

#include <string>

#include "absl/time/time.h"
#include "base/json.h"
#include "tests/operator/decide/world.h"

namespace deepseek::decide {

class Transcript {
 public:
  World world;

  void Say(const std::string& text);
  void Edit(const std::string& what, const Json& spec);
  /// Steps until at rest, at most `rounds`; quiet steps are left out.
  void Run(int rounds = 60);
  void Expect(const std::string& name) const;

 private:
  absl::Time start_ = world.now;
  std::string text_ =
                  "Pods as r<revision> ready/wanted; decisions below the step that took them.\n",
              last_;
};

/// Specs for World::Edit: three replicas, and three of another intent.
Json Three(const Json& more = Json::object());
Json Batch(int batch, const Json& more = Json::object());

}  // namespace deepseek::decide
