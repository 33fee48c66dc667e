#!/usr/bin/env python3
"""The golden sets through `deepseek-agent logits`, judged by compare.py: golden_test.py AGENT ROOT"""
import os
import subprocess
import sys

from agent_case import GOLDEN, AgentCase, main

# Those with an MTP layer, and the others.
SETS = {**dict.fromkeys(("deepseek_v3", "deepseek_v3_fp8", "deepseek_v3_fp8_edge"), True),
        **dict.fromkeys(("deepseek_v3_sharded", "deepseek_v2", "deepseek_v2_lite", "deepseek_moe_16b", "llama",
                         "llama_tied", "qwen2", "qwen2_yarn"), False)}


class Golden(AgentCase):
    def judge(self, name, *options):
        out = self.path("out.safetensors")
        folder = os.path.join(GOLDEN, name)
        mtp = ["--mtp"] if SETS[name] else []
        self.agent("logits", "--model", folder, "--input", f"{folder}/cases.safetensors", "--output", out, *mtp,
                   *options)
        return [os.path.join(GOLDEN, "compare.py"), folder, out, *([] if mtp else ["--no-mtp"])]

    def expect(self, command):
        done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def test_every_cut_of_the_sequence_in_fp32(self):
        for name in SETS:
            whole = None
            for chunk in ("0", "7", "1", "64", "65"):
                with self.subTest(name=name, chunk=chunk):
                    self.expect(self.judge(name, "--compute", "fp32", "--chunk", chunk))
                    with open(self.path("out.safetensors"), "rb") as f:
                        bits = f.read()
                    whole = whole or bits
                    self.assertEqual(bits, whole, "the cut must not change one bit")

    def test_greedy_and_hidden(self):
        for name in SETS:
            with self.subTest(name=name):
                command = self.judge(name, "--greedy", "32", "--hidden", "--chunk", "7")
                text = self.expect([*command, "--hidden", self.path("out.safetensors")])
                self.assertEqual(text.count("equal"), 4, text)
                errors = [float(line.split()[4]) for line in text.splitlines() if line.startswith("t7.hidden")]
                self.assertGreater(len(errors), 2)
                self.assertLess(max(errors), 1e-3, text)

    def test_threads_do_not_change_a_bit(self):
        for name in ("deepseek_v3", "deepseek_v2", "deepseek_moe_16b", "qwen2"):
            seen = set()
            for threads in ("1", "2", "5"):
                self.judge(name, "--threads", threads)
                with open(self.path("out.safetensors"), "rb") as f:
                    seen.add(f.read())
            self.assertEqual(len(seen), 1, name)

    def test_bf16_stays_within_its_divergence(self):
        for name in SETS:
            with self.subTest(name=name):
                self.expect([*self.judge(name, "--compute", "bf16"), "--mode", "bf16"])


main()
