#!/usr/bin/env python3
"""Broken models and wrong use: one line on stderr and the exit code of the contract: bad_input_test.py AGENT ROOT"""
import json
import os
import struct
import subprocess

from agent_case import AGENT, DEMO, GOLDEN, AgentCase, main, read, write

SHARDED = os.path.join(GOLDEN, "deepseek_v3_sharded")
FP8 = os.path.join(GOLDEN, "deepseek_v3_fp8")


def edit_json(path, **changes):
    with open(path, encoding="utf-8") as f:
        value = json.load(f)
    value.update(changes)
    with open(path, "w", encoding="utf-8") as f:
        json.dump({k: v for k, v in value.items() if v is not None}, f)


def edit_tensor(path, name, change):
    header, body = read(path)
    change(header[name], body)
    write(path, header, body)


class BadModel(AgentCase):
    def refused(self, model, mentions, code=2):
        """Every command that reads weights says the same."""
        with open(self.path("cases"), "wb") as f, open(os.path.join(GOLDEN, "deepseek_v3", "cases.safetensors"),
                                                       "rb") as g:
            f.write(g.read())
        done = self.agent("logits", "--model", model, "--input", self.path("cases"), "--output", self.path("out"),
                          code=code)
        for word in mentions:
            self.assertIn(word, done.stderr)
        self.assertFalse(os.path.exists(self.path("out")), "no half-written output")
        self.agent("verify", "--model", model, code=code)

    def test_no_such_folder(self):
        self.refused(self.path("nowhere"), ["nowhere", "config.json"])

    def test_missing_shard(self):
        model = self.copy(SHARDED)
        os.remove(f"{model}/model-00002-of-00003.safetensors")
        self.refused(model, ["model-00002-of-00003.safetensors"])

    def test_truncated_file(self):
        model = self.copy(FP8)
        for size in (0, 4, 100, os.path.getsize(f"{model}/model.safetensors") - 1):
            with open(f"{model}/model.safetensors", "r+b") as f:
                f.truncate(size)
            self.refused(model, ["model.safetensors"])
            model = self.copy(FP8, f"model{size}")

    def test_lying_header_length(self):
        for length in (2**63, 2**64 - 1, 10**9, 0):
            model = self.copy(FP8, f"model{length}")
            with open(f"{model}/model.safetensors", "r+b") as f:
                f.write(struct.pack("<Q", length))
            self.refused(model, ["model.safetensors"])

    def test_lying_offsets(self):
        model = self.copy(FP8)
        edit_tensor(f"{model}/model.safetensors", "lm_head.weight",
                    lambda t, body: t["data_offsets"].__setitem__(1, len(body) + 1000))
        self.refused(model, ["lm_head.weight"])

    def test_wrong_shape(self):
        model = self.copy(FP8)
        edit_tensor(f"{model}/model.safetensors", "lm_head.weight", lambda t, body: t["shape"].reverse())
        self.refused(model, ["lm_head.weight", "[128, 512]", "[512, 128]"])

    def test_nan_scale(self):
        model = self.copy(FP8)
        name = "model.layers.1.self_attn.o_proj.weight_scale_inv"

        def poison(tensor, body):
            begin = tensor["data_offsets"][0]
            body[begin:begin + 4] = struct.pack("<f", float("nan"))

        edit_tensor(f"{model}/model.safetensors", name, poison)
        self.refused(model, [name])

    def test_nan_weight(self):
        model = self.copy(os.path.join(GOLDEN, "deepseek_v3"))

        def poison(tensor, body):
            begin = tensor["data_offsets"][0]
            body[begin:begin + 2] = b"\xc0\x7f"

        edit_tensor(f"{model}/model.safetensors", "model.layers.1.self_attn.o_proj.weight", poison)
        self.refused(model, ["o_proj"])

    def test_unknown_family(self):
        model = self.copy(FP8)
        edit_json(f"{model}/config.json", model_type="mamba", architectures=["MambaForCausalLM"])
        self.refused(model, ["mamba", "deepseek_v3"])

    def test_broken_config(self):
        for field, value in (("hidden_size", -1), ("hidden_size", "big"), ("num_hidden_layers", 10**12),
                             ("num_experts_per_tok", 99), ("vocab_size", None)):
            model = self.copy(FP8, f"model-{field}-{value}")
            edit_json(f"{model}/config.json", **{field: value})
            self.refused(model, [field])

    def test_config_that_is_no_json(self):
        model = self.copy(FP8)
        with open(f"{model}/config.json", "w", encoding="utf-8") as f:
            f.write("{" * 10000)
        self.refused(model, ["config.json"])


