"""The operator's rights are those that it uses: the API server's audit log of all stories beside what the chart grants.

Runs after all other stories (e2e/CMakeLists.txt). By itself it provokes what an ordinary life does not need: repairs.
"""
import glob
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support import installation, kube  # noqa: E402
from support.story import Story, deepseek  # noqa: E402

ACCOUNT = f"system:serviceaccount:{installation.NAMESPACE}:{installation.RELEASE}"
# Granted, and never seen in the audit log: why.
UNSEEN = {
    ("serving.deepseek-operator.io", "deepseekdeployments/finalizers", "update"):
        "asked for by the admission plugin OwnerReferencesPermissionEnforcement, never requested",
    ("serving.deepseek-operator.io", "deepseekdeployments", "list"):
        "for API servers that offer no WatchList; this one streams the first list as a watch",
}


def granted():
    """{(group, resource, verb)} of everything that is bound to the operator's account."""
    rights = set()

    def add(rules):
        for rule in rules:
            for group in rule.get("apiGroups", []):
                for resource in rule.get("resources", []):
                    rights.update((group, resource, verb) for verb in rule["verbs"])

    def bound(binding):
        return any(subject["kind"] == "ServiceAccount" and subject["name"] == installation.RELEASE
                   and subject.get("namespace") == installation.NAMESPACE for subject in binding.get("subjects", []))

    for binding in kube.get("clusterrolebindings"):
        if bound(binding):
            add(kube.get("clusterrole", binding["roleRef"]["name"])["rules"])
    for binding in kube.get("rolebindings", namespace=installation.NAMESPACE):
        if bound(binding):
            add(kube.get("role", binding["roleRef"]["name"], installation.NAMESPACE)["rules"])
    return rights


def requested():
    """({(group, resource, verb)} that were permitted, the same that were forbidden) of the operator's account."""
    permitted, forbidden = set(), set()
    for path in glob.glob(os.path.join(kube.STATE, "logs", "audit*.log")):
        with open(path, encoding="utf-8") as file:
            for line in file:
                try:
                    event = json.loads(line)
                except ValueError:
                    continue  # the last line, while it is written
                target = event.get("objectRef")
                if event["user"]["username"] != ACCOUNT or not target:
                    continue
                resource = target["resource"] + ("/" + target["subresource"] if target.get("subresource") else "")
                what = (target.get("apiGroup", ""), resource, event["verb"])
                denied = event.get("annotations", {}).get("authorization.k8s.io/decision") == "forbid"
                (forbidden if denied else permitted).add(what)
    return permitted, forbidden


class Rights(Story):
    def break_things(self):
        """What somebody's hands do to the objects of a served model."""
        labels = json.dumps({"metadata": {"labels": {"app.kubernetes.io/managed-by": "hands"}}})
        revision = self.dsd()["status"]["stableRevision"]
        damaged = (("serviceaccount", "demo-agent"), ("poddisruptionbudget", "demo"), ("networkpolicy", "demo"),
                   ("service", "demo"), ("configmap", revision), ("podmonitor", "demo"))
        for kind, name in damaged:
            kube.kubectl("patch", kind, name, "--type=merge", "-p", labels, namespace=self.namespace)
        kube.wait_until("all is repaired", lambda: all(
            kube.get(kind, name, self.namespace)["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "deepseek-operator"
            for kind, name in damaged), 60, self.describe)

    def test_granted_is_used_and_used_is_granted(self):
        # Given a life: made with somebody else's PodMonitor in the way, damaged and repaired, changed, stuck on an image
        # that is not there, retried, taken back
        installation.install_monitoring("podmonitors")
        self.apply({"apiVersion": "monitoring.coreos.com/v1", "kind": "PodMonitor", "metadata": {"name": "demo"},
                    "spec": {"selector": {}, "podMetricsEndpoints": []}})
        self.apply(deepseek(observability={"podMonitor": {}}))
        self.until_condition("Monitored", "False", "NameConflict", seconds=90)
        kube.kubectl("delete", "podmonitor", "demo", namespace=self.namespace)
        self.until_condition("Monitored", "True", seconds=90)
        self.until_ready()
        kube.wait_until("the digest is recorded", lambda: kube.get(
            "configmap", self.dsd()["status"]["stableRevision"], self.namespace), 60, self.describe)
        self.break_things()
        self.patch("demo", {"engine": {"image": "deepseek-operator.local/absent:1"}})
        self.until_condition("Ready", "False", "ImagePullFailed", seconds=10)
        before = {pod["metadata"]["name"] for pod in self.pods()}
        self.patch("demo", {"rollout": {"retryToken": "again"}})
        kube.wait_until("the stuck pod was replaced", lambda: not before <= {
            pod["metadata"]["name"] for pod in self.pods()}, 60, self.describe)
        self.patch("demo", {"engine": None})
        self.until_ready()
        self.patch("demo", {"engine": {"maxBatch": 3}})
        self.until_ready()
        kube.wait_until("the old revision's leftovers are gone", lambda: len(
            [thing for thing in self.owned() if thing.startswith("Deployment/")]) == 1, 60, self.describe)

        # And more revisions than are kept, and somebody who asks for metrics
        self.patch("demo", {"replicas": 0, "revisionHistoryLimit": 2, "observability": None})
        for batch in (4, 5):
            self.patch("demo", {"engine": {"maxBatch": batch}})
            self.until_ready()
        kube.wait_until("the oldest revisions are gone", lambda: len(
            [thing for thing in self.owned() if thing.startswith("ControllerRevision/")]) <= 3, 60, self.describe)
        self.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "stranger"}})
        token = kube.kubectl("create", "token", "stranger", namespace=self.namespace).strip()
        self.assertEqual(installation.scrape(token)[0], 403)

        # When what was asked for in all stories is put beside what is granted
        rights = granted()
        permitted, forbidden = requested()

        # Then nothing was asked for that is not granted (while the namespaced story changes rights, some calls are refused)
        self.assertEqual(sorted(forbidden - rights), [])
        # And nothing is granted by a wildcard, and no Secret
        for group, resource, verb in rights:
            self.assertNotIn("*", group + resource + verb)
            self.assertNotIn("secret", resource)
        # And nothing is granted that is not used
        unused = rights - permitted - set(UNSEEN)
        self.assertEqual(sorted(unused), [])
        self.assertEqual(sorted(set(UNSEEN) - rights), [], "an exception for a right that is not granted")


if __name__ == "__main__":
    unittest.main()
