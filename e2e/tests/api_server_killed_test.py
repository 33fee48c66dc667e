"""The API server dies in the middle of a change: serving goes on, and so does the change when it is back."""
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support import installation  # noqa: E402
from support.load import ConstantLoad  # noqa: E402
from support.story import Story, deepseek  # noqa: E402


class ApiServerKilled(Story):
    def test_a_change_outlives_the_api_server(self):
        # Given a served model under load
        self.apply(deepseek(replicas=2))
        self.until_ready()
        with ConstantLoad(self.url(), clients=2) as load:
            # When the spec changes and the API server dies by SIGKILL at once
            self.patch("demo", {"engine": {"maxBatch": 11}})
            subprocess.run([os.path.join(installation.ROOT, "e2e", "cluster", "restart"), "--kill", "kube-apiserver"],
                           check=True, capture_output=True)
            # Then the change is completed after its return, by the same operator
            self.until_ready(seconds=240)
        # And no client noticed
        self.assertEqual(load.failures[:10], [], f"{len(load.failures)} of {load.answered + len(load.failures)} failed")
        for pod in self.pods():
            self.assertIn("11", " ".join(pod["spec"]["containers"][0]["args"]))


if __name__ == "__main__":
    unittest.main()
