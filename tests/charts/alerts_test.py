#!/usr/bin/env python3
"""promtool plays series to the chart's alerts as Helm renders them: each fires when it should, not before, and not in health.

Without promtool (scripts/fetch-prometheus) or Helm: status 77, skipped.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
import unittest

import helm

CASES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "alerts")
FILES = sorted(name for name in os.listdir(CASES) if name.endswith(".yaml"))
PROMTOOL = shutil.which("promtool", path=os.pathsep.join([helm.BIN, os.environ.get("PATH", "")]))


def rendered():
    """The groups of the chart's PrometheusRule."""
    text, error = helm.template("prometheusRule.enabled=true", show=["prometheusrule"])
    if error:
        raise AssertionError(error)
    return textwrap.dedent(text.split("\nspec:\n", 1)[1])


def later(rules, minutes):
    """The rules with every `for` that much longer."""
    return re.sub(r"^( +for: )(\d+)m$", lambda found: f"{found[1]}{int(found[2]) + minutes}m", rules, flags=re.M)


def asking(rules, expression):
    """The rules with all expressions replaced."""
    return re.sub(r"^    expr:(?: \|\n(?:      .*\n)+| .*\n)", f"    expr: {expression}\n", rules, flags=re.M)


class Alerts(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.rules = rendered()
        self.names = set(re.findall(r"- alert: (\w+)", self.rules))

    def promtool(self, rules, *command):
        with tempfile.TemporaryDirectory() as folder:
            for name in FILES:
                shutil.copy(os.path.join(CASES, name), folder)
            with open(os.path.join(folder, "rules.yaml"), "w", encoding="utf-8") as file:
                file.write(rules)
            done = subprocess.run([PROMTOOL, *command], cwd=folder, capture_output=True, text=True, check=False)
            return done.returncode, done.stdout + done.stderr

    def failing(self, rules):
        """Names of the alerts that do not do as the cases say."""
        return set(re.findall(r"alertname: ?(\w+)", self.promtool(rules, "test", "rules", *FILES)[1]))

    def test_the_rules_are_well_formed(self):
        code, said = self.promtool(self.rules, "check", "rules", "rules.yaml")
        self.assertEqual(code, 0, said)
        self.assertIn(f"{len(self.names)} rules found", said)

    def test_they_do_as_the_cases_say(self):
        code, said = self.promtool(self.rules, "test", "rules", *FILES)
        self.assertEqual(code, 0, said)

    def test_each_has_a_case_in_which_it_fires_and_one_in_which_it_does_not(self):
        self.assertEqual(self.failing(asking(self.rules, "vector(0) > 1")), self.names)
        self.assertEqual(self.failing(re.sub(r"^    for: .*\n", "", asking(self.rules, "vector(1)"), flags=re.M)), self.names)

    def test_each_fires_after_its_time_and_not_a_minute_from_it(self):
        waiting = {rule.split("\n", 1)[0] for rule in re.split(r"- alert: ", self.rules)[1:] if "\n    for: " in rule}
        self.assertGreater(len(waiting), 6)
        self.assertEqual(self.failing(later(self.rules, 1)), waiting)
        self.assertEqual(self.failing(later(self.rules, -1)), waiting)


if __name__ == "__main__":
    if not PROMTOOL:
        print("skipped: promtool is missing (get it: scripts/fetch-prometheus)", file=sys.stderr)
        sys.exit(77)
    helm.program()
    unittest.main()
