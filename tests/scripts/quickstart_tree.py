"""A copy of scripts/quickstart and what it calls, in which programs are replaced by shell lines."""
import os
import shutil
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class QuickstartTree(unittest.TestCase):
    def setUp(self):
        self.tree = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.tree)
        shutil.copytree(os.path.join(ROOT, "scripts"), f"{self.tree}/scripts")
        shutil.copytree(os.path.join(ROOT, "e2e/cluster/lib"), f"{self.tree}/e2e/cluster/lib")
        os.mkdir(f"{self.tree}/bin")
        self.calls = f"{self.tree}/calls"
        self.env = dict(os.environ, PATH=f"{self.tree}/bin:{os.environ['PATH']}", CLUSTER_CACHE=f"{self.tree}/cache")

    def replace(self, path, body):
        with open(f"{self.tree}/{path}", "w", encoding="utf-8") as file:
            file.write(f"#!/bin/bash\n{body}\n")
        os.chmod(f"{self.tree}/{path}", 0o755)

    def said(self):
        """What the replacements have written into self.calls."""
        if not os.path.exists(self.calls):
            return ""
        with open(self.calls, encoding="utf-8") as file:
            return file.read()