class BadTokenizer(AgentCase):
    def refused(self, model, *mentions):
        for command in (["generate", "--chat", "hi", "--max-tokens", "4"],):
            done = self.agent(*command, "--model", model, code=2)
            for word in mentions:
                self.assertIn(word, done.stderr)
        self.agent("verify", "--model", model, code=2)

    def test_missing(self):
        model = self.copy(DEMO)
        os.remove(f"{model}/tokenizer.json")
        done = self.agent("generate", "--model", model, "--chat", "hi", "--max-tokens", "4", code=2)
        self.assertIn("tokenizer.json", done.stderr)

    def test_ids_above_the_vocabulary(self):
        model = self.copy(DEMO)
        with open(f"{model}/tokenizer.json", encoding="utf-8") as f:
            tokenizer = json.load(f)
        tokenizer["added_tokens"].append(dict(tokenizer["added_tokens"][-1], id=2048, content="<|new|>"))
        with open(f"{model}/tokenizer.json", "w", encoding="utf-8") as f:
            json.dump(tokenizer, f)
        self.refused(model, "2048", "does not match")

    def test_another_end_of_sequence(self):
        model = self.copy(DEMO)
        edit_json(f"{model}/tokenizer_config.json", eos_token="<｜User｜>")
        self.refused(model, "eos_token", "does not match")

    def test_another_beginning_of_sequence(self):
        model = self.copy(DEMO)
        edit_json(f"{model}/tokenizer_config.json", bos_token="<｜User｜>")
        self.refused(model, "bos_token", "does not match")

    def test_a_token_that_is_not_there(self):
        model = self.copy(DEMO)
        edit_json(f"{model}/tokenizer_config.json", eos_token="</s>")
        self.refused(model, "eos_token", "</s>")

    def test_broken_files(self):
        for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
            model = self.copy(DEMO, name)
            with open(f"{model}/{name}", "w", encoding="utf-8") as f:
                f.write('{"model": ')
            self.refused(model, name)


