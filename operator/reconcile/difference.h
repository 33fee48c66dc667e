#pragma once
// Does an object have to be written?

#include <string>

#include "base/json.h"

namespace deepseek::reconcile {

/// Path of the first thing in which `observed` is not what `desired` says; empty when nothing has
/// to be written. What the API server or others added does not count: `desired` is compared as a
/// subset, quantities by value, and empty maps and lists like absent ones.
std::string FindDifference(const Json& desired, const Json& observed);

}  // namespace deepseek::reconcile
