#!/usr/bin/env python3
"""`make help` shows every target, under a heading, in lines that fit a terminal."""
import os
import re
import subprocess
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class MakeHelp(unittest.TestCase):
    def test_every_target_is_shown(self):
        with open(os.path.join(ROOT, "Makefile"), encoding="utf-8") as file:
            targets = set(re.search(r"^\.PHONY: (.*)$", file.read(), re.M).group(1).split())
        shown = subprocess.run(["make", "--no-print-directory", "-C", ROOT, "help"], capture_output=True, text=True, check=True).stdout
        self.assertEqual(set(re.findall(r"^  make (\S+) +\S", shown, re.M)), targets)
        self.assertNotIn("\033", shown)
        for line in shown.splitlines():
            self.assertLessEqual(len(line), 120, line)
        self.assertLess(shown.index("quickstart"), shown.index("make test"), "what a newcomer needs stands first")


if __name__ == "__main__":
    unittest.main()
