"""A new operator with a new default agent image restarts no model pod."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support import installation, kube, processes  # noqa: E402
from support.load import ConstantLoad  # noqa: E402
from support.story import Story, deepseek  # noqa: E402


class OperatorUpgrade(Story):
    def identities(self):
        return sorted((pod["metadata"]["uid"], processes.restarts(pod)) for pod in self.pods())

    def agent_images(self):
        return {container["image"] for pod in self.pods() for container in pod["spec"]["containers"]}

    def test_pods_stay_and_the_upgrade_is_offered(self):
        # Given a model served with the default agent image
        self.apply(deepseek(replicas=2))
        before = self.until_ready()
        self.assertFalse(kube.is_true(before, "UpgradeAvailable"))
        pods = self.identities()
        self.assertEqual(self.agent_images(), {self.images["agent"]})
        old_operator = {pod["metadata"]["uid"] for pod in installation.operator_pods()}

        # When operator and default agent image are upgraded
        self.addCleanup(installation.install, self.images["operator"], self.images["agent"])
        with ConstantLoad(self.url(), clients=1) as load:
            installation.install(self.images["operator_next"], self.images["agent_next"])
            # Then the new operator says that an upgrade is there
            kube.wait_until("UpgradeAvailable=True", lambda: kube.is_true(self.dsd(), "UpgradeAvailable"), 120, self.describe)
        self.assertTrue(old_operator.isdisjoint({pod["metadata"]["uid"] for pod in installation.operator_pods()}))

        # And no model pod was replaced or restarted, and no request failed
        self.assertEqual(self.identities(), pods)
        self.assertEqual(load.failures[:10], [])
        after = self.until_ready()
        self.assertEqual(after["status"]["stableRevision"], before["status"]["stableRevision"])

        # When the number of replicas changes / Then the new pod is one of the old revision
        self.patch("demo", {"replicas": 3})
        self.until_ready()
        self.assertEqual(self.agent_images(), {self.images["agent"]})

        # When the user changes what pods are made of
        self.patch("demo", {"engine": {"maxBatch": 6}})
        # Then the new revision takes the new default along
        now = self.until_ready()
        self.assertEqual(self.agent_images(), {self.images["agent_next"]})
        self.assertFalse(kube.is_true(now, "UpgradeAvailable"))


if __name__ == "__main__":
    unittest.main()
