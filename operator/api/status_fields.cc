#include "operator/api/field.h"

namespace deepseek::api {
namespace {

Fields All() {
  return {
      {.path = "observedGeneration", .type = Type::kInteger,
       .description = "Generation of the spec that this status is about."},
      {.path = "replicas", .type = Type::kInteger, .description = "Pods of all revisions."},
      {.path = "readyReplicas", .type = Type::kInteger, .description = "Ready pods of all revisions."},
      {.path = "selector", .type = Type::kString, .description = "Selector of the pods, for the scale subresource.",
       .max_length = 1024},
      {.path = "ready", .type = Type::kString,
       .description = "Ready pods of the current revision and wanted pods: 2/2."},
      {.path = "device", .type = Type::kString, .description = "Device that the current revision computes on."},
      {.path = "scale", .type = Type::kString, .description = "Wanted pods and who decided it."},
      {.path = "stableRevision", .type = Type::kString,
       .description = "The last revision that served at full count."},
      {.path = "candidateRevision", .type = Type::kString,
       .description = "The revision that is being rolled out; absent when there is none."},
      {.path = "revisions", .type = Type::kList, .description = "Revisions that have pods.",
       .max_items = 64, .list_keys = {"name"}},
      {.path = "revisions[]", .type = Type::kObject, .description = "One revision."},
      {.path = "revisions[].name", .type = Type::kString,
       .description = "Name of its ControllerRevision and Deployment.", .required = true},
      {.path = "revisions[].replicas", .type = Type::kInteger, .description = "Its pods."},
      {.path = "revisions[].readyReplicas", .type = Type::kInteger, .description = "Its ready pods."},
      {.path = "revisions[].weight", .type = Type::kInteger,
       .description = "Its share of the ready pods, in percent."},
      {.path = "revisions[].image", .type = Type::kString, .description = "Its agent image.", .max_length = 512},
      {.path = "rollout", .type = Type::kObject, .description = "The change that is under way."},
      {.path = "rollout.phase", .type = Type::kEnum, .description = "Where it stands.",
       .values = {"Idle", "Progressing", "Paused", "Stalled"}},
      {.path = "rollout.weight", .type = Type::kObject,
       .description = "Share of the candidate in the ready pods, in percent."},
      {.path = "rollout.weight.desired", .type = Type::kInteger, .description = "Where it is going."},
      {.path = "rollout.weight.observed", .type = Type::kInteger, .description = "Where it is."},
      {.path = "rollout.reason", .type = Type::kString, .description = "Reason of the last decision."},
      {.path = "rollout.message", .type = Type::kString, .description = "The last decision in words.",
       .max_length = 4096},
      {.path = "rollout.startedAt", .type = Type::kTime, .description = "When the change began."},
      {.path = "model", .type = Type::kObject, .description = "The model that is served."},
      {.path = "model.name", .type = Type::kString, .description = "Name that clients use."},
      {.path = "endpoints", .type = Type::kObject, .description = "Where clients reach the model."},
      {.path = "endpoints.http", .type = Type::kString, .description = "URL of the OpenAI-compatible API.",
       .max_length = 512},
      {.path = "conditions", .type = Type::kList,
       .description = "Ready, Reconciling and Stalled follow kstatus; Available, Progressing, ModelReady and "
                      "UpgradeAvailable say more.",
       .list_keys = {"type"}},
      {.path = "conditions[]", .type = Type::kObject, .description = "One condition."},
      {.path = "conditions[].type", .type = Type::kString, .description = "What it is about.", .required = true},
      {.path = "conditions[].status", .type = Type::kEnum, .description = "Whether it holds.",
       .values = {"True", "False", "Unknown"}, .required = true},
      {.path = "conditions[].observedGeneration", .type = Type::kInteger,
       .description = "Generation of the spec that it is about."},
      {.path = "conditions[].lastTransitionTime", .type = Type::kTime, .description = "When status last changed.",
       .required = true},
      {.path = "conditions[].reason", .type = Type::kString, .description = "CamelCase reason for programs.",
       .required = true},
      {.path = "conditions[].message", .type = Type::kString, .description = "The same for people.",
       .max_length = 32768, .required = true},
  };
}

}  // namespace

const Fields& StatusFields() {
  static const Fields* const fields = new Fields(All());
  return *fields;
}

}  // namespace deepseek::api
