#include "operator/api/kubernetes_fields.h"

namespace deepseek::api {
namespace {

// The rows of a type start with the row of the type itself (path ""), whose description the caller
// gives.
Fields LabelSelectorFields(std::string description) {
  return {
      {.path = "", .type = Type::kObject, .description = std::move(description)},
      {.path = "matchLabels",
       .type = Type::kMap,
       .description = "Labels that must all be present."},
      {.path = "matchLabels{}", .type = Type::kString, .description = "The label's value."},
      {.path = "matchExpressions",
       .type = Type::kList,
       .description = "Requirements, all to be met."},
      {.path = "matchExpressions[]", .type = Type::kObject, .description = "One requirement."},
      {.path = "matchExpressions[].key",
       .type = Type::kString,
       .description = "The label's key.",
       .required = true},
      {.path = "matchExpressions[].operator",
       .type = Type::kEnum,
       .description = "How the label's value relates to the values.",
       .values = {"In", "NotIn", "Exists", "DoesNotExist"},
       .required = true},
      {.path = "matchExpressions[].values", .type = Type::kList, .description = "The values."},
      {.path = "matchExpressions[].values[]", .type = Type::kString, .description = "One value."},
  };
}

Fields NodeSelectorRequirementFields() {
  return {
      {.path = "", .type = Type::kObject, .description = "One requirement."},
      {.path = "key",
       .type = Type::kString,
       .description = "The label's or field's key.",
       .required = true},
      {.path = "operator",
       .type = Type::kEnum,
       .description = "How the node's value relates to the values.",
       .values = {"In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"},
       .required = true},
      {.path = "values", .type = Type::kList, .description = "The values."},
      {.path = "values[]", .type = Type::kString, .description = "One value."},
  };
}

Fields NodeSelectorTermFields() {
  Fields rows = {
      {.path = "",
       .type = Type::kObject,
       .description = "One term: all its requirements must be met."},
      {.path = "matchExpressions",
       .type = Type::kList,
       .description = "Requirements on node labels."},
  };
  Append(&rows, "matchExpressions[]", NodeSelectorRequirementFields());
  rows.push_back(
      {.path = "matchFields", .type = Type::kList, .description = "Requirements on node fields."});
  Append(&rows, "matchFields[]", NodeSelectorRequirementFields());
  return rows;
}

Fields PodAffinityTermFields() {
  Fields rows = {
      {.path = "",
       .type = Type::kObject,
       .description = "Which pods, within which topology domain."},
  };
  Append(&rows, "labelSelector", LabelSelectorFields("The pods that the term is about."));
  Append(&rows, "namespaceSelector",
         LabelSelectorFields("The namespaces of those pods, by label."));
  rows.push_back({.path = "namespaces",
                  .type = Type::kList,
                  .description = "The namespaces of those pods, by name; default: the pod's own."});
  rows.push_back({.path = "namespaces[]", .type = Type::kString, .description = "One namespace."});
  rows.push_back({.path = "topologyKey",
                  .type = Type::kString,
                  .description = "Node label that makes a domain, e.g. kubernetes.io/hostname.",
                  .required = true});
  return rows;
}

Fields PodAffinityFields(const std::string& towards) {
  Fields rows = {
      {.path = "", .type = Type::kObject, .description = "Placement " + towards + " other pods."},
      {.path = "requiredDuringSchedulingIgnoredDuringExecution",
       .type = Type::kList,
       .description = "Terms that must hold for a pod to be placed."},
  };
  Append(&rows, "requiredDuringSchedulingIgnoredDuringExecution[]", PodAffinityTermFields());
  const std::string preferred = "preferredDuringSchedulingIgnoredDuringExecution";
  rows.push_back(
      {.path = preferred, .type = Type::kList, .description = "Terms that are preferred."});
  rows.push_back(
      {.path = preferred + "[]", .type = Type::kObject, .description = "One preference."});
  rows.push_back({.path = preferred + "[].weight",
                  .type = Type::kInteger,
                  .description = "How much it counts.",
                  .min = 1,
                  .max = 100,
                  .required = true});
  Append(&rows, preferred + "[].podAffinityTerm", PodAffinityTermFields());
  return rows;
}

}  // namespace

Fields ResourcesFields() {
  return {
      {.path = "",
       .type = Type::kObject,
       .description =
           "Compute resources of the agent container, as in Kubernetes (nvidia.com/gpu included).",
       .default_text =
           "requests of 100m CPU and 256Mi memory; with model.preset the memory that it plans"},
      {.path = "limits", .type = Type::kMap, .description = "The most that the container may use."},
      {.path = "limits{}", .type = Type::kQuantity, .description = "The quantity."},
      {.path = "requests", .type = Type::kMap, .description = "What the scheduler sets aside."},
      {.path = "requests{}", .type = Type::kQuantity, .description = "The quantity."},
  };
}

Fields TolerationsFields() {
  return {
      {.path = "", .type = Type::kList, .description = "Taints that the pods tolerate."},
      {.path = "[]", .type = Type::kObject, .description = "One toleration."},
      {.path = "[].key",
       .type = Type::kString,
       .description = "The taint's key; absent: all keys."},
      {.path = "[].operator",
       .type = Type::kEnum,
       .description = "How the value is compared.",
       .default_text = "Equal",
       .values = {"Exists", "Equal"}},
      {.path = "[].value", .type = Type::kString, .description = "The taint's value."},
      {.path = "[].effect",
       .type = Type::kEnum,
       .description = "The taint's effect; absent: all effects.",
       .values = {"NoSchedule", "PreferNoSchedule", "NoExecute"}},
      {.path = "[].tolerationSeconds",
       .type = Type::kInteger,
       .description = "For NoExecute: seconds before the pod is evicted; absent: never."},
  };
}

Fields AffinityFields() {
  Fields rows = {
      {.path = "",
       .type = Type::kObject,
       .description = "Affinity of the pods, as in Kubernetes. Replaces the default as a whole.",
       .default_text = "agents of one deployment prefer different nodes"},
      {.path = "nodeAffinity", .type = Type::kObject, .description = "Placement by node labels."},
  };
  const std::string required = "nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution";
  const std::string preferred = "nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution";
  rows.push_back({.path = required,
                  .type = Type::kObject,
                  .description = "What must hold for a pod to be placed."});
  rows.push_back({.path = required + ".nodeSelectorTerms",
                  .type = Type::kList,
                  .description = "Terms, one of which must hold.",
                  .required = true});
  Append(&rows, required + ".nodeSelectorTerms[]", NodeSelectorTermFields());
  rows.push_back({.path = preferred, .type = Type::kList, .description = "What is preferred."});
  rows.push_back(
      {.path = preferred + "[]", .type = Type::kObject, .description = "One preference."});
  rows.push_back({.path = preferred + "[].weight",
                  .type = Type::kInteger,
                  .description = "How much it counts.",
                  .min = 1,
                  .max = 100,
                  .required = true});
  Append(&rows, preferred + "[].preference", NodeSelectorTermFields());
  Append(&rows, "podAffinity", PodAffinityFields("near"));
  Append(&rows, "podAntiAffinity", PodAffinityFields("away from"));
  return rows;
}

Fields TopologySpreadConstraintsFields() {
  Fields rows = {
      {.path = "",
       .type = Type::kList,
       .description = "How the pods spread over topology domains. A constraint without "
                      "labelSelector means the pods "
                      "of this deployment. Replaces the default as a whole.",
       .default_text = "spread over zones, ScheduleAnyway",
       .list_keys = {"topologyKey", "whenUnsatisfiable"}},
      {.path = "[]", .type = Type::kObject, .description = "One constraint."},
      {.path = "[].maxSkew",
       .type = Type::kInteger,
       .description = "The largest permitted difference.",
       .min = 1,
       .max = 1000,
       .required = true},
      {.path = "[].topologyKey",
       .type = Type::kString,
       .description = "Node label that makes a domain.",
       .required = true},
      {.path = "[].whenUnsatisfiable",
       .type = Type::kEnum,
       .description = "What to do with a pod that does not fit.",
       .values = {"DoNotSchedule", "ScheduleAnyway"},
       .required = true},
      {.path = "[].minDomains",
       .type = Type::kInteger,
       .description = "The least number of domains (DoNotSchedule only).",
       .min = 1,
       .max = 1000},
      {.path = "[].nodeAffinityPolicy",
       .type = Type::kEnum,
       .description = "Whether node affinity counts.",
       .values = {"Honor", "Ignore"}},
      {.path = "[].nodeTaintsPolicy",
       .type = Type::kEnum,
       .description = "Whether taints count.",
       .values = {"Honor", "Ignore"}},
  };
  Append(&rows, "[].labelSelector", LabelSelectorFields("The pods that are counted."));
  return rows;
}

Fields NetworkPeersFields() {
  Fields rows = {
      {.path = "", .type = Type::kList, .description = "Peers, as in a NetworkPolicy."},
      {.path = "[]",
       .type = Type::kObject,
       .description = "One peer: pods by label, or a range of addresses.",
       .rules = {{"has(self.ipBlock) != (has(self.podSelector) || has(self.namespaceSelector))",
                  "a peer is either an ipBlock or selectors: set exactly one of the two"}}},
  };
  Append(&rows, "[].podSelector", LabelSelectorFields("Pods of the chosen namespaces; {} is all."));
  Append(&rows, "[].namespaceSelector",
         LabelSelectorFields("Namespaces; absent: this namespace only; {} is all."));
  rows.push_back(
      {.path = "[].ipBlock", .type = Type::kObject, .description = "A range of addresses."});
  rows.push_back({.path = "[].ipBlock.cidr",
                  .type = Type::kString,
                  .description = "The range, e.g. 10.0.0.0/8.",
                  .max_length = 64,
                  .required = true});
  rows.push_back({.path = "[].ipBlock.except",
                  .type = Type::kList,
                  .description = "Ranges within it to leave out."});
  rows.push_back({.path = "[].ipBlock.except[]",
                  .type = Type::kString,
                  .description = "One range.",
                  .max_length = 64});
  return rows;
}

}  // namespace deepseek::api
