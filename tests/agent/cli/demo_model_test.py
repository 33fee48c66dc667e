#!/usr/bin/env python3
"""The demo model: its card's score and its exact greedy ids: demo_model_test.py AGENT ROOT"""
import json
import os

from agent_case import DEMO, AgentCase, i32, main, write_i32

with open(os.path.join(DEMO, "eval", "results.json"), encoding="utf-8") as card_file:
    CARD = json.load(card_file)["fp8"]
with open(os.path.join(DEMO, "eval", "greedy_ids.json"), encoding="utf-8") as greedy_file:
    GREEDY = json.load(greedy_file)["prompts"]
EOS = 1


class DemoModel(AgentCase):
    def test_eval_equals_the_card(self):
        prompts = os.path.join(DEMO, "eval", "prompts.jsonl")
        for compute in ("fp32", "bf16"):
            done = self.agent("eval", "--model", DEMO, "--prompts", prompts, "--json", "--compute", compute)
            self.assertEqual(done.stdout.count("\n"), 1)
            result = json.loads(done.stdout)
            self.assertEqual(result["n"], 490)
            self.assertAlmostEqual(result["overall"], CARD["overall"], delta=0.01)
            self.assertEqual(set(result["skills"]), set(CARD["per_skill"]))
            if compute == "fp32":
                for skill, share in CARD["per_skill"].items():
                    self.assertAlmostEqual(result["skills"][skill], share, delta=0.034, msg=skill)

    def test_a_limit_takes_the_first_prompts(self):
        done = self.agent("eval", "--model", DEMO, "--prompts", os.path.join(DEMO, "eval", "prompts.jsonl"),
                          "--json", "--limit", "20")
        self.assertEqual(json.loads(done.stdout)["n"], 20)

    def test_greedy_ids_of_all_listed_prompts(self):
        write_i32(self.path("in"), {f"{p['id']}.input_ids": p["input_ids"] for p in GREEDY})
        longest = max(len(p["output_ids"]) for p in GREEDY)
        self.agent("logits", "--model", DEMO, "--input", self.path("in"), "--output", self.path("out"), "--compute",
                   "fp32", "--greedy", str(longest))
        for p in GREEDY:
            got = i32(self.path("out"), f"{p['id']}.greedy")
            self.assertEqual(got[:len(p["output_ids"])], p["output_ids"], p["id"])

    def test_generate_ends_where_the_model_does(self):
        for p in GREEDY[::16]:
            done = self.agent("generate", "--model", DEMO, "--ids", ",".join(map(str, p["input_ids"])), "--max-tokens",
                              "64", "--json", "--compute", "fp32")
            out = json.loads(done.stdout)
            self.assertEqual(out["prompt_ids"], p["input_ids"])
            self.assertEqual(out["ids"], p["output_ids"])
            self.assertEqual(out["text"], p["text"])
            self.assertEqual(out["finish_reason"], "stop" if p["output_ids"][-1] == EOS else "length")

    def test_the_chat_template_makes_the_listed_prompt(self):
        out = json.loads(self.agent("generate", "--model", DEMO, "--chat", "What is 34 - 29?", "--max-tokens", "8",
                                    "--json", "--compute", "fp32").stdout)
        listed = next(p for p in GREEDY if p["id"] == "eval-004")
        self.assertEqual(out["prompt_ids"], listed["input_ids"])
        self.assertEqual(out["ids"], listed["output_ids"])


main()
