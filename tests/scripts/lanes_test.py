#!/usr/bin/env python3
"""The table of lanes stands in front of ctest's own summary, adds nothing to it and names what is red."""
import os
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CTEST = """\
      Start  1: base_test
 1/4 Test  #1: base_test ........................   Passed   30.00 sec
      Start 30: e2e_cluster_up
 2/4 Test #30: e2e_cluster_up ...................   Passed   60.00 sec
      Start 31: e2e_rolling
 3/4 Test #31: e2e_rolling ......................***Failed   90.00 sec
 4/4 Test #40: lane_lint ........................***Failed    0.02 sec

50% tests passed, 2 tests failed out of 4

Total Test time (real) = 180.02 sec
"""


class LanesTest(unittest.TestCase):
    def table(self, lanes, ctest):
        with tempfile.TemporaryDirectory() as folder:
            for lane, (status, seconds) in lanes.items():
                for suffix, value in (("rc", status), ("seconds", seconds)):
                    with open(os.path.join(folder, f"{lane}.{suffix}"), "w", encoding="utf-8") as file:
                        file.write(f"{value}\n")
            return subprocess.run([sys.executable, os.path.join(ROOT, "scripts", "lane_table.py"), folder],
                                  input=ctest, capture_output=True, text=True, check=True).stdout

    def test_ctest_lines_stay_as_they_are_and_the_summary_is_last(self):
        out = self.table({"build": (0, 600), "lint": (1, 60)}, CTEST)
        self.assertTrue(out.endswith(CTEST[CTEST.index("50% tests"):]))
        kept = [line for line in out.splitlines() if line in CTEST.splitlines()]
        self.assertEqual([line for line in kept if line], [line for line in CTEST.splitlines() if line])

    def test_red_lanes_are_named_with_their_tests(self):
        out = self.table({"build": (0, 600), "lint": (1, 60)}, CTEST)
        self.assertRegex(out, r"build +10\.0  ok")
        self.assertRegex(out, r"lint +1\.0  FAILED \(status 1\)")
        self.assertRegex(out, r"unit +0\.5  ok \[1 tests\]")
        self.assertRegex(out, r"e2e +2\.5  FAILED: e2e_rolling \[2 tests\]")
        self.assertRegex(out, r"sum +14\.0")

    def test_a_table_is_printed_even_when_ctest_says_nothing(self):
        self.assertRegex(self.table({"build": (1, 6)}, ""), r"build +0\.1  FAILED")


if __name__ == "__main__":
    unittest.main()
