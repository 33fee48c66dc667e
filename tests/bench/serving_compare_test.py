#!/usr/bin/env python3
"""bench/serving compare and neighbour: workloads, prompts, order and ratios; and the whole with stand-ins for servers."""
import json
import os
import subprocess
import sys
import tempfile
import textwrap
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "bench"))
import serving_compare  # noqa: E402
import serving_neighbour  # noqa: E402

SERVER = r'''
import http.server, json, os, sys
def flag(name): return sys.argv[sys.argv.index(name) + 1]
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def chunk(self, data): self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
    def event(self, data): self.chunk(b"data: " + json.dumps(data).encode() + b"\n\n")
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with open(os.environ["BENCH_LOG"], "a") as out:
            out.write(json.dumps([NAME, asked["prompt"], asked["max_tokens"]]) + "\n")
        self.send_response(200); self.send_header("Transfer-Encoding", "chunked"); self.end_headers()
        for _ in range(asked["max_tokens"]): self.event({"choices": [{"text": "a"}]})
        self.event({"choices": [], "usage": {"prompt_tokens": len(asked["prompt"]), "completion_tokens": asked["max_tokens"]}})
        self.chunk(b"data: [DONE]\n\n"); self.chunk(b"")
        self.close_connection = True
    def log_message(self, *_): pass
class Server(http.server.ThreadingHTTPServer): request_queue_size = 64
'''
AGENT = SERVER + r'''
NAME = "ours"
server = Server(("127.0.0.1", 0), Handler)
print(json.dumps({"msg": "listening", "http": "127.0.0.1:%d" % server.server_port}, separators=(",", ":")), file=sys.stderr, flush=True)
print('{"msg":"serving"}', file=sys.stderr, flush=True)
server.serve_forever()
'''
LLAMA = SERVER + r'''
NAME = "peer"
Server(("127.0.0.1", int(flag("--port"))), Handler).serve_forever()
'''


class Pure(unittest.TestCase):
    def test_workloads(self):
        self.assertEqual(serving_compare.workload("1024/64+512"),
                         {"name": "1024/64+512", "prompt": 1024, "output": 64, "shared": 512})
        self.assertEqual(serving_compare.workload("128/128")["shared"], 0)
        for wrong in ("128", "a/b", "128/0", "128/8+126", ""):
            with self.assertRaises(ValueError, msg=wrong):
                serving_compare.workload(wrong)

    def test_prompts_share_what_they_should_and_nothing_else(self):
        load, other = serving_compare.workload("40/8+16"), serving_compare.workload("40/8")
        prompts = serving_compare.Prompts(100, 200, seed=1)
        made = prompts.take(load, 150) + prompts.take(load, 150)
        self.assertEqual({len(p) for p in made}, {40})
        self.assertEqual(len({tuple(p[:16]) for p in made}), 1)
        self.assertEqual(len({tuple(p[16:18]) for p in made}), 300)
        free = prompts.take(other, 100)
        self.assertEqual(len({p[0] for p in free}), 100)
        self.assertTrue(all(100 <= i < 200 for p in made + free for i in p))
        again = serving_compare.Prompts(100, 200, seed=1).take(load, 150)
        self.assertEqual(again, made[:150])

    def test_who_begins_changes(self):
        steps = serving_compare.schedule(["a", "b"], [8], 2, ["ours", "peer"])
        self.assertEqual(steps, [("a", 8, 0, ["ours", "peer"]), ("a", 8, 1, ["peer", "ours"]),
                                 ("b", 8, 0, ["ours", "peer"]), ("b", 8, 1, ["peer", "ours"])])
        self.assertEqual([s[3] for s in serving_compare.schedule(["a"], [1], 2, ["ours"])], [["ours"], ["ours"]])

    def side(self, rate, others=0.01, failed=0):
        seconds = {"p50": 0.1, "p99": 0.2}
        return {"output_tokens_per_s": rate, "ttft_s": seconds, "itl_s": seconds, "tpot_s": {"p50": None, "p99": None},
                "client_cpu_share": 0.02, "server_cpu_share": 0.9, "others_cpu_share": others, "failed": failed,
                "cached_tokens": 50, "prompt_tokens": 100}

    def row(self, **changes):
        pairs = [{"ours": self.side(a, **changes), "peer": self.side(b)} for a, b in ((100.0, 50.0), (90.0, 30.0), (80.0, 40.0))]
        return serving_compare.summary({"workload": "128/128", "streams": 8, "pairs": pairs})

    def test_ratios_are_taken_within_pairs(self):
        row = self.row()
        self.assertEqual(row["ratio"], {"min": 2.0, "median": 2.0, "max": 3.0, "n": 3})
        self.assertEqual(row["ours"]["ttft_p99_s"]["median"], 0.2)
        self.assertIsNone(row["ours"]["tpot_p50_s"])
        self.assertEqual(row["ours"]["cached_share"], 0.5)
        self.assertTrue(row["quiet"])
        self.assertIn("ours / peer 2.00 / 2.00 / 3.00", "\n".join(serving_compare.lines(row)))

    def test_what_a_neighbour_leaves(self):
        alone, beside = self.side(60.0), dict(self.side(30.0), server_cpu_share=0.6)
        left = serving_neighbour.shares(alone, beside)
        self.assertAlmostEqual(left["throughput"], 0.5)
        self.assertAlmostEqual(left["cpu"], 0.6 / 0.9)
        self.assertAlmostEqual(left["per_cpu"], 0.75)

    def test_a_crowded_run_and_failures_say_so(self):
        text = "\n".join(serving_compare.lines(self.row(others=0.3, failed=1)))
        self.assertIn("CROWDED", text)
        self.assertIn("3 FAILED", text)