class WrongUse(AgentCase):
    def test_each_is_refused_with_exit_code_1(self):
        prompts = os.path.join(DEMO, "eval", "prompts.jsonl")
        generate = ["generate", "--model", DEMO, "--max-tokens", "4"]
        for args, mention in (
            ([], "subcommand"),
            (["bogus"], "bogus"),
            (["logits"], "--model"),
            ([*generate, "--chat", "x", "--frob"], "--frob"),
            (["--frob"], "--frob"),
            (generate, "--prompt"),
            ([*generate, "--chat", "x", "--ids", "1"], "one of"),
            ([*generate, "--ids", "1,2,2048"], "prompt[2]"),
            ([*generate, "--ids", "1,x"], "--ids"),
            ([*generate, "--chat", "x", "--temperature", "-1"], "temperature"),
            ([*generate, "--chat", "x", "--temperature", "nan"], "temperature"),
            ([*generate, "--chat", "x", "--top-p", "-0.1"], "top_p"),
            ([*generate, "--chat", "x", "--stop", ""], "--stop"),
            (["generate", "--model", DEMO, "--chat", "x", "--max-tokens", "-3"], "--max-tokens: '-3'"),
            ([*generate, "--chat", "x", "--seed", "9" * 30], "from 0 to 18446744073709551615"),
            ([*generate, "--chat", "x", "--top-k", "3000000000"], "from 0 to 2147483647"),
            ([*generate, "--ids", ""], "--ids: ''"),
            (["detokenize", "--model", DEMO, "--ids", ""], "--ids: ''"),
            (["detokenize", "--model", DEMO, "--ids", "1,99999999999"], "--ids: '99999999999'"),
            (["tokenize", "--tokenizer", self.path("none"), "--text", "x"], "error: --tokenizer: "),
            (["tokenize", "--tokenizer", prompts, "--text", "x"], "error: --tokenizer: "),
            (["tokenize", "--model", DEMO, "--jsonl", self.tmp], "--jsonl: "),
            (["render-chat", "--template", self.path("none"), "--jsonl", prompts], "error: --template: "),
            (["serve", "--config", self.path("none")], "error: --config: "),
            (["serve", "--model", DEMO, "--gpu-metrics", "yes"], "--gpu-metrics \"yes\" is not known"),

            (["generate", "--model", DEMO, "--chat", "x", "--max-tokens", "5000"], "max_tokens"),
            ([*generate, "--chat", "x", "--weights", "int2"], "--weights \"int2\" is not known"),
            ([*generate, "--chat", "x", "--compute", "int8"], "--compute int8"),
            ([*generate, "--chat", "x", "--kv", "int4"], "--kv \"int4\" is not known"),
            ([*generate, "--chat", "x", "--compute", "fp7"], "fp7"),
            ([*generate, "--chat", "x", "--threads", "-1"], "--threads"),
            ([*generate, "--chat", "x", "--max-context", "5000"], "--max-context"),
            (["generate", "--model", "builtin:../x", "--chat", "x", "--max-tokens", "4"], "builtin:../x"),
            (["logits", "--model", SHARDED, "--input", f"{SHARDED}/cases.safetensors", "--output", self.path("o"),
              "--mtp"], "--mtp"),
            (["logits", "--model", SHARDED, "--input", self.path("none"), "--output", self.path("o")], "none"),
            (["logits", "--model", SHARDED, "--input", prompts, "--output", self.path("o")], "prompts.jsonl"),
            (["logits", "--model", SHARDED, "--input", f"{SHARDED}/model-00001-of-00003.safetensors", "--output",
              self.path("o")], "input_ids"),
            (["logits", "--model", SHARDED, "--input", f"{SHARDED}/cases.safetensors", "--output", "/no/such/o"],
             "--output"),
            (["logits", "--model", SHARDED, "--input", f"{SHARDED}/cases.safetensors", "--output", self.path("o"),
              "--chunk", "-1"], "--chunk"),
            (["eval", "--model", DEMO, "--prompts", self.path("none")], "--prompts"),
            (["bench", "--model", DEMO, "--repeat", "0"], "--repeat"),
            (["tokenize", "--model", DEMO], "--text"),
            (["tokenize", "--text", "x"], "--model"),
        ):
            with self.subTest(args=args):
                self.assertIn(mention, self.agent(*args, code=1).stderr)

    def test_a_device_without_a_backend_is_exit_code_4(self):
        done = self.agent("generate", "--model", DEMO, "--chat", "x", "--max-tokens", "4", "--device", "cuda", code=4)
        self.assertIn("--device cuda is not served", done.stderr)

    def test_a_broken_prompt_file_names_its_line(self):
        for line, mention in (("{", "line 2"), ('{"skill": "a"}', "expected"), ("[]", "object"),
                              ('{"skill":"a","expected":"b","match":"fuzzy","messages":[]}', "fuzzy"),
                              ('{"skill":"a","expected":"b","match":"exact"}', "messages")):
            good = '{"skill":"a","expected":"b","match":"exact","messages":[{"role":"user","content":"x"}]}'
            with open(self.path("p.jsonl"), "w", encoding="utf-8") as f:
                f.write(good + "\n" + line + "\n")
            done = self.agent("eval", "--model", DEMO, "--prompts", self.path("p.jsonl"), code=1)
            self.assertIn(mention, done.stderr)
            self.assertIn("line 2", done.stderr)

    def test_what_cannot_be_printed_is_an_error(self):
        for args in (["tokenize", "--model", DEMO, "--text", "x"], ["inspect", "--model", DEMO], ["--version"],
                     ["generate", "--model", DEMO, "--chat", "x", "--max-tokens", "2"], ["serve", "--help"]):
            with open("/dev/full", "w", encoding="utf-8") as full, self.subTest(args=args):
                done = subprocess.run([AGENT, *args], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
                self.assertEqual(done.returncode, 1)
                self.assertRegex(done.stderr, r"\Aerror: standard output: [^\n]+\n\Z")

    def test_too_little_memory_is_exit_code_3(self):
        done = self.agent("generate", "--model", DEMO, "--chat", "x", "--max-tokens", "4", "--kv-memory", "1000", code=3)
        self.assertIn("1000", done.stderr)


main()
