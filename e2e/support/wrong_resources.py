"""Wrong DeepSeekDeployments and the words that the API server's refusal must hold; used with and without a cluster."""
import copy

from support.story import deepseek

PVC = {"claimName": "weights", "path": "deepseek-v3"}


def changed(path, value, name="demo"):
    """The demo resource with the field at path ("spec.engine.device") set to value."""
    thing = copy.deepcopy(deepseek(name))
    at = thing
    *folders, last = path.split(".")
    for folder in folders:
        at = at.setdefault(folder, {})
    at[last] = value
    return thing


# (what is wrong, the resource, words that the refusal must hold)
WRONG = [
    ("a typo", changed("spec.replcas", 2), ["unknown field", "spec.replcas"]),
    ("a typo deep inside", changed("spec.model.source.persistentVolumeClaim", {"claimname": "w"}),
     ["unknown field", "claimname"]),
    ("a field of a later version", changed("spec.autoscaling", {"mode": "Builtin"}), ["unknown field", "spec.autoscaling"]),
    ("no source", changed("spec.model", {"name": "x"}), ["spec.model.source", "Required value"]),
    ("an empty source", changed("spec.model.source", {}), ["exactly one of builtin and persistentVolumeClaim"]),
    ("two sources", changed("spec.model.source", {"builtin": "demo-v3", "persistentVolumeClaim": PVC}),
     ["exactly one of builtin and persistentVolumeClaim"]),
    ("a model that does not ship", changed("spec.model.source", {"builtin": "demo-v9"}),
     ["spec.model.source.builtin", "Unsupported value", "demo-v3"]),
    ("a shape that is not known", changed("spec.model.preset", "gpt-2"), ["spec.model.preset", "Unsupported value", "deepseek-v3"]),
    ("a shape that is not that of the builtin model", changed("spec.model.preset", "deepseek-v3"), ["leave it out"]),
    ("a path out of the volume", changed("spec.model.source", {"persistentVolumeClaim": dict(PVC, path="../secrets")}),
     ["path is relative to the volume"]),
    ("an absolute path", changed("spec.model.source", {"persistentVolumeClaim": dict(PVC, path="/etc")}),
     ["path is relative to the volume"]),
    ("an unknown device", changed("spec.engine.device", "TPU"), ["spec.engine.device", "Unsupported value"]),
    ("an image with spaces", changed("spec.engine.image", "my image"), ["spec.engine.image"]),
    ("a batch of nothing", changed("spec.engine.maxBatch", 0), ["spec.engine.maxBatch", "greater than or equal to 1"]),
    ("a duration without a unit", changed("spec.engine.maxBatchDelay", "5"), ["spec.engine.maxBatchDelay"]),
    ("a quantity that is none", changed("spec.engine.kvCacheMemory", "lots"), ["spec.engine.kvCacheMemory"]),
    ("negative replicas", changed("spec.replicas", -1), ["spec.replicas", "greater than or equal to 0"]),
    ("replicas as text", changed("spec.replicas", "two"), ["spec.replicas", "integer"]),
    ("an unknown strategy", changed("spec.rollout", {"strategy": "Canary"}), ["spec.rollout.strategy", "Unsupported value"]),
    ("a rollout that can never move", changed("spec.rollout", {"maxSurge": 0, "maxUnavailable": 0}),
     ["maxSurge and maxUnavailable cannot both be 0"]),
    ("a peer that is two things",
     changed("spec.traffic", {"allowedFrom": [{"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}]}),
     ["a peer is either an ipBlock or selectors"]),
    ("a name that makes no Service", deepseek("9demo"), ["metadata.name must start with a letter"]),
    ("a name that is too long", deepseek("d" * 55), ["at most 54 characters"]),
    ("a name with a dot", deepseek("demo.v3"), ["metadata.name must start with a letter"]),
    ("no spec", {key: value for key, value in deepseek().items() if key != "spec"}, ["spec", "Required value"]),
    ("no model", {**deepseek(), "spec": {"replicas": 1}}, ["spec.model", "Required value"]),
    ("a claim without a name", changed("spec.model.source", {"persistentVolumeClaim": {"path": "x"}}), ["claimName", "Required value"]),
    ("GPUs of a CPU", changed("spec.engine.gpusPerReplica", 1), ["gpusPerReplica needs device CUDA"]),
    ("no GPUs", changed("spec.engine", {"device": "CUDA", "gpusPerReplica": 0}), ["spec.engine.gpusPerReplica", "greater than or equal to 1"]),
    ("an arithmetic that there is not", changed("spec.engine.compute", "FP8"), ["spec.engine.compute", "Unsupported value"]),
    ("weights that there are not", changed("spec.engine.weights", "INT2"), ["spec.engine.weights", "Unsupported value"]),
    ("a cache that there is not", changed("spec.engine.kvCache", "FP8"), ["spec.engine.kvCache", "Unsupported value"]),
    ("a context of nothing", changed("spec.engine.maxContextTokens", 0), ["spec.engine.maxContextTokens", "greater than or equal to"]),
    ("a pull policy that there is not", changed("spec.engine.imagePullPolicy", "Sometimes"), ["imagePullPolicy", "Unsupported value"]),
    ("resources that are none", changed("spec.workload.resources", {"requests": {"cpu": "many"}}), ["spec.workload.resources.requests"]),
    ("one resource, misspelt", changed("spec.workload.resources", {"request": {"cpu": "1"}}), ["unknown field", "request"]),
    ("a history of nothing", changed("spec.revisionHistoryLimit", 0), ["spec.revisionHistoryLimit", "greater than or equal to"]),
    ("a log level that there is not", changed("spec.observability", {"logLevel": "Loud"}), ["spec.observability.logLevel", "Unsupported value"]),
    ("a drain without a unit", changed("spec.workload.drain", {"timeout": "60"}), ["spec.workload.drain.timeout"]),
    ("a deadline of minus one", changed("spec.workload.startup", {"deadline": "-1s"}), ["spec.workload.startup.deadline"]),
    ("a percentage where a number belongs", changed("spec.rollout", {"maxSurge": "25%"}), ["spec.rollout.maxSurge"]),
    ("a type of Service that there is not", changed("spec.traffic", {"service": {"type": "ExternalName"}}),
     ["spec.traffic.service.type", "Unsupported value"]),
    ("an address that is no network", changed("spec.traffic", {"allowedFrom": [{"ipBlock": {}}]}), ["cidr", "Required value"]),
    ("pull secrets as a text", changed("spec.engine.imagePullSecrets", "regcred"), ["spec.engine.imagePullSecrets"]),
    ("paused as a word", changed("spec.rollout", {"paused": "yes"}), ["spec.rollout.paused", "boolean"]),
]

# At the edge of what is allowed.
RIGHT = [deepseek("a"), deepseek("d" * 54), changed("spec.replicas", 0, "zero"),
         changed("spec.engine.kvCacheMemory", "1.5Gi", "kv"), changed("spec.engine.kvCacheMemory", 1048576, "kv-int"),
         changed("spec.model.preset", "demo-v3", "shape"),
         changed("spec.rollout", {"strategy": "Recreate", "maxSurge": 0}, "recreate")]
