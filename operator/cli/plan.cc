#include "operator/cli/plan.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <sstream>

#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"
#include "operator/api/deepseek_deployment.h"
#include "operator/api/names.h"
#include "operator/cli/manifest.h"
#include "operator/cli/observe.h"
#include "operator/decide/decide.h"
#include "operator/decide/json_read.h"
#include "operator/render/render.h"

namespace deepseek::cli {
namespace {

using decide::TextAt;

constexpr char kFieldManager[] = "kubectl-deepseek";
constexpr char kUnknownImage[] = "(the operator's default)";

std::string ActionOn(const decide::Cluster& cluster, const Json& desired) {
  for (const decide::Object& child : cluster.children) {
    if (TextAt(*child, "/kind") != TextAt(desired, "/kind") ||
        TextAt(*child, "/metadata/name") != TextAt(desired, "/metadata/name"))
      continue;
    const auto stamp = [](const Json& object) {
      return decide::MetadataAt(object, "annotations", api::kAppliedHashAnnotation);
    };
    return stamp(*child) == stamp(desired) ? "none" : "change";
  }
  return "create";
}

// The value of a label that a peer of a NetworkPolicy asks for.
std::string Asked(const Json& peer, const char* selector, const char* label) {
  const Json& value = decide::At(decide::At(decide::At(peer, selector), "matchLabels"), label);
  return value.is_string() ? value.get<std::string>() : "";
}

// The namespace of the operator that wrote the NetworkPolicy, whose rule is the last: nobody else
// tells it who may not read the operator's Deployment. Empty: there is no policy yet, or the
// operator is no pod.
std::string OperatorNamespace(const decide::Cluster& cluster) {
  std::string ns;
  for (const decide::Object& child : cluster.children) {
    if (TextAt(*child, "/kind") != "NetworkPolicy") continue;
    for (const Json& rule : decide::At(decide::At(*child, "spec"), "ingress")) {
      for (const Json& peer : decide::At(rule, "from")) {
        if (Asked(peer, "podSelector", "app.kubernetes.io/name") == "deepseek-operator")
          ns = Asked(peer, "namespaceSelector", "kubernetes.io/metadata.name");
      }
    }
  }
  return ns;
}

std::string RevisionName(const Json& dsd) {
  for (const auto& [kind, name] : decide::ChildNames(dsd)) {
    if (kind == "ControllerRevision") return name;
  }
  return "";
}

// Pods of other revisions go, and of the wanted one what is beyond replicas; what is missing comes.
void PlanPods(const decide::Observed& observed, int replicas, PlanReport* report) {
  const std::string hash8 = report->revision.substr(report->revision.size() - 8);
  int there = 0;
  for (const decide::Pod& pod : observed.pods) {
    if (pod.deleting) continue;
    const bool stays = pod.hash8 == hash8 && ++there <= replicas;
    if (!stays) report->gone_pods.push_back(pod.name);
  }
  for (int i = there; i < replicas; ++i) report->new_pods.push_back(report->revision);
}

absl::StatusOr<std::string> ReadAll(Session& session, const std::string& file) {
  std::ostringstream text;
  if (file == "-") {
    text << session.in.rdbuf();
    return text.str();
  }
  std::ifstream in(file, std::ios::binary);
  text << in.rdbuf();
  if (!in) return absl::InvalidArgumentError(StrCat(file, ": cannot be read"));
  return text.str();
}

// What the operator of this cluster gives to new revisions: an argument of its Deployment. Whoever
// may not read it still gets a plan, without the image's name.
std::string AgentImage(kube::Client client) {
  const auto found = client.ListAll(kube::resources::kDeployment,
                                    {.ns = "",
                                     .label_selector = "app.kubernetes.io/name=deepseek-operator",
                                     .field_selector = ""});
  constexpr std::string_view kFlag = "--agent-image=";
  if (!found.ok()) return kUnknownImage;
  for (const kube::Object& deployment : found->items) {
    const Json* containers = decide::Find(*deployment, "/spec/template/spec/containers");
    if (containers == nullptr || !containers->is_array()) continue;
    for (const Json& container : *containers) {
      const Json* args = decide::Find(container, "/args");
      if (args == nullptr || !args->is_array()) continue;
      for (const Json& arg : *args) {
        const std::string text = arg.is_string() ? arg.get<std::string>() : "";
        if (text.starts_with(kFlag)) return text.substr(kFlag.size());
      }
    }
  }
  return kUnknownImage;
}

// `sent` as the API server keeps it: it says what becomes of a null. What is in `kept` alone comes
// from the live object, and is no part of what the user wants.
Json AsKept(const Json& sent, const Json& kept) {
  if (!sent.is_object() || !kept.is_object()) return sent.is_null() ? kept : sent;
  Json out = Json::object();
  for (const auto& [key, value] : sent.items()) {
    const auto at = kept.find(key);
    if (at != kept.end()) {
      out[key] = AsKept(value, *at);
    } else if (!value.is_null()) {
      out[key] = value;
    }
  }
  return out;
}

// The object as it would be stored, seen by the API server (schema, CEL rules, defaults).
absl::StatusOr<decide::Object> Wanted(kube::Client client, const std::string& default_ns,
                                      const Json& manifest) {
  if (TextAt(manifest, "/kind") != api::kKind ||
      TextAt(manifest, "/apiVersion") != api::kApiVersion) {
    return absl::InvalidArgumentError(StrCat("plan: ", TextAt(manifest, "/kind"), " ",
                                             TextAt(manifest, "/metadata/name"), ": only ",
                                             api::kKind, " of ", api::kApiVersion, " is planned"));
  }
  Json object = manifest;
  const std::string name = TextAt(manifest, "/metadata/name");
  const std::string given = TextAt(manifest, "/metadata/namespace");
  const std::string ns = given.empty() ? default_ns : given;
  object["metadata"]["namespace"] = ns;
  object.erase("status");
  const auto& kind = kube::resources::kDeepSeekDeployment;
  ASSIGN_OR_RETURN(const kube::Object kept,
                   client.Apply(kind, ns, name, object,
                                {.field_manager = kFieldManager, .force = true, .dry_run = true}));
  absl::StatusOr<kube::Object> live = client.Get(kind, ns, name);
  if (absl::IsNotFound(live.status())) return kept;
  if (!live.ok()) return live.status();
  Json next = **live;
  Json spec = AsKept(decide::At(object, "spec"), decide::At(*kept, "spec"));
  // Where the manifest leaves it out, an autoscaler's number stays.
  const Json& replicas = decide::At(decide::At(*kept, "spec"), "replicas");
  if (!spec.contains("replicas") && !replicas.is_null()) spec["replicas"] = replicas;
  if (next["spec"] != spec)
    next["metadata"]["generation"] = decide::IntegerAt(next, "/metadata/generation") + 1;
  next["spec"] = std::move(spec);
  return std::make_shared<const Json>(std::move(next));
}

Json ReportJson(const decide::Cluster& cluster, const PlanReport& report) {
  Json objects = Json::array();
  for (const PlannedObject& object : report.objects)
    objects.push_back({{"kind", object.kind}, {"name", object.name}, {"action", object.action}});
  Json memory;
  if (report.model) {
    const engine::MemoryPlan& m = report.model->memory;
    memory = {
        {"preset", report.model->preset},          {"parameters", report.model->spec.Parameters()},
        {"leastBytes", report.model->least_bytes}, {"weightsBytes", m.packed_bytes()},
        {"kvBytesPerToken", m.kv_bytes_per_token}, {"maxContextTokens", m.max_context}};
  }
  return {
      {"name", TextAt(*cluster.dsd, "/metadata/name")},
      {"namespace", TextAt(*cluster.dsd, "/metadata/namespace")},
      {"refused", report.refused},
      {"revision",
       {{"name", report.revision}, {"action", report.revision_action}, {"image", report.image}}},
      {"decisions", report.decisions},
      {"objects", objects},
      {"memory", memory},
      {"newPods", report.new_pods},
      {"stoppedPods", report.gone_pods}};
}

void PrintReport(Session& session, const decide::Cluster& cluster, const PlanReport& report) {
  std::ostream& out = session.out;
  out << TextAt(*cluster.dsd, "/metadata/namespace") << "/"
      << TextAt(*cluster.dsd, "/metadata/name");
  if (!report.refused.empty()) {
    out << "  " << session.style.Bad("refused") << ": " << report.refused << "\n";
    return;
  }
  out << "  " << report.revision_action << " revision " << report.revision << ", image "
      << report.image << "\n";
  if (report.model) out << "  memory of a pod: " << report.model->Text() << "\n";
  for (const std::string& decision : report.decisions) out << "  next: " << decision << "\n";
  for (const PlannedObject& object : report.objects) {
    if (object.action == "none") continue;
    const char* sign = object.action == "create" ? "+" : object.action == "delete" ? "-" : "~";
    out << "  " << sign << " " << object.kind << " " << object.name << "\n";
  }
  if (report.new_pods.empty() && report.gone_pods.empty()) {
    out << "  no pod is made or stopped\n";
    return;
  }
  out << "  pods until complete: " << report.new_pods.size() << " made, " << report.gone_pods.size()
      << " stopped\n";
  for (const std::string& pod : report.gone_pods) out << "    - " << pod << "\n";
}

}  // namespace

PlanReport MakePlan(const decide::Cluster& cluster, decide::Defaults defaults, absl::Time now) {
  PlanReport report;
  if (defaults.operator_namespace.empty()) defaults.operator_namespace = OperatorNamespace(cluster);
  const decide::Observed observed = decide::Read(cluster);
  const decide::Plan plan = decide::Decide(observed, defaults, now);
  if (!plan.manage) {
    report.refused = plan.decisions.empty()
                         ? "it is being deleted"
                         : StrCat(plan.decisions[0].reason, ": ", plan.decisions[0].message);
    return report;
  }
  report.revision = RevisionName(*cluster.dsd);
  const api::PodIntent& intent = plan.dsd->intent;
  auto model = decide::PlanModel(intent, decide::CpusOf(decide::At(*intent.pod, "resources")));
  if (model.ok()) report.model = *std::move(model);  // what is not OK is refused above
  report.revision_action = "keep";
  report.image =
      plan.revision && plan.revision->stored == nullptr ? plan.revision->resolved.image : "";
  for (const decide::Revision& revision : observed.revisions) {
    if (revision.child.name == report.revision) report.image = TextAt(*revision.resolved, "/image");
  }
  for (const decide::Decision& decision : plan.decisions) {
    if (decision.action == "CreateRevision") report.revision_action = "create";
    if (decision.action == "RestoreRevision") report.revision_action = "restore";
    report.decisions.push_back(
        StrCat(decision.action, " (", decision.reason, "): ", decision.message));
  }
  for (const render::Rendered& rendered : render::Render(plan)) {
    const Json& object = *rendered.object;
    report.objects.push_back(
        {TextAt(object, "/kind"), TextAt(object, "/metadata/name"), ActionOn(cluster, object)});
  }
  for (const decide::Deletion& deletion : plan.deletions)
    report.objects.push_back({deletion.kind, deletion.name, "delete"});
  PlanPods(observed, plan.dsd->replicas, &report);
  return report;
}

absl::Status PlanCommand(Session& session, const PlanOptions& options) {
  ASSIGN_OR_RETURN(const std::string text, ReadAll(session, options.file));
  ASSIGN_OR_RETURN(const std::vector<Json> documents, ReadManifest(text, options.file));
  if (documents.empty()) {
    return absl::InvalidArgumentError(StrCat("plan: ", options.file, ": no object in it"));
  }
  decide::Defaults defaults;
  defaults.agent_image =
      options.agent_image.empty() ? AgentImage(session.client()) : options.agent_image;
  Json reports = Json::array();
  for (const Json& document : documents) {
    ASSIGN_OR_RETURN(decide::Object wanted, Wanted(session.client(), session.ns, document));
    ASSIGN_OR_RETURN(const decide::Cluster cluster,
                     ObserveAround(session.client(), std::move(wanted)));
    const PlanReport report = MakePlan(cluster, defaults, session.now());
    if (session.json) {
      reports.push_back(ReportJson(cluster, report));
    } else {
      PrintReport(session, cluster, report);
    }
  }
  if (session.json) session.out << PrettyJson(reports) << "\n";
  return absl::OkStatus();
}

}  // namespace deepseek::cli
