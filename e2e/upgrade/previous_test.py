"""From a real earlier version to this one: its models serve on, untouched, and live on under the new operator."""
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support import installation, kube, processes  # noqa: E402
from support.load import ConstantLoad  # noqa: E402
from support.story import Story, deepseek  # noqa: E402

CRD = "deepseekdeployments.serving.deepseek-operator.io"


class Previous(Story):
    def setUp(self):
        super().setUp()
        path = os.path.join(installation.RUN, "previous.json")
        if not os.path.exists(path):
            self.fail("no earlier version to begin with: run e2e/upgrade/build first (make upgrade-e2e does)")
        with open(path, encoding="utf-8") as file:
            self.previous = json.load(file)

    def remove(self):
        """The release with its CRD, and with that every DeepSeekDeployment."""
        installation.helm("uninstall", installation.RELEASE, "--namespace", installation.NAMESPACE, "--ignore-not-found", "--wait")
        kube.kubectl("delete", "crd", CRD, "--ignore-not-found", "--timeout=120s")

    def back_to_the_fixture(self):
        self.remove()
        installation.install(self.images["operator"], self.images["agent"])

    def install_previous(self):
        repository, tag = self.previous["operator"].rsplit(":", 1)
        installation.helm("install", installation.RELEASE, self.previous["chart"], "--namespace", installation.NAMESPACE,
                          "--set", "replicas=1", "--set", f"image.repository={repository}", "--set", f"image.tag={tag}",
                          "--set", f"agent.image={self.previous['agent']}", "--wait", "--timeout", "120s")

    def upgrade(self):
        """As docs/operator/upgrade.md says."""
        repository, tag = self.images["operator"].rsplit(":", 1)
        installation.helm("upgrade", installation.RELEASE, installation.CHART, "--namespace", installation.NAMESPACE,
                          "--reset-then-reuse-values", "--set", f"image.repository={repository}", "--set", f"image.tag={tag}",
                          "--set", f"agent.image={self.images['agent']}", "--wait", "--timeout", "120s")

    def identities(self):
        return sorted((pod["metadata"]["uid"], processes.restarts(pod)) for pod in self.pods())

    def agent_images(self):
        return {container["image"] for pod in self.pods() for container in pod["spec"]["containers"]}

    def test_its_models_serve_on_and_live_on(self):
        # Given the earlier version, installed by its own chart, and a model that it serves
        self.addCleanup(self.back_to_the_fixture)
        self.remove()
        self.install_previous()
        kube.wait_until("the CRD is served", lambda: kube.is_true(kube.get("crd", CRD), "Established"), 30)
        self.apply(deepseek(replicas=2))
        before = self.until_ready()
        pods = self.identities()
        self.assertEqual(self.agent_images(), {self.previous["agent"]})

        # When the operator is upgraded under load
        with ConstantLoad(self.url(), clients=2) as load:
            self.upgrade()
            # Then the new one offers its defaults
            kube.wait_until("UpgradeAvailable=True", lambda: kube.is_true(self.dsd(), "UpgradeAvailable"), 120, self.describe)
            after = self.until_ready()
        # And no request failed, no pod was replaced or restarted, and the revision is the same
        self.assertEqual(load.failures[:10], [])
        self.assertGreater(load.answered, 0)
        self.assertEqual(self.identities(), pods)
        self.assertEqual(after["status"]["stableRevision"], before["status"]["stableRevision"])

        # When it is scaled / Then the new pod is one of the old revision
        self.patch("demo", {"replicas": 3})
        self.until_ready()
        self.assertEqual(self.agent_images(), {self.previous["agent"]})
        self.assertLess(set(pods), set(self.identities()))

        # When the user changes what pods are made of / Then the new version's agents come, and no request fails
        with ConstantLoad(self.url(), clients=2) as load:
            self.patch("demo", {"engine": {"maxBatch": 6}})
            now = self.until_ready()
        self.assertEqual(load.failures[:10], [])
        self.assertEqual(self.agent_images(), {self.images["agent"]})
        self.assertFalse(kube.is_true(now, "UpgradeAvailable"))

        # When the user puts the old spec back / Then the old revision comes back, with the earlier version's agents
        self.patch("demo", {"engine": None})
        back = self.until_ready()
        self.assertEqual(back["status"]["stableRevision"], before["status"]["stableRevision"])
        self.assertEqual(self.agent_images(), {self.previous["agent"]})
        self.assert_serves()


if __name__ == "__main__":
    unittest.main()
