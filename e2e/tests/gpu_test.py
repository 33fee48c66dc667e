"""engine.device: CUDA: pods ask for GPUs, wait for them in the scheduler's words, and an agent without a CUDA backend says
so. The GPUs are fake: the node is told to offer them, as a device plugin would."""
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support.kube import kubectl  # noqa: E402
from support.story import Story, deepseek  # noqa: E402

GPU = "nvidia.com/gpu"


def offer(gpus):
    """The node offers so many fake GPUs."""
    node = json.loads(kubectl("get", "nodes", "-o", "json"))["items"][0]["metadata"]["name"]
    patch = {"status": {"capacity": {GPU: gpus}, "allocatable": {GPU: gpus}}}
    kubectl("patch", "node", node, "--subresource=status", "--type=merge", "-p", json.dumps(patch))


class Gpus(Story):
    def test_pods_ask_for_gpus_and_an_agent_without_a_backend_says_so(self):
        self.addCleanup(offer, "0")
        offer("0")
        # When a resource wants two GPUs and there are none
        resource = deepseek()
        resource["spec"]["engine"] = resource["spec"].get("engine", {}) | {"device": "CUDA", "gpusPerReplica": 2}
        self.apply(resource)
        # Then it says so in the scheduler's words
        said = self.until_condition("Ready", "False", "InsufficientGPU", seconds=30)
        self.assertIn(GPU, said["message"])
        spec = self.pods()[0]["spec"]
        self.assertEqual(spec["containers"][0]["resources"]["limits"], {GPU: "2"})
        self.assertIn({"key": GPU, "operator": "Exists", "effect": "NoSchedule"}, spec["tolerations"])
        # When a node offers them
        offer("2")
        # Then the pod gets there, and its agent says that it has no CUDA backend
        said = self.until_condition("Ready", "False", "DeviceFailed", seconds=60)
        self.assertIn("--device cuda is not served", said["message"])
        # When it may compute on the CPU
        self.patch("demo", {"engine": {"device": None, "gpusPerReplica": None}})
        # Then it serves, and asks for no GPU
        self.until_ready()
        self.assert_serves()
        for pod in self.pods():
            self.assertNotIn("limits", pod["spec"]["containers"][0]["resources"])


if __name__ == "__main__":
    unittest.main()
