#!/usr/bin/env python3
"""bench/run with stand-ins for deepseek-agent and llama.cpp: what it asks of them, in which order, what it reports."""
import json
import os
import subprocess
import sys
import tempfile
import textwrap
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

AGENT = r'''
import json, os, sys
def log(text):
    with open(os.environ["BENCH_LOG"], "a") as out: out.write(text + "\n")
weights = sys.argv[sys.argv.index("--weights") + 1]
log("load " + weights)
if weights == "int8": sys.exit("error: --weights int8 is not served")
for line in sys.stdin:
    case = json.loads(line)
    log("ours %(prompt)d %(generate)d %(batch)d %(repeat)d %(warm-up)d" % case)
    rate = {"min": 99.0, "median": 100.0, "max": 101.0}
    print(json.dumps({"compute": "bf16", "prefill_tokens_per_s": rate,
        "decode_tokens_per_s": rate if case["generate"] else None, "weight_bytes_per_token": 1000,
        "kv_bytes_read_per_token": 10, "prefill_flops_per_token": 2000.0, "decode_flops_per_token": 2000.0,
        "active_parameters": 1000, "cpu_share": {"prefill": 1.0, "decode": 1.0}}), flush=True)
'''
BENCH = r'''
import json, os, sys
with open(os.environ["BENCH_LOG"], "a") as out: out.write("peer " + os.path.basename(sys.argv[2]) + "\n")
print(json.dumps([{"samples_ts": [40.0]}]))
'''
BATCHED = r'''
import json, os, sys
with open(os.environ["BENCH_LOG"], "a") as out: out.write("batched " + sys.argv[sys.argv.index("-npl") + 1] + "\n")
print("a line of talk"); print(json.dumps({"pl": 8, "speed_tg": 50.0}))
'''


MEMBW = 'print("best with 1 thread: 60.00 GB/s (median of that case 50.00)")'
VNNI = 'print("bf16 vdpbf16ps 512  threads 1  best 200.0\\nfp32 fma 512  threads 1  best 100.0")'


class Run(unittest.TestCase):
    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory()
        self.addCleanup(self.tmp.cleanup)
        self.log = self.path("log")
        for folder in ("bin", "peer", "model", "ceilings"):
            os.mkdir(self.path(folder))
        self.program("ceilings/membw", MEMBW)
        self.program("ceilings/vnni", VNNI)
        self.program("bin/deepseek-agent", AGENT)
        with open(self.path("model/config.json"), "w", encoding="utf-8") as out:
            json.dump({"max_position_embeddings": 512}, out)

    def path(self, name):
        return os.path.join(self.tmp.name, name)

    def program(self, name, body):
        with open(self.path(name), "w", encoding="utf-8") as out:
            out.write(f"#!{sys.executable}\n" + textwrap.dedent(body))
        os.chmod(self.path(name), 0o755)

    def run_bench(self, *args, code=0):
        done = subprocess.run([sys.executable, f"{ROOT}/bench/run", "--bin", self.path("bin"), "--threads", "1",
                               "--ceilings", self.path("ceilings"), *args], capture_output=True, text=True, check=False,
                              env=dict(os.environ, BENCH_LOG=self.log, XDG_CACHE_HOME=self.path("cache")))
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def calls(self):
        with open(self.log, encoding="utf-8") as lines:
            return lines.read().splitlines()

    def test_ours_and_the_peer_take_turns(self):
        self.program("peer/llama-bench", BENCH)
        self.program("peer/llama-batched-bench", BATCHED)
        open(self.path("model-BF16.gguf"), "w", encoding="utf-8").close()
        done = self.run_bench("--model", self.path("model"), "--peer", self.path("peer"), "--weights", "native",
                              "--cases", "pp512,batch8", "--repeat", "2", "--json", self.path("out.json"))
        self.assertEqual(self.calls(), ["load native", "ours 512 0 1 1 1", "peer model-BF16.gguf", "ours 512 0 1 1 1",
                                        "peer model-BF16.gguf", "ours 32 32 8 1 1", "batched 8", "ours 32 32 8 1 1",
                                        "batched 8"])
        self.assertIn("ours / peer 2.50 / 2.50 / 2.50", done.stdout)
        with open(self.path("out.json"), encoding="utf-8") as file:
            out = json.load(file)
        self.assertEqual([(r["case"], r["peers"]["BF16"]["ratio"]["median"]) for r in out["rows"]],
                         [("pp512", 2.5), ("batch8", 2.0)])
        self.assertEqual(len(out["rows"][0]["pairs"]), 2)
        self.assertEqual(out["machine"]["membw"], {"best": 60.0, "median": 50.0})
        self.assertEqual(out["rows"][0]["peaks"], {"bf16": 200.0, "fp32": 100.0})

    def test_without_a_peer_ours_runs_and_it_is_said(self):
        done = self.run_bench("--model", self.path("model"), "--weights", "native", "--cases", "tg64", "--repeat", "1")
        self.assertIn("bench/peer build", done.stdout)
        self.assertEqual(self.calls(), ["load native", "ours 1 64 1 1 1"])

    def test_a_refused_combination_fails_the_run_but_not_the_others(self):
        done = self.run_bench("--model", self.path("model"), "--weights", "int8,int4", "--cases", "tg64", "--repeat",
                              "1", code=1)
        self.assertIn("--weights int8 is not served", done.stderr)
        self.assertIn("int4", done.stdout)

    def test_wrong_use_is_one_line(self):
        for args, said in ((["--weights", "int3"], "--weights: int3"), (["--cases", "pp1"], "--cases: pp1"),
                           (["--repeat", "0"], "--repeat"), (["--model", self.path("none")], "config.json"),
                           (["--model", self.path("model"), "--peer", self.path("none")], "llama-bench")):
            done = self.run_bench(*args, code=1)
            self.assertIn(said, done.stderr)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)


if __name__ == "__main__":
    unittest.main()
