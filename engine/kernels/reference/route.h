#pragma once
// Expert choice for one row: DeepSeek-V3 technical report, section 2.1.2 (sigmoid scores,
// bias-corrected group-limited choice without auxiliary loss).

#include <cstdint>

#include "engine/kernels/backend.h"

namespace deepseek::engine {

/// scores [experts] raw (W x), bias [experts] or null -> ids and weights [experts_per_token], best
/// first. Ties go to the lower index. `scratch` holds 2 * (experts + groups) floats.
void RouteRow(const float* scores, const float* bias, const RouteSpec& spec, int32_t* ids,
              float* weights, float* scratch);

}  // namespace deepseek::engine
