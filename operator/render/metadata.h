#pragma once
// Names, labels and owner of everything that belongs to a DeepSeekDeployment.

#include <string>

#include "base/json.h"
#include "operator/api/deepseek_deployment.h"

namespace deepseek::render {

/// {apiVersion, kind, metadata{name, namespace, labels, ownerReferences}}; `hash8` empty: not of
/// one revision.
Json Skeleton(const api::DeepSeekDeployment& dsd, const std::string& api_version,
              const std::string& kind, const std::string& name, const std::string& hash8 = "",
              const std::string& role = "");

}  // namespace deepseek::render