class Whole(unittest.TestCase):
    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory()
        self.addCleanup(self.tmp.cleanup)
        for name, body in (("agent", AGENT), ("llama-server", LLAMA)):
            with open(self.path(name), "w", encoding="utf-8") as out:
                out.write(f"#!{sys.executable}\n" + textwrap.dedent(body))
            os.chmod(self.path(name), 0o755)
        with open(self.path("config.json"), "w", encoding="utf-8") as out:
            json.dump({"vocab_size": 1000}, out)
        open(self.path("m.gguf"), "w", encoding="utf-8").close()

    def path(self, name):
        return os.path.join(self.tmp.name, name)

    def serving(self, *args, code=0, what="compare"):
        done = subprocess.run([sys.executable, f"{ROOT}/bench/serving", what, "--agent", self.path("agent"), "--model",
                               self.tmp.name, *args], capture_output=True, text=True, check=False,
                              env=dict(os.environ, BENCH_LOG=self.path("log")))
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def test_both_get_the_same_requests_in_turn(self):
        done = self.serving("--gguf", self.path("m.gguf"), "--llama-server", self.path("llama-server"), "--streams", "2",
                            "--workload", "20/6+8", "--repeat", "2", "--rounds", "1", "--json", self.path("out.json"))
        self.assertIn("ours / peer", done.stdout)
        with open(self.path("log"), encoding="utf-8") as lines:
            calls = [call for call in map(json.loads, lines) if call[2] == 6]  # the warm-up asks for 4
        self.assertEqual([call[0] for call in calls], ["ours"] * 2 + ["peer"] * 4 + ["ours"] * 2)
        prompts = {name: sorted(p for who, p, _ in calls if who == name) for name in ("ours", "peer")}
        self.assertEqual(prompts["ours"], prompts["peer"])
        self.assertEqual(len({tuple(p) for p in prompts["ours"]}), 4)
        self.assertTrue(all(15 <= i < 750 for p in prompts["ours"] for i in p))
        with open(self.path("out.json"), encoding="utf-8") as file:
            out = json.load(file)
        self.assertEqual([len(row["pairs"]) for row in out["rows"]], [2])
        self.assertEqual(out["rows"][0]["pairs"][0]["peer"]["output_tokens"], 12)
        self.assertEqual(out["rows"][0]["ours"]["failed"], 0)

    def test_ours_alone(self):
        done = self.serving("--streams", "1,3", "--workload", "20/6", "--repeat", "1", "--rounds", "1", "--requests", "5")
        self.assertNotIn("peer", done.stdout)
        self.assertEqual(len([line for line in done.stdout.splitlines() if line.startswith("20/6")]), 2)

    def test_beside_a_neighbour_and_alone_in_turn(self):
        done = self.serving("--streams", "2", "--workload", "20/6", "--repeat", "2", "--rounds", "2", "--json",
                            self.path("out.json"), what="neighbour")
        self.assertIn("per_cpu", done.stdout)
        with open(self.path("out.json"), encoding="utf-8") as file:
            out = json.load(file)
        self.assertEqual([p[side]["output_tokens"] for p in out["pairs"] for side in ("alone", "beside")], [24] * 4)
        self.assertEqual(out["spreads"]["throughput"]["n"], 2)
        for wrong in (["--streams", "2,3"], ["--workload", "20/6", "--workload", "20/7"], ["--gguf", self.path("m.gguf")]):
            self.assertEqual(len(self.serving(*wrong, what="neighbour", code=1).stderr.splitlines()), 1)

    def test_wrong_use_is_one_line(self):
        for args, said in ((["--workload", "20"], "--workload"), (["--gguf", self.path("none")], "bench/peer files"),
                           (["--gguf", self.path("m.gguf"), "--llama-server", "none"], "bench/peer build"),
                           (["--streams", "0"], "--streams"), (["--model", "/none"], "config.json")):
            done = self.serving(*args, code=1)
            self.assertIn(said, done.stderr)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)


if __name__ == "__main__":
    unittest.main()
