"""What the operator relies on holds on a real API server: the script that keeps the in-memory one of the unit tests honest."""
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support import installation, kube  # noqa: E402

PROGRAM = os.path.join(installation.ROOT, "build", "release", "bin", "kube_conformance")


class Conformance(unittest.TestCase):
    def test_the_script_passes_here_as_it_does_on_the_fake(self):
        # Given a real cluster with the custom resource installed
        self.assertTrue(os.path.exists(kube.KUBECONFIG), "no cluster: run `e2e/fixture up` first (ctest -L e2e does)")
        # When the conformance script runs against it
        done = subprocess.run([PROGRAM], env={**os.environ, "DEEPSEEK_TEST_KUBECONFIG": kube.KUBECONFIG},
                              capture_output=True, text=True, check=False, timeout=300)
        # Then every expectation holds, and those of the custom resource were not skipped
        self.assertEqual(done.returncode, 0, done.stdout[-8000:] + done.stderr[-2000:])
        self.assertIn("[       OK ] CustomResource.RulesAndLimitsRefuse", done.stdout)
        self.assertIn("[       OK ] Conformance.AListAsAStreamEndsWithABookmarkAndGoesOnAsAWatch", done.stdout)


if __name__ == "__main__":
    unittest.main()
