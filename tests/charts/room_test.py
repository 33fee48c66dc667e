#!/usr/bin/env python3
"""What the defaults ask the scheduler for fits a node of 2 cores: three model pods, a surge and two operators."""
import os
import re
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# What a small cluster's own pods take (DNS, metrics, network), of 2000m.
OTHERS = 500


def millicores(text):
    return int(text[:-1]) if text.endswith("m") else int(float(text) * 1000)


class Room(unittest.TestCase):
    def test_three_replicas_a_surge_and_two_operators(self):
        # The golden file of a minimal DeepSeekDeployment, which tests/operator/render keeps equal to what is rendered.
        with open(os.path.join(ROOT, "tests/golden/operator/render_minimal.json"), encoding="utf-8") as file:
            asked = set(re.findall(r'"requests": \{\s*"cpu": "([^"]+)"', file.read()))
        self.assertEqual(len(asked), 1, "one default for all model pods")
        with open(os.path.join(ROOT, "charts/deepseek-operator/values.yaml"), encoding="utf-8") as file:
            values = file.read()
        operator = millicores(re.search(r"requests: \{cpu: (\w+),", values).group(1))
        operators = int(re.search(r"^replicas: (\d+)", values, re.M).group(1))
        self.assertEqual(operators, 2)
        self.assertLessEqual((3 + 1) * millicores(asked.pop()) + operators * operator, 2000 - OTHERS)


if __name__ == "__main__":
    unittest.main()
