#include "operator/api/deepseek_deployment.h"

#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"
#include "operator/api/field.h"
#include "operator/api/units.h"
#include "operator/api/validate.h"

namespace deepseek::api {
namespace {

using Pointer = Json::json_pointer;

constexpr const char* kPodFields[] = {
    "resources",         "nodeSelector",    "tolerations", "affinity", "topologySpreadConstraints",
    "priorityClassName", "runtimeClassName"};

// Value at a path of a validated object; nullptr where absent.
const Json* At(const Json& json, const char* path) {
  const Pointer pointer(path);
  return json.contains(pointer) ? &json.at(pointer) : nullptr;
}

std::optional<std::string> Text(const Json& json, const char* path) {
  const Json* value = At(json, path);
  return value == nullptr ? std::nullopt : std::optional(value->get<std::string>());
}

std::optional<int64_t> Integer(const Json& json, const char* path) {
  const Json* value = At(json, path);
  return value == nullptr ? std::nullopt : std::optional(value->get<int64_t>());
}

std::optional<absl::Duration> Time(const Json& json, const char* path) {
  const auto text = Text(json, path);
  if (!text) return std::nullopt;
  return *ParseDuration(*text);  // validated before
}

std::string QuantityText(const Json& value) {
  return value.is_string() ? value.get<std::string>() : DumpJson(value);
}

std::shared_ptr<const Json> Share(const Json* value) {
  return std::make_shared<const Json>(value == nullptr ? Json() : *value);
}

// Two spellings of one wish are one revision: quantities and durations in canonical form.
void Normalise(Json* intent) {
  for (const char* kind : {"/workload/resources/limits", "/workload/resources/requests"}) {
    const Pointer pointer(kind);
    if (!intent->contains(pointer)) continue;
    for (auto& [name, quantity] : (*intent)[pointer].items())
      quantity = *CanonicalQuantity(QuantityText(quantity));
  }
  for (const char* path : {"/engine/maxBatchDelay", "/workload/drain/delay",
                           "/workload/drain/timeout", "/workload/startup/deadline"}) {
    const Pointer pointer(path);
    if (!intent->contains(pointer)) continue;
    Json& value = (*intent)[pointer];
    value = DurationText(*ParseDuration(value.get<std::string>()));
  }
  const Pointer memory("/engine/kvCacheMemory");
  if (intent->contains(memory))
    (*intent)[memory] = StrCat(*ParseBytes(QuantityText((*intent)[memory])));
}

// Empty objects and lists say nothing; null is absence. A peer's or affinity term's `{}` selector
// does say something, so only whole fields at the top two levels are left out.
void DropEmpty(Json* intent, int depth) {
  for (auto it = intent->begin(); it != intent->end();) {
    if (depth > 0 && it->is_object()) DropEmpty(&*it, depth - 1);
    it = it->is_null() || (it->is_structured() && it->empty()) ? intent->erase(it) : std::next(it);
  }
}

// Within template.spec null means "remove" and an empty list "none": both stay.
void NormaliseOverlay(Json* intent) {
  const Pointer pointer("/workload/template/metadata");
  if (intent->contains(pointer)) DropEmpty(&(*intent)[pointer], 0);
}

// What of a spec a revision is made of: these parts, and these fields of `observability`.
constexpr const char* kIntentParts[] = {"model", "engine", "workload"};
constexpr const char* kIntentObservability[] = {"logLevel", "gpuMetrics"};

Json IntentOf(const Json& spec) {
  Json intent = Json::object();
  for (const char* part : kIntentParts) {
    if (spec.contains(part)) intent[part] = spec[part];
  }
  for (const char* field : kIntentObservability) {
    if (const Json* value = At(spec, StrCat("/observability/", field).c_str()))
      intent["observability"][field] = *value;
  }
  Normalise(&intent);
  NormaliseOverlay(&intent);
  DropEmpty(&intent, 2);
  return intent;
}

PodIntent ReadIntent(const Json& intent) {
  PodIntent out;
  out.served_name = Text(intent, "/model/name");
  out.preset = Text(intent, "/model/preset");
  out.builtin = Text(intent, "/model/source/builtin").value_or("");
  out.claim_name = Text(intent, "/model/source/persistentVolumeClaim/claimName").value_or("");
  out.path = Text(intent, "/model/source/persistentVolumeClaim/path").value_or("");
  out.image = Text(intent, "/engine/image");
  out.image_pull_policy = Text(intent, "/engine/imagePullPolicy");
  if (const Json* secrets = At(intent, "/engine/imagePullSecrets")) {
    for (const Json& secret : *secrets)
      out.image_pull_secrets.push_back(secret["name"].get<std::string>());
  }
  out.device = Text(intent, "/engine/device");
  out.gpus_per_replica = Integer(intent, "/engine/gpusPerReplica");
  out.compute = Text(intent, "/engine/compute");
  out.weights = Text(intent, "/engine/weights");
  out.kv_cache = Text(intent, "/engine/kvCache");
  out.max_context_tokens = Integer(intent, "/engine/maxContextTokens");
  out.max_batch = Integer(intent, "/engine/maxBatch");
  out.max_batch_delay = Time(intent, "/engine/maxBatchDelay");
  if (const Json* memory = At(intent, "/engine/kvCacheMemory")) {
    out.kv_cache_memory_bytes = *ParseBytes(QuantityText(*memory));
  }
  out.drain_delay = Time(intent, "/workload/drain/delay");
  out.drain_timeout = Time(intent, "/workload/drain/timeout");
  out.startup_deadline = Time(intent, "/workload/startup/deadline");
  out.log_level = Text(intent, "/observability/logLevel");
  out.gpu_metrics = Text(intent, "/observability/gpuMetrics");
  Json pod = Json::object();
  for (const char* field : kPodFields) {
    if (const Json* value = At(intent, StrCat("/workload/", field).c_str())) pod[field] = *value;
  }
  out.pod = std::make_shared<const Json>(std::move(pod));
  out.overlay = Share(At(intent, "/workload/template"));
  return out;
}

void ReadRollout(const Json& spec, Rollout* out) {
  if (Text(spec, "/rollout/strategy") == "Recreate") out->strategy = Strategy::kRecreate;
  out->max_surge = static_cast<int>(Integer(spec, "/rollout/maxSurge").value_or(1));
  out->max_unavailable = static_cast<int>(Integer(spec, "/rollout/maxUnavailable").value_or(0));
  const Json* paused = At(spec, "/rollout/paused");
  out->paused = paused != nullptr && paused->get<bool>();
  out->progress_deadline = Time(spec, "/rollout/progressDeadline");
  out->retry_token = Text(spec, "/rollout/retryToken").value_or("");
}

// nlohmann throws only on a wrong type or a missing key, both excluded by Validate; this is the
// border anyway.
template <typename F>
absl::Status Guard(const F& f) {
  try {
    f();
    return absl::OkStatus();
  } catch (const std::exception& e) {
    return absl::InvalidArgumentError(StrCat("spec: ", e.what()));
  }
}

bool IsName(const std::string& name) {
  const auto lower = [](char c) { return c >= 'a' && c <= 'z'; };
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (name.empty() || name.size() > 54 || !lower(name.front()) || name.back() == '-') return false;
  for (const char c : name) {
    if (!lower(c) && !digit(c) && c != '-') return false;
  }
  return true;
}

// Relative and without "..", as the CEL rule says.
bool IsRelative(const std::string& path) {
  if (path.starts_with('/')) return false;
  for (size_t start = 0; start <= path.size();) {
    const size_t end = std::min(path.find('/', start), path.size());
    if (path.substr(start, end - start) == "..") return false;
    start = end + 1;
  }
  return true;
}

absl::Status CheckPeers(const Json& spec, const char* path) {
  const Json* peers = At(spec, path);
  if (peers == nullptr) return absl::OkStatus();
  for (const Json& peer : *peers) {
    if (peer.contains("ipBlock") ==
        (peer.contains("podSelector") || peer.contains("namespaceSelector"))) {
      return absl::InvalidArgumentError(StrCat(
          "spec", path, ": a peer is either an ipBlock or selectors: set exactly one of the two"));
    }
  }
  return absl::OkStatus();
}

void PutField(const Json& from, const char* field, Json* to) {
  const auto at = from.find(field);
  if (at != from.end()) {
    (*to)[field] = *at;
  } else if (to->is_object()) {
    to->erase(field);
  }
}

}  // namespace

void PutIntent(const Json& canonical, Json* spec) {
  for (const char* part : kIntentParts) PutField(canonical, part, spec);
  const Json* kept = At(canonical, "/observability");
  for (const char* field : kIntentObservability) {
    const bool there = kept != nullptr && kept->contains(field);
    if (there || spec->contains("observability"))
      PutField(there ? *kept : Json::object(), field, &(*spec)["observability"]);
  }
}

absl::Status CheckRules(const std::string& name, const Json& spec) {
  if (!IsName(name))
    return absl::InvalidArgumentError(StrCat("metadata.name: ", RootRules()[0].message));
  const Json* source = At(spec, "/model/source");
  if (source == nullptr ||
      source->contains("builtin") == source->contains("persistentVolumeClaim")) {
    return absl::InvalidArgumentError(
        "spec.model.source: needs exactly one of builtin and persistentVolumeClaim");
  }
  const auto preset = Text(spec, "/model/preset");
  if (preset && preset != Text(spec, "/model/source/builtin").value_or(*preset)) {
    return absl::InvalidArgumentError(
        "spec.model: preset must be the shape of source.builtin: leave it out");
  }
  if (!IsRelative(Text(spec, "/model/source/persistentVolumeClaim/path").value_or(""))) {
    return absl::InvalidArgumentError(
        "spec.model.source.persistentVolumeClaim.path: is relative to the volume: no leading '/' "
        "and no '..'");
  }
  if (Text(spec, "/engine/compute") == "INT8" &&
      Text(spec, "/engine/weights").value_or("Native") == "Native") {
    return absl::InvalidArgumentError("spec.engine: compute INT8 needs weights INT8 or INT4");
  }
  if (Integer(spec, "/engine/gpusPerReplica") && Text(spec, "/engine/device") != "CUDA") {
    return absl::InvalidArgumentError("spec.engine: gpusPerReplica needs device CUDA");
  }
  Rollout rollout;
  ReadRollout(spec, &rollout);
  if (rollout.strategy == Strategy::kRolling && rollout.max_surge == 0 &&
      rollout.max_unavailable == 0) {
    return absl::InvalidArgumentError(
        "spec.rollout: maxSurge and maxUnavailable cannot both be 0: nothing could ever be "
        "replaced");
  }
  RETURN_IF_ERROR(CheckPeers(spec, "/traffic/allowedFrom"));
  return CheckPeers(spec, "/observability/scrapeFrom");
}

absl::StatusOr<DeepSeekDeployment> Parse(const Json& object) {
  DeepSeekDeployment out;
  const Json spec = object.is_object() ? object.value("spec", Json()) : Json();
  RETURN_IF_ERROR(Validate(spec, SpecFields(), "spec"));
  absl::Status rules;
  RETURN_IF_ERROR(Guard([&] {
    const Json& metadata = object.at("metadata");
    out.name = metadata.at("name").get<std::string>();
    out.ns = metadata.value("namespace", "");
    out.uid = metadata.value("uid", "");
    out.resource_version = metadata.value("resourceVersion", "");
    out.generation = metadata.value("generation", int64_t{0});
    out.deleting = metadata.contains("deletionTimestamp");

    rules = CheckRules(out.name, spec);
    if (!rules.ok()) return;
    out.replicas = static_cast<int>(Integer(spec, "/replicas").value_or(1));
    ReadRollout(spec, &out.rollout);
    out.service_type = Text(spec, "/traffic/service/type").value_or("ClusterIP");
    out.service_annotations = Share(At(spec, "/traffic/service/annotations"));
    out.allowed_from = Share(At(spec, "/traffic/allowedFrom"));
    out.scrape_from = Share(At(spec, "/observability/scrapeFrom"));
    if (const Json* monitor = At(spec, "/observability/podMonitor")) {
      out.pod_monitor = PodMonitor{.labels = {}, .interval = Time(*monitor, "/interval")};
      if (const Json* labels = At(*monitor, "/labels")) labels->get_to(out.pod_monitor->labels);
    }
    out.revision_history_limit =
        static_cast<int>(Integer(spec, "/revisionHistoryLimit").value_or(5));

    const Json intent = IntentOf(spec);
    out.intent = ReadIntent(intent);
    out.canonical_intent = DumpJson(intent);
  }));
  RETURN_IF_ERROR(rules);
  return out;
}

absl::StatusOr<PodIntent> ParseIntent(const Json& canonical) {
  RETURN_IF_ERROR(Validate(canonical, SpecFields(), "intent"));
  PodIntent out;
  RETURN_IF_ERROR(Guard([&] { out = ReadIntent(canonical); }));
  return out;
}

}  // namespace deepseek::api
