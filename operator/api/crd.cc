#include "operator/api/crd.h"

#include "base/json_full.h"
#include "operator/api/field.h"
#include "operator/api/names.h"
#include "operator/api/units.h"
#include "operator/api/yaml.h"

namespace deepseek::api {
namespace {

OrderedJson Rules(const std::vector<Rule>& rules) {
  OrderedJson list = OrderedJson::array();
  for (const Rule& rule : rules) list.push_back({{"rule", rule.cel}, {"message", rule.message}});
  return list;
}

void AddString(const Field& field, OrderedJson* schema) {
  (*schema)["type"] = "string";
  (*schema)["maxLength"] = MaxLength(field);
  if (!field.pattern.empty()) (*schema)["pattern"] = field.pattern;
}

void AddType(const Field& field, OrderedJson* schema) {
  OrderedJson& s = *schema;
  switch (field.type) {
    case Type::kObject:
      s["type"] = "object";
      break;
    case Type::kString:
      AddString(field, schema);
      break;
    case Type::kEnum:
      s["type"] = "string";
      s["enum"] = field.values;
      break;
    case Type::kInteger:
      s["type"] = "integer";
      s["format"] = "int64";
      if (field.min != INT64_MIN) s["minimum"] = field.min;
      if (field.max != INT64_MAX) s["maximum"] = field.max;
      break;
    case Type::kBoolean:
      s["type"] = "boolean";
      break;
    case Type::kDuration:
      s["type"] = "string";
      s["maxLength"] = kMaxDurationLength;
      s["pattern"] = kDurationPattern;
      break;
    case Type::kQuantity:
      s["anyOf"] = {{{"type", "integer"}}, {{"type", "string"}}};
      s["maxLength"] = kMaxQuantityLength;
      s["pattern"] = kQuantityPattern;
      s["x-kubernetes-int-or-string"] = true;
      break;
    case Type::kIntOrString:
      s["anyOf"] = {{{"type", "integer"}}, {{"type", "string"}}};
      s["maxLength"] = MaxLength(field);
      s["x-kubernetes-int-or-string"] = true;
      break;
    case Type::kTime:
      s["type"] = "string";
      s["format"] = "date-time";
      break;
    case Type::kList:
      s["type"] = "array";
      s["maxItems"] = MaxItems(field);
      if (field.list_keys.empty()) {
        s["x-kubernetes-list-type"] = "atomic";
      } else {
        s["x-kubernetes-list-type"] = "map";
        s["x-kubernetes-list-map-keys"] = field.list_keys;
      }
      break;
    case Type::kMap:
      s["type"] = "object";
      s["maxProperties"] = MaxItems(field);
      break;
    case Type::kFree:
      s["type"] = "object";
      s["x-kubernetes-preserve-unknown-fields"] = true;
      break;
  }
}

OrderedJson Schema(const Field& field) {
  OrderedJson schema;
  schema["description"] = field.description;
  if (!field.default_text.empty()) {
    schema["description"] = field.description + " Default: " + field.default_text + ".";
  }
  AddType(field, &schema);
  if (!field.schema_default.empty()) schema["default"] = OrderedJson::parse(field.schema_default);
  if (!field.rules.empty()) schema["x-kubernetes-validations"] = Rules(field.rules);
  return schema;
}

// Puts every row at its place below `root`; parents come before children.
OrderedJson Tree(const std::string& description, const Fields& fields) {
  OrderedJson root = {{"description", description}, {"type", "object"}};
  for (const Field& field : fields) {
    OrderedJson* parent = &root;
    const std::vector<std::string> segments = Segments(field.path);
    for (size_t i = 0; i < segments.size(); ++i) {
      const bool last = i + 1 == segments.size();
      OrderedJson* place;
      if (segments[i] == "[]") {
        place = &(*parent)["items"];
      } else if (segments[i] == "{}") {
        place = &(*parent)["additionalProperties"];
      } else {
        // A new member of an ordered object moves those that are there: a place comes last.
        (*parent)["properties"];
        if (last && field.required) (*parent)["required"].push_back(segments[i]);
        place = &(*parent)["properties"][segments[i]];
      }
      if (last) *place = Schema(field);
      parent = place;
    }
  }
  return root;
}

OrderedJson Column(const char* name, const char* type, const char* path, const char* description,
                   int priority) {
  OrderedJson column = {
      {"name", name}, {"type", type}, {"description", description}, {"jsonPath", path}};
  if (priority > 0) column["priority"] = priority;
  return column;
}

OrderedJson Columns() {
  return OrderedJson::array({
      Column("MODEL", "string", ".status.model.name", "Name that clients use.", 0),
      Column("READY", "string", ".status.ready", "Ready and wanted pods.", 0),
      Column("REVISION", "string", ".status.stableRevision",
             "The last revision that served at full count.", 0),
      Column("ROLLOUT", "string", ".status.rollout.phase", "Where a change stands.", 0),
      Column("AGE", "date", ".metadata.creationTimestamp", "Age of the object.", 0),
      Column("DEVICE", "string", ".status.device", "Where the model computes.", 1),
      Column("WEIGHT", "integer", ".status.rollout.weight.observed",
             "Share of the candidate in percent.", 1),
      Column("SCALE", "string", ".status.scale", "Wanted pods and who decided it.", 1),
      Column("MESSAGE", "string", ".status.conditions[?(@.type==\"Ready\")].message",
             "Why it is ready or not.", 1),
  });
}

// The status of an object that no operator has looked at. Without conditions kstatus (Helm, Flux)
// takes it for a finished one. The reason is decide::reason::kPending.
OrderedJson NotSeenYet() {
  const auto condition = [](const char* type, const char* status) {
    return OrderedJson{{"type", type},
                       {"status", status},
                       {"lastTransitionTime", "1970-01-01T00:00:00Z"},
                       {"reason", "Pending"},
                       {"message", "no operator has looked at it yet"}};
  };
  return {{"conditions",
           OrderedJson::array({condition("Ready", "Unknown"), condition("Reconciling", "True")})}};
}

}  // namespace

OrderedJson Crd() {
  OrderedJson root = {
      {"description",
       "A DeepSeek model served by agents on Kubernetes: its revisions, pods, Services and "
       "policies."},
      {"type", "object"},
      {"required", {"spec"}},
      {"properties",
       {{"apiVersion", {{"description", "Version of this representation."}, {"type", "string"}}},
        {"kind", {{"description", "Kind of this object."}, {"type", "string"}}},
        {"metadata", {{"type", "object"}}}}}};
  root["properties"]["spec"] = Tree("What is wanted.", SpecFields());
  root["properties"]["status"] = Tree("What is, written by the operator.", StatusFields());
  root["properties"]["status"]["default"] = NotSeenYet();
  root["x-kubernetes-validations"] = Rules(RootRules());

  OrderedJson version = {{"name", kVersion},
                         {"served", true},
                         {"storage", true},
                         {"additionalPrinterColumns", Columns()},
                         {"schema", {{"openAPIV3Schema", root}}}};
  version["subresources"]["status"] = OrderedJson::object();
  version["subresources"]["scale"] = {{"specReplicasPath", ".spec.replicas"},
                                      {"statusReplicasPath", ".status.replicas"},
                                      {"labelSelectorPath", ".status.selector"}};
  OrderedJson spec = {{"group", kGroup},
                      {"names",
                       {{"kind", kKind},
                        {"listKind", "DeepSeekDeploymentList"},
                        {"plural", kPlural},
                        {"singular", "deepseekdeployment"},
                        {"shortNames", {"dsd"}},
                        {"categories", {"all"}}}},
                      {"scope", "Namespaced"}};
  spec["versions"] = OrderedJson::array({version});
  return {{"apiVersion", "apiextensions.k8s.io/v1"},
          {"kind", "CustomResourceDefinition"},
          {"metadata", {{"name", std::string(kPlural) + "." + kGroup}}},
          {"spec", spec}};
}

std::string CrdYaml() {
  return "# Generated by crdgen from operator/api; do not edit (see operator/api/README.md).\n" +
         ToYaml(Crd());
}

}  // namespace deepseek::api
