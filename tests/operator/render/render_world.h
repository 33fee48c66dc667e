#pragma once
// Plans and objects for the tests of render.

#include <string>

#include "base/json_full.h"
#include "operator/decide/decide.h"
#include "operator/render/render.h"

namespace deepseek::render {

/// What decide plans for a DeepSeekDeployment that is seen for the first time.
inline decide::Plan PlanOf(const Json& spec) {
  decide::Cluster cluster;
  cluster.dsd = std::make_shared<const Json>(Json{
      {"metadata", {{"name", "demo"}, {"namespace", "models"}, {"uid", "u"}, {"generation", 1}}},
      {"spec", spec}});
  return decide::Decide(decide::Read(cluster), {"agent:1", "IfNotPresent", "0.1.0"},
                        absl::FromUnixSeconds(1'700'000'000));
}

inline Json Minimal() {
  return {{"model", {{"source", {{"builtin", "demo-v3"}}}}}};
}

/// The object that is rendered with this kind and name; null if there is none.
inline Json Find(const decide::Plan& plan, const std::string& kind, const std::string& name) {
  for (const Rendered& rendered : Render(plan)) {
    const Json& object = *rendered.object;
    if (object["kind"] == kind && object["metadata"]["name"] == name) return object;
  }
  return {};
}

}  // namespace deepseek::render
