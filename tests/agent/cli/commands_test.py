#!/usr/bin/env python3
"""The other commands: their JSON and their text: commands_test.py AGENT ROOT"""
import hashlib
import json
import os
import subprocess

from agent_case import AGENT, DEMO, GOLDEN, AgentCase, i32, main, read, write_i32


class Commands(AgentCase):
    def lines(self, *args, code=0, stdin=None):
        return [json.loads(x) for x in self.agent(*args, code=code, stdin=stdin).stdout.splitlines()]

    def test_version_and_help(self):
        self.assertRegex(self.agent("--version").stdout, r"^deepseek-agent \d+\.\d+\.\d+\n$")
        text = self.agent("--help").stdout
        for command in ("serve", "chat", "generate", "eval", "logits", "bench", "inspect", "verify", "tokenize",
                        "detokenize", "render-chat"):
            self.assertIn(command, text)
            self.assertIn("--help", self.agent(command, "--help").stdout)

    def test_logits_of_chosen_positions(self):
        write_i32(self.path("in"), {"a.input_ids": [3, 5, 7, 9], "a.positions": [3, 1], "b.input_ids": [4]})
        model = os.path.join(GOLDEN, "deepseek_v3")
        self.agent("logits", "--model", model, "--input", self.path("in"), "--output", self.path("out"), "--hidden",
                   "--mtp", "--greedy", "3")
        header, body = read(self.path("out"))
        shapes = {k: v["shape"] for k, v in header.items()}
        self.assertEqual(shapes, {"a.logits": [2, 512], "a.hidden": [4, 4, 128], "a.mtp_logits": [3, 512],
                                  "a.greedy": [3], "b.logits": [1, 512], "b.hidden": [4, 1, 128], "b.greedy": [3]})
        self.assertEqual(max(v["data_offsets"][1] for v in header.values()), len(body))
        write_i32(self.path("in"), {"a.input_ids": [3, 5, 7, 9]})
        self.agent("logits", "--model", model, "--input", self.path("in"), "--output", self.path("all"))
        _, rows = read(self.path("all"))
        self.assertEqual(body[:512 * 4], rows[3 * 2048:4 * 2048])
        self.assertEqual(body[2048:4096], rows[2048:4096])

    def test_tokenize_and_back(self):
        ids = self.lines("tokenize", "--model", DEMO, "--text", "<｜User｜> 12 é")[0]["ids"]
        self.assertEqual(ids[:2], [0, 2035])
        bare = self.lines("tokenize", "--model", DEMO, "--text", "<｜User｜> 12 é", "--no-special")[0]["ids"]
        self.assertEqual(bare, ids[1:])
        plain = self.lines("tokenize", "--model", DEMO, "--text", "<｜User｜> 12 é", "--no-special", "--plain")[0]["ids"]
        self.assertNotIn(2035, plain)
        tokenizer = os.path.join(DEMO, "tokenizer.json")
        with open(self.path("t.jsonl"), "w", encoding="utf-8") as f:
            f.write(json.dumps({"text": "<｜User｜> 12 é"}) + "\n\n" + json.dumps({"text": ""}) + "\n")
        self.assertEqual(self.lines("tokenize", "--tokenizer", tokenizer, "--jsonl", self.path("t.jsonl")),
                         [{"ids": bare}, {"ids": []}])
        with open(self.path("i.jsonl"), "w", encoding="utf-8") as f:
            f.write(json.dumps({"ids": ids}) + "\n" + json.dumps({"ids": [-1, 10**12, 2**40]}) + "\n")
        back = self.lines("detokenize", "--model", DEMO, "--jsonl", self.path("i.jsonl"))
        self.assertEqual(back[0]["text"], "<｜begin▁of▁sentence｜><｜User｜> 12 é")
        self.assertEqual(back[1]["text"], "")
        stream = self.lines("detokenize", "--model", DEMO, "--jsonl", self.path("i.jsonl"), "--stream")[0]
        self.assertEqual(len(stream["chunks"]), len(ids))
        self.assertEqual("".join(stream["chunks"]) + stream["flush"], back[0]["text"])

    def test_render_chat(self):
        good = json.dumps({"messages": [{"role": "user", "content": "hi"}], "add_generation_prompt": True})
        out = self.lines("render-chat", "--model", DEMO, "--jsonl", "-", stdin=good + "\n")
        self.assertEqual(out, [{"text": "<｜begin▁of▁sentence｜><｜User｜>hi<｜Assistant｜>"}])
        with open(self.path("t.jinja"), "w", encoding="utf-8") as f:
            f.write("{% for m in messages %}[{{ m['role'] }}]{% endfor %}")
        out = self.lines("render-chat", "--template", self.path("t.jinja"), "--jsonl", "-", stdin=good + "\n")
        self.assertEqual(out, [{"text": "[user]"}])
        with open(self.path("t.jinja"), "w", encoding="utf-8") as f:
            f.write("{{ raise_exception('no') }}")
        out = self.lines("render-chat", "--template", self.path("t.jinja"), "--jsonl", "-", stdin=good + "\n", code=1)
        self.assertIn("no", out[0]["error"])
        out = self.lines("render-chat", "--encoder", "deepseek_v4", "--jsonl", "-", stdin=good + "\n")
        self.assertEqual(out, [{"text": "<｜begin▁of▁sentence｜><｜User｜>hi<｜Assistant｜></think>"}])
        self.lines("render-chat", "--encoder", "deepseek_v9", "--jsonl", "-", stdin=good + "\n", code=1)
        self.lines("render-chat", "--encoder", "deepseek_v4", "--model", DEMO, "--jsonl", "-", stdin=good + "\n", code=1)

    def test_inspect(self):
        out = self.lines("inspect", "--model", DEMO, "--context", "512", "--batch", "4", "--json")[0]
        for key in ("family", "parameters", "active_parameters", "layers", "weights_bytes", "packed_bytes",
                    "kv_bytes_per_token", "activation_bytes", "total_bytes", "max_batch", "max_context"):
            self.assertIn(key, out)
        self.assertEqual((out["family"], out["layers"], out["max_batch"], out["max_context"]),
                         ("deepseek_v3", 4, 4, 512))
        self.assertEqual(out["kv_bytes_per_token"], 4 * (64 + 16) * 2, "the latent, not keys and values of each head")
        wide = self.lines("inspect", "--model", DEMO, "--kv", "fp32", "--json")[0]
        self.assertEqual(wide["kv_bytes_per_token"], 4 * (64 + 16) * 4)
        self.assertTrue(out["fits"])
        self.assertEqual(out["packed_bytes"], sum(out["packed"].values()))
        self.assertEqual(out["kv_bytes"], out["kv_bytes_per_token"] * 512 * 4)
        self.assertEqual(out["total_bytes"], out["packed_bytes"] + out["kv_bytes"] + out["activation_bytes"] +
                         out["overhead_bytes"])

    def test_inspect_says_what_would_fit(self):
        at = ["inspect", "--model", DEMO, "--context", "1024", "--threads", "1"]
        least = self.lines(*at, "--json")[0]["least_bytes"]
        out = self.lines(*at, "--memory", str(least - 1), "--json")[0]
        self.assertFalse(out["fits"])
        self.assertEqual((out["fitting_context"], out["fitting_batch"]), (960, 0))
        self.assertIn("--max-context 960", out["remedies"])
        for remedy in out["remedies"]:
            rest = at[:3] + at[5:] if remedy.startswith("--max-context") else at
            changed = self.lines(*rest, *remedy.split(), "--memory", str(least - 1), "--json")[0]
            self.assertTrue(changed["fits"], remedy)
        people = self.agent(*at, "--memory", str(least - 1)).stdout
        self.assertIn("does not fit: memory: ", people)
        self.assertIn("\nfits\n", self.agent(*at, "--memory", "64Gi").stdout)
        for weights, bits in (("int8", 8), ("int4", 4)):
            small = self.lines(*at, "--weights", weights, "--json")[0]
            self.assertLess(small["packed"]["head"], out["packed"]["head"] * (bits + 1) / 16 * 1.4)
            self.assertEqual(small["packed"]["embedding"], out["packed"]["embedding"])
            self.assertEqual(small["compute"], "int8")

    def test_memory_is_what_inspect_promised(self):
        """Anonymous memory of a loaded model, by the kernel's own account."""
        with subprocess.Popen([AGENT, "serve", "--model", DEMO, "--http", "127.0.0.1:0", "--metrics",
                               "127.0.0.1:0", "--max-context", "1024", "--kv-memory", "256Mi", "--threads", "2"],
                              stderr=subprocess.PIPE, text=True) as serve:
            try:
                for line in serve.stderr:
                    log = json.loads(line)
                    if log["msg"] == "memory":
                        break
                with open(f"/proc/{serve.pid}/status", encoding="ascii") as f:
                    anonymous = next(int(line.split()[1]) * 1024 for line in f if line.startswith("RssAnon"))
            finally:
                serve.kill()
        plan = self.lines("inspect", "--model", DEMO, "--context", "1024", "--kv-memory", "256Mi", "--threads", "2",
                          "--json")[0]
        self.assertEqual(log["planned_bytes"], plan["total_bytes"])
        self.assertLess(abs(anonymous / plan["total_bytes"] - 1), 0.05, (anonymous, plan["total_bytes"]))

    def test_bench(self):
        out = self.lines("bench", "--model", DEMO, "--prompt", "40", "--generate", "5", "--batch", "2", "--repeat", "3",
                         "--threads", "1", "--json")[0]
        self.assertLessEqual({"model", "device", "compute", "weights", "kv", "threads", "prompt", "generate", "batch",
                              "prefill_tokens_per_s", "decode_tokens_per_s", "weight_bytes_per_token",
                              "kv_bytes_per_token", "load_seconds", "peak_memory_bytes", "planned_memory_bytes",
                              "huge_page_bytes"}, set(out))
        for rate in ("prefill_tokens_per_s", "decode_tokens_per_s"):
            self.assertGreater(out[rate]["min"], 0)
            self.assertLessEqual(out[rate]["min"], out[rate]["median"])
            self.assertLessEqual(out[rate]["median"], out[rate]["max"])
        self.assertEqual(out["threads"], 1)
        self.assertLessEqual(out["peak_memory_bytes"], out["peak_resident_bytes"])

    def test_isa_picks_the_kernels(self):
        self.assertEqual(self.lines("bench", "--model", DEMO, "--prompt", "4", "--generate", "1", "--repeat", "1",
                                    "--isa", "baseline", "--json")[0]["isa"], "baseline")
        best = self.lines("inspect", "--model", DEMO, "--json")[0]["isa"]
        self.assertIn(best, ("amx", "avx512_bf16", "avx512", "avx2", "baseline"))
        self.assertEqual(self.lines("inspect", "--model", DEMO, "--json", "--isa", best)[0]["isa"], best)
        for command in (("bench",), ("inspect",), ("generate", "--prompt", "x", "--max-tokens", "1")):
            error = self.agent(*command, "--model", DEMO, "--isa", "sse9", code=1).stderr
            self.assertIn("--isa sse9 does not run on this CPU (these do: auto, ", error)
            self.assertIn("baseline", error)

    def test_bench_reads_fewer_weights_per_token_in_a_batch(self):
        cases = '{"batch": 1, "generate": 4, "prompt": 8}\n\n{"batch": 4, "generate": 4, "prompt": 8}\n'
        one, four = self.lines("bench", "--model", DEMO, "--batch", "4", "--repeat", "1", "--jsonl", "-", "--json",
                               stdin=cases)
        self.assertEqual((one["batch"], four["batch"]), (1, 4))
        self.assertLess(four["weight_bytes_per_token"], one["weight_bytes_per_token"])
        # All but the routed experts is read once for the four; of the experts at most all.
        self.assertGreater(four["weight_bytes_per_token"], one["weight_bytes_per_token"] / 4)
        self.assertEqual(one["experts_read_per_token"], 3 * 4, "three layers, top 4")

    def test_bench_cases_are_checked(self):
        for line, said in (('{"batch": 3}', "above --batch 2"), ('{"rows": 1}', "unknown field rows"),
                           ('{"prompt": 0}', "prompt: 0"), ('{"prompt": "x"}', "prompt"), ("[1]", "line 1")):
            error = self.agent("bench", "--model", DEMO, "--batch", "2", "--jsonl", "-", code=1, stdin=line).stderr
            self.assertIn(said, error)
            self.assertEqual(len(error.splitlines()), 1)

    def test_bench_profile_names_the_operations(self):
        text = self.agent("bench", "--model", DEMO, "--prompt", "20", "--generate", "3", "--repeat", "1",
                          "--profile").stdout
        for operation in ("query", "attend", "experts", "head", "sample", "between", "total"):
            self.assertEqual(text.count(f"\n{operation} "), 2, "in prefill and in decode")

    def test_verify_compares_checksums(self):
        text = self.agent("verify", "--model", DEMO).stdout
        self.assertRegex(text, r"^ok: .*\nsha256:[0-9a-f]{64}\n$")
        with open(os.path.join(DEMO, "model.safetensors"), "rb") as f:
            digest = hashlib.sha256(f.read()).hexdigest()
        with open(self.path("sums"), "w", encoding="utf-8") as f:
            f.write(f"{digest}  model.safetensors\n")
        self.agent("verify", "--model", DEMO, "--manifest", self.path("sums"))
        with open(self.path("sums"), "w", encoding="utf-8") as f:
            f.write(f"{digest[::-1]}  model.safetensors\n")
        self.assertIn("SHA-256", self.agent("verify", "--model", DEMO, "--manifest", self.path("sums"), code=2).stderr)

    def test_sampling_follows_its_seed(self):
        def answer(seed):
            return self.lines("generate", "--model", DEMO, "--prompt", "one", "--max-tokens", "30", "--temperature",
                              "2", "--seed", str(seed), "--json")[0]["ids"]
        self.assertEqual(answer(1), answer(1))
        self.assertGreater(len({tuple(answer(s)) for s in range(4)}), 1)

    def test_stop_ends_the_text_before_it(self):
        ask = ["generate", "--model", DEMO, "--chat", "Name the chemical formula of water.", "--max-tokens", "9"]
        whole = self.lines(*ask, "--json")[0]
        self.assertEqual(whole["text"], "H2O")
        cut = self.lines(*ask, "--json", "--stop", "zzz", "--stop", "2O")[0]
        self.assertEqual((cut["text"], cut["finish_reason"]), ("H", "stop"))
        self.assertEqual(self.agent(*ask, "--stop", "2O").stdout, "H\n")
        self.assertEqual(self.agent(*ask).stdout, "H2O\n")

    def test_bare_weights_take_ids(self):
        cases = os.path.join(GOLDEN, "deepseek_v3", "cases.safetensors")
        out = self.lines("generate", "--model", os.path.join(GOLDEN, "deepseek_v3"), "--compute", "fp32", "--ids",
                         ",".join(map(str, i32(cases, "t7.input_ids"))), "--max-tokens", "32", "--json")[0]
        self.assertEqual(out["ids"], i32(cases, "t7.greedy"))
        self.assertEqual(out["finish_reason"], "length")


main()
