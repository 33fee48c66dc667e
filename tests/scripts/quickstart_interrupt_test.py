#!/usr/bin/env python3
"""Ctrl-C in the quickstart: a half-started cluster goes down, and the user is told how to go on. Output to a pipe is plain."""
import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class QuickstartInterrupt(unittest.TestCase):
    def setUp(self):
        self.tree = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.tree)
        shutil.copytree(os.path.join(ROOT, "scripts"), f"{self.tree}/scripts")
        shutil.copytree(os.path.join(ROOT, "e2e/cluster/lib"), f"{self.tree}/e2e/cluster/lib")
        os.mkdir(f"{self.tree}/bin")
        self.calls = f"{self.tree}/calls"
        os.mkfifo(f"{self.tree}/never")
        self.write("scripts/deps", "")
        self.write("bin/cmake", "")
        self.write("e2e/cluster/up", f"echo up >>{self.calls}; read line <{self.tree}/never")  # starts for ever
        self.write("e2e/cluster/down", f"echo down >>{self.calls}")

    def write(self, path, body):
        with open(f"{self.tree}/{path}", "w", encoding="utf-8") as file:
            file.write(f"#!/bin/bash\n{body}\n")
        os.chmod(f"{self.tree}/{path}", 0o755)

    def said(self):
        if not os.path.exists(self.calls):
            return ""
        with open(self.calls, encoding="utf-8") as file:
            return file.read()

    def test_a_half_started_cluster_goes_down(self):
        env = dict(os.environ, PATH=f"{self.tree}/bin:{os.environ['PATH']}", CLUSTER_CACHE=f"{self.tree}/cache")
        env.pop("KUBECONFIG", None)
        running = subprocess.Popen([f"{self.tree}/scripts/quickstart"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                   env=env, start_new_session=True)
        self.addCleanup(running.stdout.close)
        try:
            deadline = time.monotonic() + 30
            while "up" not in self.said() and running.poll() is None and time.monotonic() < deadline:
                time.sleep(0.02)
            self.assertIn("up", self.said())
            os.killpg(running.pid, signal.SIGINT)  # as a terminal does
            output, _ = running.communicate(timeout=30)
        finally:
            if running.poll() is None:
                os.killpg(running.pid, signal.SIGKILL)
                running.wait()
        self.assertEqual(running.returncode, 130, output)
        self.assertEqual(self.said(), "up\ndown\n")
        self.assertIn("Run 'make quickstart' again to go on, or 'make quickstart-down'", output)
        self.assertNotIn("\033", output)
        self.assertNotIn("\r", output)


if __name__ == "__main__":
    unittest.main()
