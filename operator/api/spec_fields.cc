#include "engine/arch/presets.h"
#include "operator/api/kubernetes_fields.h"

namespace deepseek::api {
namespace {

Fields ModelFields() {
  return {
      {.path = "model",
       .type = Type::kObject,
       .description = "Which model is served.",
       .required = true,
       .rules = {{"!has(self.preset) || !has(self.source.builtin) || self.preset == "
                  "self.source.builtin",
                  "preset must be the shape of source.builtin: leave it out"}}},
      {.path = "model.name",
       .type = Type::kString,
       .description = "Name that clients use for the model in their requests.",
       .default_text = "metadata.name",
       .max_length = 128,
       .pattern = "^[A-Za-z0-9]([-A-Za-z0-9._/:]*[A-Za-z0-9])?$"},
      {.path = "model.preset",
       .type = Type::kEnum,
       .description =
           "The shape of the model: memory is planned by it before the weights can be read. A pod "
           "without a memory request or limit asks for what it needs at least, and a limit below "
           "that is refused with the numbers.",
       .default_text = "nothing is planned before an agent reads the weights",
       .values = engine::PresetNames()},
      {.path = "model.source",
       .type = Type::kObject,
       .description =
           "Where the weights, the configuration and the tokenizer come from: exactly one source.",
       .required = true,
       .rules = {{"has(self.builtin) != has(self.persistentVolumeClaim)",
                  "model.source needs exactly one of builtin and persistentVolumeClaim"}}},
      {.path = "model.source.builtin",
       .type = Type::kEnum,
       .description = "A model that ships in the agent image.",
       .values = {"demo-v3"}},
      {.path = "model.source.persistentVolumeClaim",
       .type = Type::kObject,
       .description = "A folder on a volume, mounted read-only."},
      {.path = "model.source.persistentVolumeClaim.claimName",
       .type = Type::kString,
       .description = "PersistentVolumeClaim in the namespace of this object.",
       .max_length = 253,
       .pattern = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
       .required = true},
      {.path = "model.source.persistentVolumeClaim.path",
       .type = Type::kString,
       .description =
           "Folder within the volume that holds config.json, the safetensors and tokenizer.json.",
       .default_text = "the volume's root",
       .max_length = 1024,
       .rules = {{"!self.startsWith('/') && !self.split('/').exists(s, s == '..')",
                  "path is relative to the volume: no leading '/' and no '..'"}}},
  };
}

Fields EngineFields() {
  return {
      {.path = "engine",
       .type = Type::kObject,
       .description = "The agent and its inference engine.",
       .rules = {{"!has(self.compute) || self.compute != 'INT8' || (has(self.weights) && "
                  "self.weights != 'Native')",
                  "compute INT8 needs weights INT8 or INT4"},
                 {"!has(self.gpusPerReplica) || (has(self.device) && self.device == 'CUDA')",
                  "gpusPerReplica needs device CUDA"}}},
      {.path = "engine.image",
       .type = Type::kString,
       .description = "Image of the agent.",
       .default_text = "the operator's own version at the time when the revision is made",
       .max_length = 512,
       .pattern = "^[A-Za-z0-9][-A-Za-z0-9._/:@]*$"},
      {.path = "engine.imagePullPolicy",
       .type = Type::kEnum,
       .description = "When the image is pulled.",
       .default_text = "the operator's own setting, IfNotPresent",
       .values = {"Always", "IfNotPresent", "Never"}},
      {.path = "engine.imagePullSecrets",
       .type = Type::kList,
       .description = "Secrets in the namespace of this object with credentials for the registry.",
       .list_keys = {"name"}},
      {.path = "engine.imagePullSecrets[]", .type = Type::kObject, .description = "One Secret."},
      {.path = "engine.imagePullSecrets[].name",
       .type = Type::kString,
       .description = "The Secret's name.",
       .max_length = 253,
       .required = true},
      {.path = "engine.device",
       .type = Type::kEnum,
       .description = "Where the model computes. CUDA asks for GPUs (nvidia.com/gpu) and tolerates "
                      "the taint of their nodes; it needs an image whose agent has the CUDA "
                      "backend, which this version's has not.",
       .default_text = "Auto, the CPU",
       .values = {"Auto", "CPU", "CUDA"}},
      {.path = "engine.gpusPerReplica",
       .type = Type::kInteger,
       .description = "GPUs of each pod, as a limit of nvidia.com/gpu; only with device CUDA.",
       .default_text = "1 with device CUDA, unless workload.resources limits something of "
                       "nvidia.com/ (slices of a GPU, say)",
       .min = 1,
       .max = 64},
      {.path = "engine.compute",
       .type = Type::kEnum,
       .description = "Number type of the arithmetic; Auto is BF16, and INT8 with weights INT8 or "
                      "INT4, which INT8 needs.",
       .default_text = "Auto",
       .values = {"Auto", "FP32", "BF16", "INT8"}},
      {.path = "engine.weights",
       .type = Type::kEnum,
       .description = "What linear layers are kept as in memory: as stored, or quantised when the "
                      "model is loaded. Router, norms and embedding are never quantised.",
       .default_text = "Native",
       .values = {"Native", "INT8", "INT4"}},
      {.path = "engine.kvCache",
       .type = Type::kEnum,
       .description = "Number type of the key-value cache.",
       .default_text = "BF16, or FP32 with compute FP32",
       .values = {"BF16", "INT8"}},
      {.path = "engine.maxContextTokens",
       .type = Type::kInteger,
       .description = "The longest sequence, prompt and answer together, in tokens.",
       .default_text = "the model's own limit",
       .min = 16,
       .max = 16777216},
      {.path = "engine.maxBatch",
       .type = Type::kInteger,
       .description = "The most sequences that one step of the engine works on.",
       .default_text = "32",
       .min = 1,
       .max = 4096},
      {.path = "engine.maxBatchDelay",
       .type = Type::kDuration,
       .description = "How long a step may wait for more requests to join it.",
       .default_text = "0s"},
      {.path = "engine.kvCacheMemory",
       .type = Type::kQuantity,
       .description = "Memory of the key-value cache.",
       .default_text = "enough for maxBatch sequences, capped by free memory"},
  };
}

Fields WorkloadFields() {
  Fields rows = {
      {.path = "workload", .type = Type::kObject, .description = "The pods that run the agent."}};
  Append(&rows, "workload.resources", ResourcesFields());
  rows.push_back({.path = "workload.nodeSelector",
                  .type = Type::kMap,
                  .description = "Labels that a node must have."});
  rows.push_back({.path = "workload.nodeSelector{}",
                  .type = Type::kString,
                  .description = "The label's value."});
  Append(&rows, "workload.tolerations", TolerationsFields());
  Append(&rows, "workload.affinity", AffinityFields());
  Append(&rows, "workload.topologySpreadConstraints", TopologySpreadConstraintsFields());
  const Fields rest = {
      {.path = "workload.priorityClassName",
       .type = Type::kString,
       .description = "PriorityClass of the pods.",
       .max_length = 253},
      {.path = "workload.runtimeClassName",
       .type = Type::kString,
       .description = "RuntimeClass of the pods, e.g. nvidia.",
       .max_length = 253},
      {.path = "workload.template",
       .type = Type::kObject,
       .description =
           "An overlay on the pod template that the operator makes. Maps merge, null removes "
           "a field; containers, initContainers, env, volumes and imagePullSecrets merge by "
           "name, volumeMounts by mountPath, ports by containerPort and protocol; any other "
           "list is replaced. What weakens the pod's security is refused with its path."},
      {.path = "workload.template.metadata",
       .type = Type::kObject,
       .description = "Further metadata of the pods."},
      {.path = "workload.template.metadata.labels",
       .type = Type::kMap,
       .description = "Labels of the pods; serving.deepseek-operator.io/ is the operator's own."},
      {.path = "workload.template.metadata.labels{}",
       .type = Type::kString,
       .description = "The label's value.",
       .max_length = 63,
       .pattern = "^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"},
      {.path = "workload.template.metadata.annotations",
       .type = Type::kMap,
       .description = "Annotations of the pods."},
      {.path = "workload.template.metadata.annotations{}",
       .type = Type::kString,
       .description = "The annotation's value.",
       .max_length = 4096},
      {.path = "workload.template.spec",
       .type = Type::kFree,
       .description = "Parts of a Kubernetes PodSpec; the agent's container is named agent."},
      {.path = "workload.drain",
       .type = Type::kObject,
       .description = "How a pod stops. Its grace period is delay + timeout + 15 s."},
      {.path = "workload.drain.delay",
       .type = Type::kDuration,
       .description = "How long a stopping agent still accepts requests while Services forget it.",
       .default_text = "5s"},
      {.path = "workload.drain.timeout",
       .type = Type::kDuration,
       .description = "How long running requests may take to finish after that.",
       .default_text = "60s"},
      {.path = "workload.startup", .type = Type::kObject, .description = "How a pod starts."},
      {.path = "workload.startup.deadline",
       .type = Type::kDuration,
       .description = "A container that is not ready by then is restarted.",
       .default_text = "30m"},
  };
  rows.insert(rows.end(), rest.begin(), rest.end());
  return rows;
}

Fields DeliveryFields() {
  return {
      {.path = "replicas",
       .type = Type::kInteger,
       .description = "Number of pods that serve the model.",
       .default_text = "1",
       .min = 0,
       .max = 1000,
       .schema_default = "1"},
      {.path = "rollout",
       .type = Type::kObject,
       .description = "How a change reaches the pods.",
       .rules = {{"(has(self.strategy) && self.strategy == 'Recreate') || !has(self.maxSurge) || "
                  "self.maxSurge > 0 || (has(self.maxUnavailable) && self.maxUnavailable > 0)",
                  "maxSurge and maxUnavailable cannot both be 0: nothing could ever be replaced"}}},
      {.path = "rollout.strategy",
       .type = Type::kEnum,
       .description = "Rolling: new pods take over one by one without a gap. Recreate: all old "
                      "pods stop before the "
                      "first new one starts, for when there is no room for both.",
       .default_text = "Rolling",
       .values = {"Rolling", "Recreate"}},
      {.path = "rollout.maxSurge",
       .type = Type::kInteger,
       .description = "How many pods a Rolling change may add beyond replicas.",
       .default_text = "1",
       .min = 0,
       .max = 1000},
      {.path = "rollout.maxUnavailable",
       .type = Type::kInteger,
       .description = "How many of the replicas may be unready during a Rolling change.",
       .default_text = "0",
       .min = 0,
       .max = 1000},
      {.path = "rollout.paused",
       .type = Type::kBoolean,
       .description = "Stops a change where it is; no pod of the new revision is added and no "
                      "serving pod is removed.",
       .default_text = "false"},
      {.path = "rollout.progressDeadline",
       .type = Type::kDuration,
       .description = "A change without a newly ready pod for this long is reported as stalled.",
       .default_text = "workload.startup.deadline + 5m"},
      {.path = "rollout.retryToken",
       .type = Type::kString,
       .description = "Any new value restarts the unready pods of the current revision and its "
                      "progress deadline.",
       .max_length = 128},
  };
}

Fields TrafficFields() {
  Fields rows = {
      {.path = "traffic", .type = Type::kObject, .description = "Who reaches the model, and how."},
      {.path = "traffic.service",
       .type = Type::kObject,
       .description = "The Service that clients call; it has the name of this object."},
      {.path = "traffic.service.type",
       .type = Type::kEnum,
       .description = "Type of the Service.",
       .default_text = "ClusterIP",
       .values = {"ClusterIP", "NodePort", "LoadBalancer"}},
      {.path = "traffic.service.annotations",
       .type = Type::kMap,
       .description = "Annotations of the Service, e.g. for a cloud's load balancer."},
      {.path = "traffic.service.annotations{}",
       .type = Type::kString,
       .description = "The annotation's value.",
       .max_length = 4096},
  };
  Fields allowed = NetworkPeersFields();
  allowed[0].description = "Peers that may call the agents' serving ports.";
  allowed[0].default_text = "all pods of this namespace";
  Append(&rows, "traffic.allowedFrom", allowed);
  return rows;
}

Fields ObservabilityFields() {
  Fields rows = {
      {.path = "observability", .type = Type::kObject, .description = "Logs and metrics."},
      {.path = "observability.logLevel",
       .type = Type::kEnum,
       .description = "Log level of the agents.",
       .default_text = "info",
       .values = {"debug", "info", "warn", "error"}},
      {.path = "observability.gpuMetrics",
       .type = Type::kEnum,
       .description = "Whether agents report the GPUs of their pods (by NVML, under the names of "
                      "dcgm-exporter). Auto: with device CUDA, and not where pods of dcgm-exporter "
                      "run in the cluster when the revision is made, so that nothing counts twice.",
       .default_text = "Auto",
       .values = {"Auto", "On", "Off"}},
  };
  Fields scrape = NetworkPeersFields();
  scrape[0].description = "Peers that may read the agents' port 9090 (metrics).";
  scrape[0].default_text = "pods labelled app.kubernetes.io/name=prometheus in any namespace";
  Append(&rows, "observability.scrapeFrom", scrape);
  const Fields monitor = {
      {.path = "observability.podMonitor",
       .type = Type::kObject,
       .description = "A PodMonitor over the agents' port 9090, for the Prometheus Operator; {} is "
                      "enough. Without its CRD the condition Monitored is False."},
      {.path = "observability.podMonitor.labels",
       .type = Type::kMap,
       .description = "Labels of the PodMonitor, by which a Prometheus selects it."},
      {.path = "observability.podMonitor.labels{}",
       .type = Type::kString,
       .description = "The label's value.",
       .max_length = 63},
      {.path = "observability.podMonitor.interval",
       .type = Type::kDuration,
       .description = "Time between two scrapes.",
       .default_text = "that of the Prometheus"},
  };
  rows.insert(rows.end(), monitor.begin(), monitor.end());
  return rows;
}

Fields All() {
  Fields all = ModelFields();
  for (const Fields& rows : {EngineFields(), WorkloadFields(), DeliveryFields(), TrafficFields(),
                             ObservabilityFields()}) {
    all.insert(all.end(), rows.begin(), rows.end());
  }
  all.push_back({.path = "revisionHistoryLimit",
                 .type = Type::kInteger,
                 .description = "How many earlier revisions can be restored.",
                 .default_text = "5",
                 .min = 2,
                 .max = 100});
  return all;
}

}  // namespace

const Fields& SpecFields() {
  static const Fields* const fields = new Fields(All());
  return *fields;
}

const std::vector<Rule>& RootRules() {
  static const std::vector<Rule>* const rules = new std::vector<Rule>{
      {"size(self.metadata.name) <= 54 && "
       "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
       "metadata.name must start with a letter, hold only a-z, 0-9 and '-', end with a letter or "
       "digit, and have at "
       "most 54 characters: names of Services and labels are made from it"},
  };
  return *rules;
}

}  // namespace deepseek::api
