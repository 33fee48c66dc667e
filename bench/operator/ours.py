"""Our operator as bench/operator/cluster measures it: the one pod of the installation."""
import re

from support import installation, kube, processes  # e2e/support: on the path of `cluster`
from support.story import deepseek

READER = "operator-bench-reader"
MANAGED = "app.kubernetes.io/managed-by=deepseek-operator"


def settled(text):
    """How many lines "generation observed Ready Reconciling" say that nothing is left to do."""
    rows = [line.split() for line in text.splitlines()]
    return sum(1 for row in rows if row[0] == row[1] and row[2:] == ["True", "False"])


def buckets(text):
    return {float(bound.replace("+Inf", "inf")): int(n) for bound, n in re.findall(
        r'controller_runtime_reconcile_time_seconds_bucket\{[^}]*le="([^"]+)"\} (\d+)', text)}


def reconciles(text):
    return sum(int(n) for n in re.findall(r"controller_runtime_reconcile_total\{[^}]*\} (\d+)", text))


def latency(before, after):
    """(p50, p99) of the reconciles between two readings of buckets(), as bucket bounds in seconds."""
    grown = sorted((bound, n - before.get(bound, 0)) for bound, n in after.items())
    total = grown[-1][1]
    return [next(bound for bound, n in grown if n >= share * total) for share in (0.5, 0.99)]


class Ours:
    user = f"system:serviceaccount:{installation.NAMESPACE}:deepseek-operator"

    def __init__(self):
        self.pid, self.token = None, None

    def prepare(self):
        ns = installation.NAMESPACE
        kube.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": READER}}, ns)
        kube.apply({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": READER},
                    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                                "name": f"{installation.RELEASE}-metrics-reader"},
                    "subjects": [{"kind": "ServiceAccount", "name": READER, "namespace": ns}]})
        self.token = kube.kubectl("create", "token", READER, "--duration=2h", namespace=ns).strip()

    def start(self):
        """A fresh process; its pod is Ready."""
        for pod in installation.operator_pods():
            kube.kubectl("delete", "pod", pod["metadata"]["name"], "--wait=true", namespace=installation.NAMESPACE)
        pod = kube.wait_until("one operator", lambda: [
            p for p in installation.operator_pods() if kube.is_true(p, "Ready")], 60)[0]
        self.pid = processes.pids_of_pod(pod, "deepseek-operator")[0]

    def stop(self):
        """It belongs to the installation: it stays."""

    def manifest(self, name):
        return deepseek(name, replicas=0)

    def _count(self, kind):
        return len(kube.kubectl("get", kind, "-A", "--no-headers", "-l", MANAGED, "-o",
                                "custom-columns=N:.metadata.name").split())

    def children(self):
        return self._count("deployments")

    def objects(self, made):
        """Those that its caches hold."""
        return made + sum(map(self._count, ("deployments", "controllerrevisions", "services", "serviceaccounts",
                                            "poddisruptionbudgets", "networkpolicies", "configmaps")))

    def settled(self):
        return settled(kube.kubectl("get", "dsd", "-A", "--no-headers", "-o", "custom-columns="
                                    "A:.metadata.generation,B:.status.observedGeneration,"
                                    'C:.status.conditions[?(@.type=="Ready")].status,'
                                    'D:.status.conditions[?(@.type=="Reconciling")].status'))

    def change(self, namespace, name):
        kube.kubectl("patch", "dsd", name, "--type=merge", "-p", '{"spec":{"engine":{"maxBatch":4}}}', namespace=namespace)

    def metrics(self):
        return kube.wait_until("metrics", lambda: (lambda r: r[1] if r[0] == 200 else None)(installation.scrape(self.token)), 30)

    def more(self, before):
        """What only its own metrics say; with the metrics before the work as None a first reading."""
        now = self.metrics()
        if before is None:
            return {"text": now}
        p50, p99 = latency(buckets(before["text"]), buckets(now))
        return {"reconcile_p50_s": p50, "reconcile_p99_s": p99, "reconciles": reconciles(now) - reconciles(before["text"])}

    def remove(self):
        kube.kubectl("delete", "clusterrolebinding", READER, "--ignore-not-found")
        kube.kubectl("delete", "serviceaccount", READER, "--ignore-not-found", namespace=installation.NAMESPACE)
