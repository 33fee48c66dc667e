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
Object WithoutTimes(Json pod_template) {
  Json& metadata = pod_template["metadata"];
  if (metadata.is_object()) {
    metadata.erase("creationTimestamp");  // a nil of older servers
    // `kubectl rollout restart` goes on owning its own.
    const auto annotations = metadata.find("annotations");
    if (annotations != metadata.end() && annotations->is_object())
      annotations->erase("kubectl.kubernetes.io/restartedAt");
  }
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

// The API server's defaults are members; items that are not made today are another version's (or
// somebody else's).
bool HasMoreItems(const Json& runs, const Json& made) {
  if (runs.is_array() && made.is_array()) {
    if (runs.size() != made.size()) return true;
    for (size_t i = 0; i < runs.size(); ++i) {
      if (HasMoreItems(runs[i], made[i])) return true;
    }
  } else if (runs.is_object() && made.is_object()) {
    for (const auto& [key, value] : runs.items()) {
      const auto at = made.find(key);
      if (at == made.end() ? value.is_array() : HasMoreItems(value, *at)) return true;
    }
  }
  return false;
}

bool IsMadeToday(const Json& made, const Json& runs) {
  return FindDifference(made, runs, FindReplacedZeros(made, runs)).empty() &&
         !HasMoreItems(runs, made);
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
    state->new_template = WithoutTimes(*runs);
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
