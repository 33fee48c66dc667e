#!/usr/bin/env python3
"""Ctrl-C in the quickstart: a half-started cluster goes down, and the user is told how to go on. Output to a pipe is plain."""
import os
import signal
import subprocess
import time
import unittest

from quickstart_tree import QuickstartTree


class QuickstartInterrupt(QuickstartTree):
    def setUp(self):
        super().setUp()
        os.mkfifo(f"{self.tree}/never")
        self.replace("scripts/deps", "")
        self.replace("bin/cmake", "")
        self.replace("e2e/cluster/up", f"echo up >>{self.calls}; read line <{self.tree}/never")  # starts for ever
        self.replace("e2e/cluster/down", f"echo down >>{self.calls}")

    def test_a_half_started_cluster_goes_down(self):
        self.env.pop("KUBECONFIG", None)
        running = subprocess.Popen([f"{self.tree}/scripts/quickstart"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                   env=self.env, start_new_session=True)
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
