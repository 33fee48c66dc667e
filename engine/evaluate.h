#pragma once
// Logits, hidden states and MTP logits of a whole sequence, through the same step and the same
// cache as serving.

#include <functional>

#include "absl/status/statusor.h"
#include "engine/engine.h"
#include "engine/model/model.h"

namespace deepseek::engine {

/// Runs the checked `request` in chunks over the blocks `block_table`, which hold all its tokens.
/// Step thread only. `on_step` is called with the rows of each finished step.
absl::StatusOr<EvaluateResult> RunEvaluate(Model& model, const EvaluateRequest& request,
                                           const std::vector<int32_t>& block_table,
                                           const std::function<void(int32_t rows)>& on_step);

}  // namespace deepseek::engine
