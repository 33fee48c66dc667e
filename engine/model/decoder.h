#pragma once
// The skeleton of every decoder-only family: embedding, layers, final norm, head, and the optional
// MTP layer.

#include <memory>

#include "absl/status/statusor.h"
#include "engine/model/family.h"
#include "engine/model/layer.h"
#include "engine/model/model.h"

namespace deepseek::engine {

/// Loads all weights, then plans cache and step buffers in what memory is left.
absl::StatusOr<std::unique_ptr<Model>> LoadDecoder(const FamilyInput& input,
                                                   std::unique_ptr<Backend> backend,
                                                   const LayerParts& parts);

}  // namespace deepseek::engine
