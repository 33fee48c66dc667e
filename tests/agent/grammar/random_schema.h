#pragma once
// Random JSON schemas of all that grammars support.

#include <random>

#include "base/json.h"

namespace deepseek::testing {

/// An object at the root, with nested objects, arrays with bounds, enums, patterns, formats, number
/// bounds, references (recursive ones too) and unions.
OrderedJson RandomSchema(std::mt19937_64& random);

}  // namespace deepseek::testing
