#pragma once
// Writes JSON as block-style YAML: what the generated manifests need, nothing more.

#include <string>

#include "base/json.h"

namespace deepseek::api {

/// Keys keep their order. Strings that are not plain words are written as JSON strings, which are
/// valid YAML.
std::string ToYaml(const OrderedJson& json);

}  // namespace deepseek::api
