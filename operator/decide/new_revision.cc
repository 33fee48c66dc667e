#include "operator/decide/new_revision.h"

#include <utility>

#include "base/json_full.h"
#include "operator/api/names.h"
#include "operator/decide/difference.h"
#include "operator/decide/json_read.h"
#include "operator/decide/pod_template.h"

namespace deepseek::decide {
namespace {

// The Deployment's template as the server stores it, its defaults among it.
Object WithoutTime(Json pod_template) {
  // A nil of older servers.
  if (pod_template["metadata"].is_object()) pod_template["metadata"].erase("creationTimestamp");
  return std::make_shared<const Json>(std::move(pod_template));
}

// Of what is resolved, installations choose the image and how it is pulled; the rest is the
// intent's or has been the same always.
void ReadResolved(const Json& pod_template, Resolved* resolved) {
  resolved->operator_version.clear();
  resolved->template_version = 0;
  const Json* containers = Find(pod_template, "/spec/containers");
  if (containers == nullptr || !containers->is_array()) return;
  for (const Json& container : *containers) {
    if (TextAt(container, "/name") != api::kAgentContainer) continue;
    resolved->image = TextAt(container, "/image");
    resolved->image_pull_policy = TextAt(container, "/imagePullPolicy");
  }
}

bool IsMadeToday(const Json& made, const Json& runs) {
  return FindDifference(made, runs, FindReplacedZeros(made, runs)).empty();
}

}  // namespace

absl::Status MakeRevision(State* state) {
  if (state->current.revision != nullptr) return absl::OkStatus();
  auto made =
      PodTemplate(state->dsd.name, state->current.hash8, state->dsd.intent, state->resolved_today);
  const Json* runs = state->current.workload == nullptr
                         ? nullptr
                         : Find(*state->current.workload->child.object, "/spec/template");
  state->recovered = runs != nullptr && runs->is_object();
  if (!state->recovered && !made.ok()) return made.status();
  if (made.ok() && (!state->recovered || IsMadeToday(*made, *runs))) {
    state->new_template = std::make_shared<const Json>(*std::move(made));
  } else {
    state->new_template = WithoutTime(*runs);
    ReadResolved(*runs, &state->new_resolved);
  }
  if (state->recovered && state->full) {
    state->completed = true;
    state->paused = false;
    state->stable = state->current.hash8;
  }
  return absl::OkStatus();
}

}  // namespace deepseek::decide
