#pragma once
// What people do to a DeepSeekDeployment, step by step: the changes that faults are put into.

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/operator/reconcile/harness.h"

namespace deepseek::reconcile {

struct Story {
  std::string name;
  /// What there is before. Runs undisturbed, then the world settles.
  std::function<void(Harness*)> before;
  /// The change. The world settles afterwards. `each` is to be passed on to Until.
  std::function<void(Harness*, const std::function<void()>& each)> change;
  /// So many pods are ready at every moment of the change, whatever happens.
  int least_ready = 0;
  /// A revision that is replaced while it is rolled out may get so many pods, or none: that depends
  /// on when the operator hears of the next edit.
  int most_superseded = 0;
};

const std::vector<Story>& Stories();

/// How a story ended.
struct Outcome {
  std::string end_state;            ///< Harness::EndState
  std::map<std::string, int> made;  ///< pods ever made, by revision
  std::set<std::string> alive;      ///< revisions that have pods in the end
};

/// "" or why more pods were made in `outcome` than in the undisturbed run `calm`.
std::string Restarts(const Story& story, const Outcome& outcome, const Outcome& calm);

/// The whole story. `disturb` is called between `before` and the change.
Outcome Play(
    const Story& story, Harness* h, const std::function<void()>& disturb = [] {});

}  // namespace deepseek::reconcile
