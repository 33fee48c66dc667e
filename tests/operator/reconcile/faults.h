#pragma once
// One fault in the life of an operator, at one point that is counted from where the fault is set.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/operator/reconcile/harness.h"

namespace deepseek::reconcile {

/// What a run has that faults can be put into.
struct Points {
  int writes = 0;
  int calls = 0;  ///< without watches, whose failure is a later event
  int events = 0, lists = 0;
};

struct Fault {
  enum class Kind {
    kCrashAfterWrite,      ///< the process dies once write `point` is done, its answer lost
    kCrashThenStaleLists,  ///< and all that its successor lists is how it was at the beginning
    kDropEvent,            ///< watch event `point` is never told
    kDelayEvent,           ///< and all after it of its kind, for `rounds` watches
    kCutWatchAndCompact,   ///< the watch ends before event `point`, and the past is forgotten
    kStaleList,            ///< list `point` is how it was at the beginning
    kFailCall              ///< call `point` is answered with `answer`, before or after its effect
  };
  Kind kind;
  int point = 0;  ///< from 1
  int rounds = 0;
  const char* answer = "";  ///< see Answers

  std::string ToString() const;
};

/// N of $DEEPSEEK_FAULT_SHARE: every Nth point only; 1 if unset.
int FaultShare();

/// "429", "409", "500", "503", "timeout", "lost" (the answer of a call that took effect).
const std::vector<const char*>& Answers();

/// Counts the points of a run from now on.
class PointCounter {
 public:
  explicit PointCounter(Harness* h);
  Points Count() const { return *points_; }

 private:
  std::shared_ptr<Points> points_ = std::make_shared<Points>();
};

/// Puts `fault` into what `h` does from now on. `*happened` becomes true when it does.
void Inject(const Fault& fault, Harness* h, std::shared_ptr<bool> happened);

}  // namespace deepseek::reconcile
