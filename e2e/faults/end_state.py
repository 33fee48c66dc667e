"""What a fault must not change: the objects of a namespace without what differs from run to run."""
import difflib
import json
import re

from support import kube
from support.story import GROUP, REVISION

KINDS = ("deployments.apps,controllerrevisions.apps,services,serviceaccounts,poddisruptionbudgets.policy,"
         "networkpolicies.networking.k8s.io,configmaps")
# Given by the server or counted by it.
SERVERS_METADATA = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "namespace")
SERVERS_SPEC = ("clusterIP", "clusterIPs", "healthCheckNodePort")
APPLIED_HASH = f"{GROUP}/applied-hash"  # over the owner's uid too
TIME = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+Z")


def _plain(thing):
    thing = {key: value for key, value in thing.items() if key not in ("status", "apiVersion")}
    thing["metadata"] = {key: value for key, value in thing["metadata"].items() if key not in SERVERS_METADATA}
    notes = thing["metadata"].get("annotations", {})
    # A Deployment's controller numbers the templates that it has seen; times are when they are.
    notes.pop("deployment.kubernetes.io/revision", None)
    for key, value in notes.items():
        notes[key] = "set" if key == APPLIED_HASH else TIME.sub("TIME", value)
    for owner in thing["metadata"].get("ownerReferences", []):
        owner.pop("uid")
    for key in SERVERS_SPEC:
        (thing.get("spec") or {}).pop(key, None)
    for port in (thing.get("spec") or {}).get("ports", []):
        port.pop("nodePort", None)
    return thing


def objects(namespace):
    """{kind/name: object}, and the conditions of the DeepSeekDeployments."""
    found = {f"{thing['kind']}/{thing['metadata']['name']}": _plain(thing) for thing in kube.get(KINDS, namespace=namespace)
             if thing["metadata"]["name"] not in ("default", "kube-root-ca.crt")}
    for dsd in kube.get("dsd", namespace=namespace):
        status = dsd.get("status", {})
        found[f"status of {dsd['metadata']['name']}"] = {
            "conditions": sorted([c["type"], c["status"], c["reason"]] for c in status.get("conditions", [])),
            "stable": status.get("stableRevision"), "candidate": status.get("candidateRevision"), "ready": status.get("ready")}
    return found


def difference(is_now, should):
    """What differs between two answers of objects(), line by line."""
    texts = [json.dumps(state, indent=1, sort_keys=True).splitlines() for state in (should, is_now)]
    return "\n".join(difflib.unified_diff(*texts, "undisturbed", "now", lineterm="", n=2))


def versions(namespace):
    """{kind/name: resourceVersion} of the same objects: what a write that is accepted changes."""
    return {f"{thing['kind']}/{thing['metadata']['name']}": thing["metadata"]["resourceVersion"]
            for thing in kube.get(KINDS, namespace=namespace) + kube.get("dsd", namespace=namespace)}


def pods_made(namespace):
    """{revision: pods that ReplicaSets have ever made}, from their Events; for pods that still are, from the pods."""
    made = {}
    names = set()
    for event in kube.get("events", namespace=namespace):
        if event["reason"] == "SuccessfulCreate" and event["involvedObject"]["kind"] == "ReplicaSet":
            names.add(event["message"].removeprefix("Created pod: "))
    names.update(pod["metadata"]["name"] for pod in kube.get("pods", namespace=namespace))
    for name in names:
        revision = name.split("-")[1]  # demo-<hash8>-<replicaset>-<pod>
        made[revision] = made.get(revision, 0) + 1
    return made


def restarts(namespace):
    return sum(status["restartCount"] for pod in kube.get("pods", namespace=namespace, selector=REVISION)
               for status in pod["status"].get("containerStatuses", []))
