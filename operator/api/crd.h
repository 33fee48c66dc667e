#pragma once
// The CustomResourceDefinition, generated from the table of fields.

#include <string>

#include "base/json.h"

namespace deepseek::api {

/// The whole manifest (apiextensions.k8s.io/v1).
OrderedJson Crd();

/// The text of crds/serving.deepseek-operator.io_deepseekdeployments.yaml.
std::string CrdYaml();

}  // namespace deepseek::api
