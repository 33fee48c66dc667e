"""Who may call the model: its own namespace unless the spec says otherwise."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support import kube  # noqa: E402
from support.story import Story, deepseek  # noqa: E402

SECURITY = {"allowPrivilegeEscalation": False, "runAsNonRoot": True, "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"}}


class NetworkPolicy(Story):
    def client(self, namespace):
        kube.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "client"}, "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "c", "image": self.images["client"], "imagePullPolicy": "Never",
                            "securityContext": SECURITY}]}}, namespace)
        kube.kubectl("wait", "--for=condition=Ready", "pod/client", "--timeout=60s", namespace=namespace)

    def connects(self, namespace, port=8000):
        """True when a pod of that namespace reaches the Service; False when its packets are dropped."""
        try:
            kube.kubectl("exec", "client", "--", "/testpod", "tcp", f"demo.{self.namespace}.svc.cluster.local:{port}", "2",
                         namespace=namespace)
            return True
        except kube.Refused as error:
            self.assertIn("timeout", str(error))  # refused or unknown host would mean something else
            return False

    def test_other_namespaces_are_kept_out_until_they_are_let_in(self):
        # Given a served model, and a client in its namespace and one in another
        self.apply(deepseek())
        self.until_ready()
        other = self.new_namespace()
        self.client(self.namespace)
        self.client(other)
        # Then only its own namespace reaches it
        kube.wait_until("the own namespace reaches it", lambda: self.connects(self.namespace), 30, self.describe)
        kube.wait_until("the other namespace is kept out", lambda: not self.connects(other), 30, self.describe)
        # When the spec lets the other namespace in, without a restart of any pod
        pods = [pod["metadata"]["uid"] for pod in self.pods()]
        self.patch("demo", {"traffic": {"allowedFrom": [
            {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": other}}}]}})
        # Then it reaches it, and the own namespace, which is not on the list, does not
        kube.wait_until("the other namespace reaches it", lambda: self.connects(other), 30, self.describe)
        kube.wait_until("the own namespace is kept out", lambda: not self.connects(self.namespace), 30, self.describe)
        self.until_ready()
        self.assertEqual([pod["metadata"]["uid"] for pod in self.pods()], pods)


if __name__ == "__main__":
    unittest.main()
