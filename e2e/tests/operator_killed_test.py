"""The operator is killed in the middle of a change and the change is completed all the same."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support import installation, kube, processes  # noqa: E402
from support.load import ConstantLoad  # noqa: E402
from support.story import REVISION, Story, deepseek  # noqa: E402


class OperatorKilled(Story):
    def fresh_operator(self):
        """Replaces the operator's pod, so that the kubelet restarts its next death at once: each test starts alike."""
        for pod in installation.operator_pods():
            kube.kubectl("delete", "pod", pod["metadata"]["name"], "--wait=true", namespace=installation.NAMESPACE)
        kube.wait_until("a fresh operator is ready", lambda: any(
            kube.is_true(pod, "Ready") for pod in installation.operator_pods()), 60, installation.describe)

    def kill_operator(self):
        pods = installation.operator_pods()
        self.assertTrue(pods, installation.describe())
        return sum(processes.kill_in_pod(pod, "deepseek-operator") for pod in pods)

    def new_pods(self, old):
        return [pod for pod in self.pods() if pod["metadata"]["labels"][REVISION] not in old]

    def test_a_change_outlives_kill_9(self):
        # Given a served model with two replicas, under load
        self.apply(deepseek(replicas=2))
        self.until_ready()
        with ConstantLoad(self.url(), clients=2) as load:
            for number, moment in enumerate(("at once", "when the first new pod is there", "when the first new pod is ready")):
                with self.subTest(moment):
                    self.fresh_operator()
                    old = {pod["metadata"]["labels"][REVISION] for pod in self.pods()}
                    # When the spec changes
                    self.patch("demo", {"engine": {"maxBatch": 9 + number}})
                    # And the operator dies by SIGKILL at that moment
                    if number == 1:
                        kube.wait_until("a pod of the new revision", lambda: self.new_pods(old), 60, self.describe)
                    elif number == 2:
                        kube.wait_until("a ready pod of the new revision", lambda: any(
                            kube.is_true(pod, "Ready") for pod in self.new_pods(old)), 60, self.describe)
                    kube.wait_until("an operator to kill", self.kill_operator, 60, installation.describe)
                    # Then the change is completed by its successor
                    now = self.until_ready(seconds=240)
                    self.assertEqual({pod["metadata"]["labels"][REVISION] for pod in self.pods()},
                                     {now["status"]["stableRevision"].removeprefix("demo-")})
                    self.assertEqual(len(self.pods()), 2)
        # And no client noticed
        self.assertEqual(load.failures[:10], [], f"{len(load.failures)} of {load.answered + len(load.failures)} failed")

    def test_a_resource_made_while_no_operator_runs_is_served_later(self):
        # Given an operator that has just died
        self.fresh_operator()
        kube.wait_until("an operator to kill", self.kill_operator, 60, installation.describe)
        # When a resource is applied, and another deleted before anybody saw it
        self.apply(deepseek("fleeting"))
        kube.kubectl("delete", "dsd", "fleeting", namespace=self.namespace)
        self.apply(deepseek())
        # Then the next operator serves what is there, and leaves nothing of what is not
        self.until_ready(seconds=240)
        kube.wait_until("nothing is left of the deleted one", lambda: not self.owned("fleeting"), 60, self.describe)


if __name__ == "__main__":
    unittest.main()
