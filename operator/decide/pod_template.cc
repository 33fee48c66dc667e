#include "operator/decide/pod_template.h"

#include <cmath>

#include "absl/strings/ascii.h"
#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"
#include "operator/api/names.h"
#include "operator/decide/floor.h"
#include "operator/decide/json_read.h"
#include "operator/decide/model_plan.h"
#include "operator/decide/overlay.h"

namespace deepseek::decide {
namespace {

// Images have their user by name or number without a group: the kubelet would give gid 0, so all
// three are said here.
constexpr int kUser = 65532;
constexpr char kVolumeMount[] = "/model";
constexpr char kBuiltinFolder[] = "/models/";
// What the operator has to say to the pods of a revision after it was made: see DigestVolume.
constexpr char kRevisionMount[] = "/etc/deepseek-agent/revision";
// Beyond drain delay and timeout: time to close and exit.
constexpr absl::Duration kGrace = absl::Seconds(15);
constexpr int kStartupPeriodSeconds = 2;

// The agent's flags take whole seconds or milliseconds.
std::string Flag(absl::Duration duration) {
  const int64_t ms = absl::ToInt64Milliseconds(duration);
  return ms % 1000 == 0 ? StrCat(ms / 1000, "s") : StrCat(ms, "ms");
}

int64_t CeilSeconds(absl::Duration duration) {
  return absl::ToInt64Seconds(absl::Ceil(duration, absl::Seconds(1)));
}

std::string ModelFolder(const api::PodIntent& intent) {
  if (!intent.builtin.empty()) return kBuiltinFolder + intent.builtin;
  return intent.path.empty() ? kVolumeMount : StrCat(kVolumeMount, "/", intent.path);
}

Json Args(const api::PodIntent& intent, const Resolved& r) {
  Json args = {"serve",
               "--model",
               ModelFolder(intent),
               "--served-name",
               r.served_name,
               "--http",
               StrCat("0.0.0.0:", api::kHttpPort),
               "--metrics",
               StrCat("0.0.0.0:", api::kMetricsPort),
               "--device",
               r.device,
               "--compute",
               r.compute,
               "--max-batch",
               StrCat(r.max_batch),
               "--max-batch-delay",
               Flag(r.max_batch_delay),
               "--drain-delay",
               Flag(r.drain_delay),
               "--drain-timeout",
               Flag(r.drain_timeout),
               "--log-level",
               r.log_level};
  const auto add = [&](const char* flag, const std::optional<int64_t>& value) {
    if (!value) return;
    args.push_back(flag);
    args.push_back(StrCat(*value));
  };
  // Only when asked for: templates of revisions that do not know these fields stay as they are.
  const auto add_name = [&](const char* flag, const std::optional<std::string>& value) {
    if (!value) return;
    args.push_back(flag);
    args.push_back(absl::AsciiStrToLower(*value));
  };
  add_name("--weights", intent.weights);
  add_name("--kv", intent.kv_cache);
  add("--max-context", intent.max_context_tokens);
  add("--kv-memory", intent.kv_cache_memory_bytes);
  return args;
}

Json Env(const std::string& deployment, const std::string& hash8, const Resolved& r) {
  Json env = {{{"name", "DEEPSEEK_DEPLOYMENT"}, {"value", deployment}},
              {{"name", "DEEPSEEK_REVISION"}, {"value", hash8}}};
  // Environment variables, not flags: agents of earlier versions do not know them. gRPC is plain
  // text inside the NetworkPolicy until agents have identities.
  env.push_back({{"name", "DEEPSEEK_MODEL_DIGEST_FILE"},
                 {"value", StrCat(kRevisionMount, "/", api::kModelDigestKey)}});
  env.push_back({{"name", "DEEPSEEK_GRPC"}, {"value", StrCat("0.0.0.0:", api::kGrpcPort)}});
  env.push_back({{"name", "DEEPSEEK_INSECURE"}, {"value", "true"}});
  if (!r.gpu_metrics.empty())
    env.push_back({{"name", "DEEPSEEK_GPU_METRICS"}, {"value", r.gpu_metrics}});
  const std::pair<const char*, const char*> fields[] = {{"POD_NAME", "metadata.name"},
                                                        {"POD_NAMESPACE", "metadata.namespace"},
                                                        {"POD_IP", "status.podIP"},
                                                        {"NODE_NAME", "spec.nodeName"}};
  for (const auto& [name, path] : fields) {
    env.push_back({{"name", name},
                   {"valueFrom", {{"fieldRef", {{"apiVersion", "v1"}, {"fieldPath", path}}}}}});
  }
  return env;
}

Json Probe(const char* path, int period, int timeout, int64_t failures) {
  return {{"httpGet", {{"path", path}, {"port", "metrics"}, {"scheme", "HTTP"}}},
          {"periodSeconds", period},
          {"timeoutSeconds", timeout},
          {"failureThreshold", failures}};
}

// The memory of a model whose shape is known is asked for where the user says nothing of memory.
Json Resources(const api::PodIntent& intent, const Resolved& r,
               const std::optional<ModelPlan>& plan) {
  constexpr int64_t kMiB = int64_t{1} << 20;
  Json out = {{"requests", {{"cpu", "100m"}, {"memory", "256Mi"}}}};
  if (plan) out["requests"].erase("memory");
  if (intent.pod->contains("resources")) out = intent.pod->at("resources");
  if (plan && At(At(out, "limits"), "memory").is_null())
    out["requests"].emplace("memory", StrCat((plan->least_bytes + kMiB - 1) / kMiB, "Mi"));
  // A limit: Kubernetes makes the request of it. A number that is there stands (see CheckGpus).
  if (r.gpus > 0) out["limits"].emplace(api::kGpuResource, StrCat(r.gpus));
  return out;
}

Json Container(const std::string& deployment, const std::string& hash8,
               const api::PodIntent& intent, const Resolved& r,
               const std::optional<ModelPlan>& plan) {
  Json container = {
      {"name", api::kAgentContainer},
      {"image", r.image},
      {"imagePullPolicy", r.image_pull_policy},
      {"args", Args(intent, r)},
      {"env", Env(deployment, hash8, r)},
      {"ports",
       {{{"name", "http"}, {"containerPort", api::kHttpPort}, {"protocol", "TCP"}},
        {{"name", "grpc"}, {"containerPort", api::kGrpcPort}, {"protocol", "TCP"}},
        {{"name", "metrics"}, {"containerPort", api::kMetricsPort}, {"protocol", "TCP"}}}},
      {"securityContext",
       {{"allowPrivilegeEscalation", false},
        {"capabilities", {{"drop", {"ALL"}}}},
        {"readOnlyRootFilesystem", true}}},
      {"terminationMessagePath", "/dev/termination-log"},
      {"terminationMessagePolicy", "File"},
      {"volumeMounts",
       {{{"name", "tmp"}, {"mountPath", "/tmp"}},
        {{"name", kRevisionVolume}, {"mountPath", kRevisionMount}, {"readOnly", true}}}},
  };
  // /ready answers 503 while the model loads: a load that takes longer than the deadline is started
  // anew. Only then do the other two probes begin.
  const int64_t tries =
      (CeilSeconds(r.startup_deadline) + kStartupPeriodSeconds - 1) / kStartupPeriodSeconds;
  container["startupProbe"] =
      Probe("/ready", kStartupPeriodSeconds, 2, std::max<int64_t>(1, tries));
  container["readinessProbe"] = Probe("/ready", 2, 3, 3);
  container["livenessProbe"] = Probe("/health", 10, 5, 5);
  if (intent.builtin.empty()) {
    container["volumeMounts"].push_back(
        {{"name", "model"}, {"mountPath", kVolumeMount}, {"readOnly", true}});
  }
  container["resources"] = Resources(intent, r, plan);
  return container;
}

// Nodes with GPUs usually keep other pods away by this taint; few clusters add the toleration by
// themselves (the admission plugin ExtendedResourceToleration).
void TolerateGpuNodes(Json* spec) {
  Json& tolerations = (*spec)["tolerations"];
  for (const Json& toleration : tolerations) {
    const std::string key = TextAt(toleration, "/key"), effect = TextAt(toleration, "/effect");
    const bool this_taint = key == api::kGpuResource || key.empty();
    if (this_taint && (effect.empty() || effect == "NoSchedule")) return;
  }
  tolerations.push_back(
      {{"key", api::kGpuResource}, {"operator", "Exists"}, {"effect", "NoSchedule"}});
}

// Preferences only: with requirements a single-node cluster would hang.
void Place(const std::string& deployment, const api::PodIntent& intent, const Resolved& r,
           Json* spec) {
  const Json labels = {{"matchLabels", Selector(deployment)}};
  for (const char* field : {"nodeSelector", "tolerations", "affinity", "topologySpreadConstraints",
                            "priorityClassName", "runtimeClassName"}) {
    if (intent.pod->contains(field)) (*spec)[field] = intent.pod->at(field);
  }
  if (r.OnGpus()) TolerateGpuNodes(spec);
  if (!spec->contains("affinity")) {
    const Json term = {{"labelSelector", labels}, {"topologyKey", "kubernetes.io/hostname"}};
    (*spec)["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"] =
        Json::array({{{"weight", 100}, {"podAffinityTerm", term}}});
  }
  if (!spec->contains("topologySpreadConstraints")) {
    (*spec)["topologySpreadConstraints"] =
        Json::array({{{"maxSkew", 1},
                      {"topologyKey", "topology.kubernetes.io/zone"},
                      {"whenUnsatisfiable", "ScheduleAnyway"}}});
  }
  for (Json& constraint : (*spec)["topologySpreadConstraints"]) {
    if (!constraint.contains("labelSelector")) constraint["labelSelector"] = labels;
  }
}

// The template cannot change after the revision was made, and the digest of the weights is only
// known once an agent has read them: so it comes by a ConfigMap, absent until then.
Json DigestVolume(const std::string& deployment, const std::string& hash8) {
  return {{"name", kRevisionVolume},
          {"configMap", {{"name", api::RevisionName(deployment, hash8)}, {"optional", true}}}};
}

Json Base(const std::string& deployment, const std::string& hash8, const api::PodIntent& intent,
          const Resolved& resolved, const std::optional<ModelPlan>& plan) {
  Json spec = {
      {"serviceAccountName", api::ServiceAccountName(deployment)},
      {"automountServiceAccountToken", false},
      {"enableServiceLinks", false},
      {"securityContext",
       {{"runAsNonRoot", true},
        {"runAsUser", kUser},
        {"runAsGroup", kUser},
        {"fsGroup", kUser},
        {"fsGroupChangePolicy", "OnRootMismatch"},
        {"seccompProfile", {{"type", "RuntimeDefault"}}}}},
      {"terminationGracePeriodSeconds",
       CeilSeconds(resolved.drain_delay + resolved.drain_timeout + kGrace)},
      {"containers", Json::array({Container(deployment, hash8, intent, resolved, plan)})},
      {"volumes",
       {{{"name", "tmp"}, {"emptyDir", Json::object()}}, DigestVolume(deployment, hash8)}},
  };
  if (intent.builtin.empty()) {
    spec["volumes"].push_back(
        {{"name", "model"},
         {"persistentVolumeClaim", {{"claimName", intent.claim_name}, {"readOnly", true}}}});
  }
  for (const std::string& secret : intent.image_pull_secrets)
    spec["imagePullSecrets"].push_back({{"name", secret}});
  Place(deployment, intent, resolved, &spec);
  return {{"metadata", {{"labels", Selector(deployment, hash8)}}}, {"spec", spec}};
}

// Whether the number of GPUs was said once only, resources and overlay included.
absl::Status CheckGpus(const api::PodIntent& intent, const Json& made) {
  if (!intent.gpus_per_replica) return absl::OkStatus();
  for (const Json& container : made.at("spec").at("containers")) {
    if (TextAt(container, "/name") != api::kAgentContainer) continue;
    const Json& limit = At(At(At(container, "resources"), "limits"), api::kGpuResource);
    const std::string said = limit.is_string() ? limit.get<std::string>() : limit.dump();
    if (said == StrCat(*intent.gpus_per_replica)) continue;
    return absl::InvalidArgumentError(
        StrCat("spec.engine.gpusPerReplica is ", *intent.gpus_per_replica, ", but the limit of ",
               api::kGpuResource, " in workload.resources or ", "workload.template is ", said,
               " (say it once: in gpusPerReplica)"));
  }
  return absl::OkStatus();
}

}  // namespace

Json Selector(const std::string& deployment, const std::string& hash8) {
  Json labels = {{api::kDeploymentLabel, deployment}};
  if (!hash8.empty()) labels[api::kRevisionLabel] = hash8;
  return labels;
}

absl::StatusOr<Json> PodTemplate(const std::string& deployment, const std::string& hash8,
                                 const api::PodIntent& intent, const Resolved& resolved) {
  std::optional<ModelPlan> plan;  // of the CPU's memory: weights on GPUs are not in it
  if (!resolved.OnGpus()) {
    ASSIGN_OR_RETURN(plan, PlanModel(intent, CpusOf(At(*intent.pod, "resources"))));
  }
  Json made = Base(deployment, hash8, intent, resolved, plan);
  if (!intent.overlay->is_null()) {
    ASSIGN_OR_RETURN(Json merged, MergeOverlay(made, *intent.overlay));
    RETURN_IF_ERROR(CheckFloor(made, merged));
    made = std::move(merged);
  }
  if (plan) RETURN_IF_ERROR(CheckMemory(*plan, made));
  RETURN_IF_ERROR(CheckGpus(intent, made));
  return made;
}

}  // namespace deepseek::decide
