"""The base of every story: a namespace of its own under Pod Security `restricted`, and words for what stories do."""
import json
import os
import secrets
import unittest
import urllib.error
import urllib.request

from support import installation, kube

GROUP = "serving.deepseek-operator.io"
DEPLOYMENT = f"{GROUP}/deployment"
REVISION = f"{GROUP}/revision"
OWNED_KINDS = ("deployments.apps,controllerrevisions.apps,replicasets.apps,pods,services,serviceaccounts,"
               "poddisruptionbudgets.policy,networkpolicies.networking.k8s.io,configmaps")


def deepseek(name="demo", **spec):
    """A DeepSeekDeployment of the demo model. Draining is short, so that stories are."""
    body = {"model": {"name": "demo-v3", "source": {"builtin": "demo-v3"}}, "replicas": 1,
            "workload": {"drain": {"delay": "3s", "timeout": "20s"}}}
    body.update(spec)
    return {"apiVersion": f"{GROUP}/v1alpha1", "kind": "DeepSeekDeployment", "metadata": {"name": name}, "spec": body}


class Story(unittest.TestCase):
    def setUp(self):
        if not os.path.exists(os.path.join(installation.RUN, "images.json")):
            self.fail("no installation to test: run `e2e/fixture up` first (ctest -L e2e does)")
        self.images = installation.images()
        self.namespace = self.new_namespace()

    def new_namespace(self):
        name = f"e2e-{type(self).__name__.lower()}-{secrets.token_hex(2)}"
        kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {
            "name": name, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}})
        self.addCleanup(kube.kubectl, "delete", "namespace", name, "--wait=false", "--ignore-not-found")
        return name

    # ---- the custom resource
    def apply(self, manifest):
        return kube.apply(manifest, self.namespace)

    def patch(self, name, spec):
        kube.kubectl("patch", "dsd", name, "--type=merge", "-p", json.dumps({"spec": spec}), namespace=self.namespace)

    def dsd(self, name="demo"):
        return kube.get("dsd", name, self.namespace)

    def condition(self, kind, name="demo"):
        return kube.condition(self.dsd(name), kind)

    def until_condition(self, kind, status, reason=None, name="demo", seconds=120):
        """Waits until the condition says so about the current generation; returns it."""

        def check():
            now = self.dsd(name)
            found = kube.condition(now, kind)
            if (found.get("status") == status and (reason is None or found.get("reason") == reason)
                    and found.get("observedGeneration") == now["metadata"]["generation"]):
                return found
            return None

        return kube.wait_until(f"{name}: {kind}={status} {reason or ''}", check, seconds, self.describe)

    def until_ready(self, name="demo", seconds=150):
        """Waits until the current generation serves at full count and nothing is left to do; returns the object."""

        def check():
            now = self.dsd(name)
            status = now.get("status", {})
            done = (status.get("observedGeneration") == now["metadata"]["generation"] and kube.is_true(now, "Ready")
                    and not kube.is_true(now, "Reconciling"))
            return now if done else None

        return kube.wait_until(f"{name} is Ready", check, seconds, self.describe)

    # ---- what it owns
    def pods(self, name="demo"):
        """Pods of a DeepSeekDeployment, without those that are going away."""
        found = kube.get("pods", namespace=self.namespace, selector=f"{DEPLOYMENT}={name}")
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def owned(self, name="demo"):
        """kind/name of every object that carries the DeepSeekDeployment's label or is owned by it, pods included."""
        found = kube.get(OWNED_KINDS, namespace=self.namespace)

        def is_its(thing):
            meta = thing["metadata"]
            return (meta.get("labels", {}).get(DEPLOYMENT) == name
                    or any(owner["kind"] == "DeepSeekDeployment" and owner["name"] == name
                           for owner in meta.get("ownerReferences", [])))

        return sorted(f"{thing['kind']}/{thing['metadata']['name']}" for thing in found if is_its(thing))

    def events(self, regarding=None):
        """(reason, note) of the namespace's Events, on the object of that name if one is given."""
        found = kube.get("events.events.k8s.io", namespace=self.namespace)
        return [(event.get("reason", ""), event.get("note", "")) for event in found
                if regarding is None or event.get("regarding", {}).get("name") == regarding]

    # ---- requests through the Service
    def url(self, name="demo"):
        service = kube.get("service", name, self.namespace)
        return f"http://{service['spec']['clusterIP']}:8000"

    def post(self, path, body, name="demo", timeout=30):
        """(status, parsed answer) of a POST through the Service. body: a dict, or bytes sent as they are."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url(name) + path, data, {"content-type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")

    def ask(self, question, name="demo", model="demo-v3"):
        status, answer = self.post("/v1/chat/completions", {
            "model": model, "temperature": 0, "max_tokens": 32,
            "messages": [{"role": "user", "content": question}]}, name)
        self.assertEqual(status, 200, answer)
        return answer["choices"][0]["message"]["content"].strip()

    def assert_serves(self, name="demo"):
        """The demo model answers a question that it is known to get right."""
        self.assertEqual(self.ask("I forgot the capital of Portugal. What is it?", name), "Lisbon")

    def describe(self):
        parts = []
        for args in (["get", "dsd", "-o", "yaml"], ["get", "deployments,pods", "-o", "wide"],
                     ["get", "events", "--sort-by=.lastTimestamp"],
                     ["logs", "-l", DEPLOYMENT, "--tail=15", "--all-containers", "--prefix"]):
            try:
                parts.append(kube.kubectl(*args, namespace=self.namespace)[-6000:])
            except kube.Refused as error:
                parts.append(str(error))
        parts.append("operator's log:")
        parts.append(installation.describe()[-5000:])
        return "\n".join(parts)
