#pragma once
// A plan as Kubernetes objects, in the order in which they are to be applied.

#include <string>
#include <vector>

#include "base/json.h"
#include "operator/decide/plan.h"

namespace deepseek::render {

struct Rendered {
  decide::Object object;         ///< with the applied-hash annotation
  std::string resource_version;  ///< precondition: the write rests on this version; empty: none
};

/// The Deployment of the plan's trial, to be tried on the API server (dry run) before anything is
/// written. Null: there is nothing to try.
decide::Object RenderTrial(const decide::Plan& plan);

/// Empty when the plan manages nothing. Pure and deterministic.
std::vector<Rendered> Render(const decide::Plan& plan);

}  // namespace deepseek::render
