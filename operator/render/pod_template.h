#pragma once
// What an agent's pod looks like. Passes Pod Security `restricted`.

#include <string>

#include "base/json.h"
#include "operator/api/deepseek_deployment.h"
#include "operator/decide/resolve.h"

namespace deepseek::render {

/// A PodTemplateSpec: deterministic text for the same arguments. `hash8` is the revision's label.
/// A change of what this makes of the same arguments needs decide::kTemplateVersion to grow.
Json PodTemplate(const std::string& deployment, const std::string& hash8,
                 const api::PodIntent& intent, const decide::Resolved& resolved);

}  // namespace deepseek::render
