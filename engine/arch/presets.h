#pragma once
// The catalogue of released models: their shapes, for plans before the weights can be read.

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/arch/model_spec.h"

namespace deepseek::engine {

/// Names of the catalogue, in its order: "deepseek-v3", ..
const std::vector<std::string>& PresetNames();

/// The shape of a released model, as its config.json says it. kNotFound lists the names.
absl::StatusOr<ModelSpec> Preset(std::string_view name);

}  // namespace deepseek::engine
