"""A PodMonitor for the agents, in a cluster that has the Prometheus Operator's CRD and in one that has not."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support import installation, kube  # noqa: E402
from support.story import DEPLOYMENT, Story, deepseek  # noqa: E402


class PodMonitor(Story):
    def test_it_comes_once_the_crd_is_there_and_goes_with_the_field(self):
        # Given a cluster without the CRD / When a PodMonitor is wanted / Then the model serves, and a condition says what is missing
        installation.remove_monitoring("podmonitors")
        self.apply(deepseek(observability={"podMonitor": {"labels": {"release": "prometheus"}, "interval": "15s"}}))
        self.until_condition("Monitored", "False", "PodMonitorsNotInstalled")
        self.until_ready()
        self.assertIn("PodMonitorsNotInstalled", [reason for reason, _ in self.events("demo")])

        # When the CRD is installed / Then the PodMonitor comes by itself, and selects the agents' port
        installation.install_monitoring("podmonitors")
        self.until_condition("Monitored", "True", "PodMonitorInPlace", seconds=90)
        monitor = kube.get("podmonitor", "demo", self.namespace)
        self.assertEqual(monitor["metadata"]["labels"]["release"], "prometheus")
        self.assertEqual(monitor["spec"]["selector"]["matchLabels"], {DEPLOYMENT: "demo"})
        endpoint = monitor["spec"]["podMetricsEndpoints"][0]
        self.assertEqual((endpoint["port"], endpoint["interval"]), ("metrics", "15s"))
        ports = [port["name"] for pod in self.pods() for box in pod["spec"]["containers"] for port in box["ports"]]
        self.assertIn(endpoint["port"], ports)
        self.until_ready()

        # When somebody changes it / Then it is set back
        kube.kubectl("patch", "podmonitor", "demo", "--type=merge", "-p", '{"metadata":{"labels":{"release":"other"}}}',
                     namespace=self.namespace)
        kube.wait_until("it is set back", lambda: kube.get("podmonitor", "demo", self.namespace)["metadata"]["labels"]["release"]
                        == "prometheus", 30, self.describe)

        # When the field goes / Then so does the PodMonitor, and no pod is touched
        before = [pod["metadata"]["uid"] for pod in self.pods()]
        self.patch("demo", {"observability": None})
        kube.wait_until("it is gone", lambda: kube.get("podmonitor", "demo", self.namespace) is None, 30, self.describe)
        self.assertEqual(self.condition("Monitored"), {})
        self.assertEqual([pod["metadata"]["uid"] for pod in self.pods()], before)


if __name__ == "__main__":
    unittest.main()
