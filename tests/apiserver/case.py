"""A real API server with the CRD in it, and nothing behind it. Without its programs: status 77, skipped."""
import os
import pathlib
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "e2e"))

from support.api_server import ApiServer, available  # noqa: E402

CRD = "deepseekdeployments.serving.deepseek-operator.io"


class ApiServerCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = ApiServer()
        cls.server.__enter__()
        cls.addClassCleanup(cls.server.__exit__)
        cls.server.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
        cls.server.wait_for_crds()

    def dry_run(self, text):
        """kubectl's words for an apply that the server checks and does not store."""
        return self.server.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=text)


def main():
    if not available():
        print("skipped: no API server here (make it: e2e/cluster/build etcd kube-apiserver kubectl)", file=sys.stderr)
        sys.exit(77)
    os.environ.setdefault("NO_COLOR", "1")
    unittest.main()
