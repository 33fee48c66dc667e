"""workload.template: what users add reaches the pods, what would weaken them is refused with its path."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support import kube  # noqa: E402
from support.story import Story, deepseek  # noqa: E402


def with_template(template):
    resource = deepseek()
    resource["spec"]["workload"]["template"] = template
    return resource


class Overlay(Story):
    def test_what_users_add_reaches_the_pods(self):
        # Given a namespace that enforces Pod Security restricted
        # When a resource adds a label, a variable, a volume and a sidecar
        self.apply(with_template({
            "metadata": {"labels": {"team": "search"}, "annotations": {"example.com/why": "cost"}},
            "spec": {
                "volumes": [{"name": "scratch", "emptyDir": {"sizeLimit": "16Mi"}}],
                "containers": [
                    {"name": "agent", "env": [{"name": "TZ", "value": "UTC"}],
                     "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}]},
                    {"name": "beside", "image": self.images["client"], "imagePullPolicy": "IfNotPresent",
                     "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}}]}}))
        # Then it serves, with all of it in the pod
        self.until_ready()
        self.assert_serves()
        pod = self.pods()[0]
        self.assertEqual(pod["metadata"]["labels"]["team"], "search")
        self.assertEqual(pod["metadata"]["annotations"]["example.com/why"], "cost")
        agent, beside = pod["spec"]["containers"]
        self.assertIn({"name": "TZ", "value": "UTC"}, agent["env"])
        self.assertIn("/scratch", [mount["mountPath"] for mount in agent["volumeMounts"]])
        self.assertEqual(beside["name"], "beside")

    def test_what_would_weaken_them_is_refused_and_the_old_pods_serve_on(self):
        # Given a served model
        self.apply(deepseek())
        self.until_ready()
        pods = [pod["metadata"]["uid"] for pod in self.pods()]
        for path, spec in {
                "spec.workload.template.spec.hostNetwork": {"hostNetwork": True},
                "spec.workload.template.spec.volumes[h].hostPath": {"volumes": [{"name": "h", "hostPath": {"path": "/"}}]},
                "spec.workload.template.spec.serviceAccountName": {"serviceAccountName": "default"}}.items():
            with self.subTest(path):
                # When a change would weaken its pods
                self.patch("demo", {"workload": {"template": {"spec": None}}})
                self.patch("demo", {"workload": {"template": {"spec": spec}}})
                # Then it is refused with its path, and nothing happens to the pods
                said = self.until_condition("Stalled", "True", "InvalidSpec", seconds=10)
                self.assertTrue(said["message"].startswith(path + ": "), said["message"])
                self.assert_serves()
        self.assertEqual([pod["metadata"]["uid"] for pod in self.pods()], pods)

    def test_what_the_api_server_would_refuse_never_becomes_a_revision(self):
        # Given a served model
        self.apply(deepseek())
        self.until_ready()
        revisions = [thing for thing in self.owned() if thing.startswith("ControllerRevision/")]
        # When the overlay holds a field that no PodSpec has
        self.patch("demo", {"workload": {"template": {"spec": {"notAField": 1}}}})
        # Then the API server's own words are the message
        said = self.until_condition("Stalled", "True", "InvalidSpec", seconds=10)
        self.assertIn("notAField", said["message"])
        # When it holds a value that no pod may have
        self.patch("demo", {"workload": {"template": {"spec": {"notAField": None, "dnsPolicy": "Wrong"}}}})
        kube.wait_until("the message is about dnsPolicy", lambda: "dnsPolicy" in self.condition("Stalled").get("message", ""),
                        20, self.describe)
        # Then nothing was made of either
        self.assertEqual([thing for thing in self.owned() if thing.startswith("ControllerRevision/")], revisions)
        self.assert_serves()


if __name__ == "__main__":
    unittest.main()
