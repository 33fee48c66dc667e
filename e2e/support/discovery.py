"""What Prometheus' Kubernetes discovery would find, written to a file for a Prometheus that was built without it (Debian's).

Pods (role pod) and the pods behind Services (role endpoints), with the labels of Prometheus' own discovery/kubernetes that
support/monitors.py asks for.
"""
import json
import os
import threading

from support import kube
from support.monitors import sanitized


def _labels(prefix, thing):
    found = {}
    for name, value in thing["metadata"].get("labels", {}).items():
        found[f"__meta_kubernetes_{prefix}_label_{sanitized(name)}"] = value
        found[f"__meta_kubernetes_{prefix}_labelpresent_{sanitized(name)}"] = "true"
    return found


def _of_pod(pod):
    return {"__meta_kubernetes_namespace": pod["metadata"]["namespace"], "__meta_kubernetes_pod_name": pod["metadata"]["name"],
            "__meta_kubernetes_pod_phase": pod["status"].get("phase", ""), **_labels("pod", pod)}


def pod_targets(pods):
    """A target for each declared port of each container of each pod that has an address."""
    targets = []
    for pod in pods:
        address = pod["status"].get("podIP")
        for box in pod["spec"]["containers"] if address else []:
            for port in box.get("ports", []):
                targets.append({"targets": [f"{address}:{port['containerPort']}"], "labels": {
                    **_of_pod(pod), "__meta_kubernetes_pod_container_name": box["name"],
                    "__meta_kubernetes_pod_container_port_name": port.get("name", "")}})
    return targets


def endpoint_targets(slices, services, pods):
    """A target for each address and port of each EndpointSlice, ready or not, with its Service's and its pod's labels."""
    by_name = {(thing["kind"], thing["metadata"]["namespace"], thing["metadata"]["name"]): thing for thing in [*services, *pods]}
    targets = []
    for one in slices:
        namespace = one["metadata"]["namespace"]
        service = by_name.get(("Service", namespace, one["metadata"].get("labels", {}).get("kubernetes.io/service-name")))
        for endpoint in one.get("endpoints") or [] if service else []:
            pod = by_name.get(("Pod", namespace, endpoint.get("targetRef", {}).get("name")))
            for port in one.get("ports") or []:
                box = next((box for box in (pod or {"spec": {"containers": []}})["spec"]["containers"]
                            for declared in box.get("ports", []) if declared["containerPort"] == port["port"]), {"name": ""})
                targets.append({"targets": [f"{endpoint['addresses'][0]}:{port['port']}"], "labels": {
                    "__meta_kubernetes_namespace": namespace, "__meta_kubernetes_service_name": service["metadata"]["name"],
                    "__meta_kubernetes_endpoint_port_name": port.get("name", ""), **_labels("service", service),
                    **(_of_pod(pod) if pod else {}), "__meta_kubernetes_pod_container_name": box["name"]}})
    return targets


class Discovery:
    """Used as a context manager: keeps `pods` and `endpoints` (files for file_sd_configs) as the cluster is."""

    def __init__(self, folder):
        self.pods, self.endpoints = os.path.join(folder, "pods.json"), os.path.join(folder, "endpoints.json")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def look(self):
        found = kube.get("pods,services,endpointslices.discovery.k8s.io", everywhere=True)
        kinds = {kind: [thing for thing in found if thing["kind"] == kind] for kind in ("Pod", "Service", "EndpointSlice")}
        for path, targets in ((self.pods, pod_targets(kinds["Pod"])),
                              (self.endpoints, endpoint_targets(kinds["EndpointSlice"], kinds["Service"], kinds["Pod"]))):
            with open(path + ".new", "w", encoding="utf-8") as file:
                json.dump(targets, file)
            os.replace(path + ".new", path)

    def _follow(self):
        while not self._stop.wait(1):
            try:
                self.look()
            except kube.Refused:
                continue  # the next look comes

    def __enter__(self):
        self.look()
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(30)
