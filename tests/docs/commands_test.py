"""Every command in the docs is run by a test, or says why it is not: commands_test.py [BIN_DIR]

Without the API server's programs the blocks that ask for one are left out, and the test says so.
"""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

from blocks import ROOT, RUNNERS, blocks, indented_commands, pages

sys.path.insert(0, str(ROOT / "e2e"))
from support import kube  # noqa: E402
from support.api_server import ApiServer, available  # noqa: E402

BIN = pathlib.Path(sys.argv.pop(1) if len(sys.argv) > 1 and not sys.argv[1].startswith("-") else ROOT / "build/release/bin").resolve()
ALL = [block for page in pages() for block in blocks(page)]


def run(block, **env):
    """Runs a block as a shell would that stops at the first error. HOME and the working folder's .. are the test's own."""
    with tempfile.TemporaryDirectory() as folder:
        env = {"PATH": f"{BIN}:{kube.BIN}:{os.environ['PATH']}", "HOME": folder, "TMP": folder, "NO_COLOR": "1", "REGISTRY": "registry.example.com/team", **env}
        return subprocess.run(["bash", "-euo", "pipefail", "-c", block.text], cwd=ROOT, env=env, capture_output=True, text=True,
                              timeout=120, check=False, stdin=subprocess.DEVNULL)


class Marked(unittest.TestCase):
    def test_every_block_of_commands_says_who_runs_it(self):
        for block in ALL:
            with self.subTest(block.where):
                if block.language in ("sh", "bash"):
                    self.assertTrue(block.runner in RUNNERS or block.reason,
                                    "needs a comment right above: see tests/docs/blocks.py")
                    if block.reason:
                        self.assertGreaterEqual(len(block.reason.split()), 3, "that is no reason")
                elif block.language != "c":
                    self.assertEqual([line for line in block.commands() if not line.startswith("$ ")], [],
                                     "commands belong into a block of sh, with a marker")

    def test_commands_are_fenced(self):
        self.assertEqual([line for page in pages() for line in indented_commands(page)], [])

    def test_the_first_hour_is_run_on_the_cluster(self):
        named = {block.page.name for block in ALL if block.runner == "first-hour"}
        self.assertEqual(named, {"first-hour.md"})
        self.assertIn("first-hour.md", (ROOT / "e2e/tests/first_hour_test.py").read_text(encoding="utf-8"))


class Run(unittest.TestCase):
    def check(self, block, done):
        self.assertEqual(done.returncode, 0, f"{block.where}\n{block.text}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")

    def test_here(self):
        found = [block for block in ALL if block.runner == "here"]
        self.assertGreaterEqual(len(found), 5)
        for block in found:
            with self.subTest(block.where):
                self.check(block, run(block))

    def test_with_an_api_server(self):
        found = [block for block in ALL if block.runner == "api"]
        self.assertGreaterEqual(len(found), 3)
        if not available():
            self.skipTest("no API server here (make it: e2e/cluster/build etcd kube-apiserver kubectl helm)")
        with ApiServer() as server:
            server.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
            server.wait_for_crds()
            for block in found:
                with self.subTest(block.where):
                    self.check(block, run(block, KUBECONFIG=server.kubeconfig))

    def test_a_block_that_fails_is_seen(self):
        block = ALL[0].__class__(ROOT / "README.md", 1, "sh", "false\ntrue\n", "run: here")
        self.assertNotEqual(run(block).returncode, 0)


if __name__ == "__main__":
    unittest.main()
