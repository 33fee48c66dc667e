#!/usr/bin/env python3
"""Random shapes of every family through `deepseek-agent logits`, judged by compare.py: random_test.py AGENT [SEED...]"""
import json
import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
AGENT, SEEDS = sys.argv[1], [int(s) for s in sys.argv[2:]] or list(range(1, 19))


def run(*args):
    return subprocess.run(args, capture_output=True, text=True, check=False)


class RandomShapes(unittest.TestCase):
    def check(self, seed):
        with tempfile.TemporaryDirectory() as tmp:
            made = run(sys.executable, f"{HERE}/oracle.py", "make", tmp, "--seed", str(seed))
            self.assertEqual(made.returncode, 0, made.stderr)
            with open(f"{tmp}/config.json", encoding="utf-8") as config:
                with_mtp = json.load(config).get("num_nextn_predict_layers", 0) > 0
            for chunk in ([], ["--chunk", "7"], ["--chunk", "1"]):
                mtp = ["--mtp"] if with_mtp else []
                made_by = run(AGENT, "logits", "--model", tmp, "--input", f"{tmp}/cases.safetensors", "--output",
                              f"{tmp}/out.safetensors", "--compute", "fp32", *chunk, *mtp)
                self.assertEqual(made_by.returncode, 0, f"{made.stdout}{made_by.stderr}")
                judged = run(sys.executable, f"{HERE}/compare.py", tmp, f"{tmp}/out.safetensors")
                self.assertEqual(judged.returncode, 0, f"{made.stdout}{chunk}\n{judged.stdout}{judged.stderr}")

    def test_seeds(self):
        for seed in SEEDS:
            with self.subTest(seed=seed):
                self.check(seed)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
