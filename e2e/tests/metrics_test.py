"""The operator's metrics: over HTTPS, for those whom the API server lets in."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support import installation, kube  # noqa: E402
from support.story import Story, deepseek  # noqa: E402


class Metrics(Story):
    def token(self, name):
        self.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}})
        return kube.kubectl("create", "token", name, namespace=self.namespace).strip()

    def test_only_readers_get_them_and_they_tell_what_goes_on(self):
        # Given a served model, a reader of metrics and somebody else
        self.apply(deepseek())
        self.until_ready()
        stranger, reader = self.token("stranger"), self.token("reader")
        binding = f"{self.namespace}-reader"
        kube.apply({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": binding},
                    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                                "name": f"{installation.RELEASE}-metrics-reader"},
                    "subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": self.namespace}]})
        self.addCleanup(kube.kubectl, "delete", "clusterrolebinding", binding)

        # When nobody in particular, a made-up token or somebody without the right asks / Then they get nothing
        self.assertEqual(installation.scrape()[0], 401)
        self.assertEqual(installation.scrape("made-up")[0], 401)
        status, text = installation.scrape(stranger)
        self.assertEqual(status, 403)
        self.assertIn(f"system:serviceaccount:{self.namespace}:stranger", text)

        # When the reader asks / Then it learns of the operator and of the model
        kube.wait_until("the reader is let in", lambda: installation.scrape(reader)[0] == 200, 30, self.describe)
        text = installation.scrape(reader)[1]
        labels = f'namespace="{self.namespace}",deployment="demo"'
        for line in (f"deepseek_deployment_ready_replicas{{{labels}}} 1",
                     f'deepseek_deployment_rollout_phase{{{labels},phase="Idle"}} 1',
                     'leader_election_master_status{name="deepseek-operator"} 1'):
            self.assertIn(line, text)
        for name in ("controller_runtime_reconcile_total", "controller_runtime_reconcile_time_seconds_bucket",
                     "rest_client_requests_total", "deepseek_decisions_total", "workqueue_depth",
                     "workqueue_adds_total", "workqueue_queue_duration_seconds_count", "workqueue_unfinished_work_seconds"):
            self.assertIn(name, text)

        # When the model goes / Then so do its gauges
        kube.kubectl("delete", "dsd", "demo", namespace=self.namespace)
        kube.wait_until("the gauges are gone", lambda: labels not in installation.scrape(reader)[1], 30, self.describe)


if __name__ == "__main__":
    unittest.main()
