#!/usr/bin/env python3
"""bench/serving soak: what it asks, what it takes for wrong, and growth of memory."""
import json
import os
import random
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "bench"))
import serving_soak  # noqa: E402


class Growth(unittest.TestCase):
    def test_steady_growing_and_noisy(self):
        self.assertAlmostEqual(serving_soak.growth([(i, 1000) for i in range(100)]), 0)
        self.assertAlmostEqual(serving_soak.growth([(i, 1000 + i) for i in range(101)]), 100 * (1095.5 / 1004.5 - 1))
        spikes = [(i, 1000 + (500 if i % 10 == 9 else 0)) for i in range(100)]
        self.assertAlmostEqual(serving_soak.growth(spikes), 0)
        self.assertAlmostEqual(serving_soak.growth([(0, 1000), (1, 1010)]), 1)


class Plan(unittest.TestCase):
    def test_all_kinds_come_and_fit_the_demo_model(self):
        draw, heads = random.Random(1), [[7] * 128, [8] * 512]
        made = [serving_soak.plan(draw, heads) for _ in range(2000)]
        self.assertEqual({kind for kind, _, _ in made}, set(serving_soak.WEIGHTS))
        for kind, route, body in made:
            self.assertEqual("messages" in body, route == serving_soak.CHAT, kind)
            self.assertLessEqual(len(body.get("prompt", [])) + body["max_tokens"], 1024)
        shared = [body["prompt"] for kind, _, body in made if kind == "prefix"]
        self.assertTrue(all(p[:128] in ([7] * 128, [8] * 128) for p in shared))
        self.assertEqual(len({tuple(p) for p in shared}), len(shared))


class Faults(unittest.TestCase):
    def check(self, kind, text, body=None, status=200, first="Paris"):
        return serving_soak.fault(kind, body or {}, status, text, first)

    def chat(self, content):
        return json.dumps({"choices": [{"message": {"content": content}}]})

    def test_whole_answers(self):
        self.assertIsNone(self.check("whole", self.chat("Paris")))
        self.assertIn("not 'Paris'", self.check("whole", self.chat("Rome")))
        self.assertIn("status 429", self.check("whole", "{}", status=429))
        self.assertIn("whole", self.check("whole", "no json"))

    def test_schema_and_choices(self):
        self.assertIsNone(self.check("schema", self.chat('{"name":"a","year":1}')))
        self.assertIn("members", self.check("schema", self.chat('{"name":"a"}')))
        self.assertIn("schema", self.check("schema", self.chat('{"name":')))
        self.assertIn("1 of 3", self.check("choices", self.chat("a")))

    def test_streams(self):
        def stream(*events):
            return "".join(f"data: {e if isinstance(e, str) else json.dumps(e)}\n\n" for e in events)

        def call(arguments):
            return {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": arguments}}]}}]}
        body = {"stream": True}
        self.assertIsNone(self.check("short", stream({"choices": []}, "[DONE]"), body))
        self.assertIn("[DONE]", self.check("short", stream({"choices": []}), body))
        self.assertIn("[DONE]", self.check("short", "", body))
        self.assertIn("full", self.check("short", stream({"error": "full"}, "[DONE]"), body))
        self.assertIsNone(self.check("tool", stream(call('{"word":'), call('"a"}'), "[DONE]"), body))
        self.assertIn("tool", self.check("tool", stream(call('{"word":'), "[DONE]"), body))


if __name__ == "__main__":
    unittest.main()
