#pragma once
// Whether a JSON value satisfies a JSON Schema: written from the specification alone, slow and
// plain, to judge what grammars let through.

#include <string>

#include "base/json.h"

namespace deepseek::testing {

/// Empty: it does. Else the first reason why not. Knows the keywords that grammars support, and the
/// formats by what they mean rather than by the pattern that grammars use.
std::string SchemaViolation(const OrderedJson& document, const OrderedJson& schema,
                            const OrderedJson& value);

}  // namespace deepseek::testing
