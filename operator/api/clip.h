#pragma once
// Text of any length, from API servers and agents, goes into a status whose strings have limits.

#include "base/json.h"
#include "operator/api/field.h"

namespace deepseek::api {

/// Cuts each string of `value` that is longer than its row in `fields` allows, between two
/// characters: one that is too long makes the API server refuse the whole object.
void ClipStrings(const Fields& fields, Json* value);

}  // namespace deepseek::api
