#pragma once
// Requests of the commands: submit, wait, keep what came.

#include <functional>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/engine.h"

namespace deepseek::agent {

struct Answer {
  std::vector<int32_t> ids;              ///< as generated, a stop id included
  engine::FinishReason reason = engine::FinishReason::kError;
  engine::Usage usage;
};

/// A submitted request. `on_token` (may be null) is called on the engine's thread; false cancels the request.
class PendingAnswer {
 public:
  static absl::StatusOr<PendingAnswer> Submit(engine::Engine& engine, engine::Request request,
                                              std::function<bool(int32_t id)> on_token = nullptr);
  /// Waits for the end. An error of the request (kError) is returned as such.
  absl::StatusOr<Answer> Wait();

 private:
  class Keeper;
  explicit PendingAnswer(std::shared_ptr<Keeper> keeper) : keeper_(std::move(keeper)) {}
  std::shared_ptr<Keeper> keeper_;
};

}  // namespace deepseek::agent
