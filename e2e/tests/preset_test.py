"""model.preset: the memory of a pod is planned before an agent reads the weights, and what cannot fit is refused."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support.story import Story, deepseek  # noqa: E402


def of_shape(**memory):
    resource = deepseek()
    resource["spec"]["model"]["preset"] = "demo-v3"
    resource["spec"]["workload"]["resources"] = {"requests": {"cpu": "100m"}, **memory}
    return resource


class Preset(Story):
    def test_a_limit_below_the_model_is_refused_and_the_rest_is_asked_for(self):
        # When a resource limits its pods to less than the model needs
        self.apply(of_shape(limits={"memory": "8Mi"}))
        # Then it is refused with the numbers, before there is any pod
        said = self.until_condition("Stalled", "True", "InvalidSpec", seconds=10)
        self.assertIn("spec.workload.resources.limits.memory: 8.00 MiB is too little for demo-v3", said["message"])
        self.assertEqual(self.pods(), [])
        # When the limit goes
        self.patch("demo", {"workload": {"resources": {"limits": None}}})
        # Then it serves, and its pods ask for what the plan says
        self.until_ready()
        self.assert_serves()
        asked = self.pods()[0]["spec"]["containers"][0]["resources"]["requests"]["memory"]
        self.assertRegex(asked, r"^\d+Mi$")
        self.assertLess(int(asked[:-2]), 64)
        self.assertGreater(int(asked[:-2]), 8)


if __name__ == "__main__":
    unittest.main()
