"""`deepseek-agent serve` with the demo model, over HTTP: tools, JSON schemas and the rest of what OpenAI's clients
ask for. The demo model was trained on calls of get_weather."""
import json
import random
import subprocess

from agent_case import AGENT, DEMO, AgentCase, main
from serve_case import Server

WEATHER = {"type": "function", "function": {
    "name": "get_weather", "description": "Get the weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}
ASK = [{"role": "user", "content": "What is the weather in Paris?"}]


class ServeApi(AgentCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(AGENT, DEMO, "--compute", "fp32")

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def post(self, path, body, status=200):
        got, text, _ = self.server.call("POST", path, body)
        self.assertEqual(got, status, text)
        return json.loads(text)

    def chat(self, status=200, **fields):
        return self.post("/v1/chat/completions", {"temperature": 0, "max_tokens": 128, "messages": ASK, **fields}, status)

    def stream(self, **fields):
        got, text, _ = self.server.call("POST", "/v1/chat/completions",
                                     {"temperature": 0, "max_tokens": 128, "messages": ASK, "stream": True, **fields})
        self.assertEqual(got, 200, text)
        events = [line[6:] for line in text.split("\n") if line.startswith("data: ")]
        self.assertEqual(events[-1], "[DONE]")
        return [json.loads(e) for e in events[:-1]]

    def test_a_tool_is_called_and_its_result_used(self):
        answer = self.chat(tools=[WEATHER])["choices"][0]
        self.assertEqual(answer["finish_reason"], "tool_calls")
        self.assertIsNone(answer["message"]["content"])
        (call,) = answer["message"]["tool_calls"]
        self.assertEqual(call["type"], "function")
        self.assertTrue(call["id"].startswith("call_"))
        self.assertEqual(call["function"]["name"], "get_weather")
        self.assertEqual(json.loads(call["function"]["arguments"]), {"city": "Paris"})
        after = self.chat(tools=[WEATHER], messages=ASK + [
            answer["message"], {"role": "tool", "tool_call_id": call["id"], "content": '{"temperature": 21, "sky": "sunny"}'}])
        self.assertEqual(after["choices"][0]["finish_reason"], "stop")
        self.assertTrue(after["choices"][0]["message"]["content"])

    def test_streamed_calls_are_the_same(self):
        whole = self.chat(tools=[WEATHER])["choices"][0]["message"]["tool_calls"][0]["function"]
        chunks = self.stream(tools=[WEATHER])
        name, arguments, pieces = "", "", 0
        for chunk in chunks:
            for call in chunk["choices"][0]["delta"].get("tool_calls", []):
                self.assertEqual(call["index"], 0)
                self.assertEqual("id" in call, "name" in call["function"])
                name += call["function"].get("name", "")
                arguments += call["function"].get("arguments", "")
                pieces += 1
        self.assertEqual({"name": name, "arguments": arguments}, whole)
        self.assertGreater(pieces, 2, "arguments come piece by piece")
        self.assertEqual(chunks[-1]["choices"][0]["finish_reason"], "tool_calls")

    def test_the_choice_of_tools(self):
        self.assertNotIn("tool_calls", self.chat(tools=[WEATHER], tool_choice="none")["choices"][0]["message"])
        hello = [{"role": "user", "content": "What is 2 + 3?"}]
        for choice in ("required", {"type": "function", "function": {"name": "get_weather"}}):
            answer = self.chat(tools=[WEATHER], tool_choice=choice, messages=hello)["choices"][0]
            self.assertEqual(answer["finish_reason"], "tool_calls", answer)
            for call in answer["message"]["tool_calls"]:
                self.assertEqual(list(json.loads(call["function"]["arguments"])), ["city"])
        self.assertEqual(self.chat(status=400, tools=[WEATHER], tool_choice={"type": "function", "function": {"name": "x"}})
                         ["error"]["param"], "tool_choice")

    def test_json_object_and_schema(self):
        answer = self.chat(response_format={"type": "json_object"})["choices"][0]
        self.assertEqual(answer["finish_reason"], "stop")
        self.assertIsInstance(json.loads(answer["message"]["content"]), dict)
        schema = {"type": "object", "properties": {
            "city": {"enum": ["Paris", "Rome"]}, "days": {"type": "integer", "minimum": 1, "maximum": 7},
            "tags": {"type": "array", "items": {"type": "string", "maxLength": 8}, "minItems": 1, "maxItems": 3}},
            "required": ["city", "days", "tags"], "additionalProperties": False}
        random.seed(1)
        for seed in range(10):
            answer = self.chat(response_format={"type": "json_schema", "json_schema": {"name": "s", "schema": schema, "strict": True}},
                               temperature=1.5, seed=seed)["choices"][0]
            self.assertEqual(answer["finish_reason"], "stop", answer)
            value = json.loads(answer["message"]["content"])
            self.assertIn(value["city"], ["Paris", "Rome"])
            self.assertTrue(1 <= value["days"] <= 7)
            self.assertTrue(1 <= len(value["tags"]) <= 3 and all(len(t) <= 8 for t in value["tags"]))
        text = "".join(c["choices"][0]["delta"].get("content", "") for c in self.stream(
            response_format={"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}))
        self.assertIn(json.loads(text)["city"], ["Paris", "Rome"])

    def test_the_grammar_begins_behind_the_reasoning(self):
        answer = self.chat(messages=[{"role": "user", "content": "What is 12 + 30?"}], thinking=True, response_format={
            "type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "integer"}}})["choices"][0]
        self.assertEqual(answer["finish_reason"], "stop")
        self.assertTrue(answer["message"]["reasoning_content"])
        self.assertIsInstance(json.loads(answer["message"]["content"]), int)

    def test_an_unsupported_keyword_is_named(self):
        error = self.chat(status=400, response_format={"type": "json_schema", "json_schema": {
            "name": "s", "schema": {"type": "object", "properties": {"a": {"type": "integer", "multipleOf": 2}}}}})["error"]
        self.assertEqual(error["param"], "response_format")
        self.assertEqual(error["code"], "unsupported_schema")
        self.assertIn("'multipleOf'", error["message"])

    def test_an_answer_is_ended_within_its_budget(self):
        # A model left to itself would go on in the first string for ever.
        answer = self.chat(max_tokens=40, temperature=2, seed=3, response_format={"type": "json_schema", "json_schema": {
            "name": "s", "schema": {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
                                    "required": ["a", "b"]}}})["choices"][0]
        self.assertEqual(answer["finish_reason"], "stop")
        self.assertEqual(sorted(json.loads(answer["message"]["content"])), ["a", "b"])

    def test_the_last_message_is_continued(self):
        messages = [{"role": "user", "content": "What is the capital of France?"}, {"role": "assistant", "content": "Paris"}]
        answer = self.chat(messages=messages, continue_final_message=True)["choices"][0]
        self.assertEqual((answer["message"]["content"], answer["finish_reason"]), ("", "stop"), "there is nothing to add")

    def test_echo(self):
        answer = self.post("/v1/completions", {"prompt": "Hello", "echo": True, "max_tokens": 3, "temperature": 0})
        self.assertTrue(answer["choices"][0]["text"].startswith("Hello"))

    def score(self, prompt, **fields):
        return self.post("/v1/completions", {"prompt": prompt, "echo": True, "logprobs": 1, "max_tokens": 1, "seed": 1234,
                                             "temperature": 0, **fields})["choices"]

    def test_prompts_are_scored_as_lm_eval_does(self):
        """Token ids of context and continuation; the scores of the latter are cut out of the arrays by number."""
        def ids(text):
            return self.post("/tokenize", {"text": text})["tokens"]
        context = ids("What is the capital of France?")
        whole = [context + ids(" Paris")[1:], context + ids(" Berlin is")[1:]]
        for max_tokens in (0, 1):
            sums = []
            for choice, prompt in zip(self.score(whole, max_tokens=max_tokens), whole):
                logs = choice["logprobs"]
                self.assertEqual(len(logs["tokens"]), len(prompt) + max_tokens)
                for name in ("token_logprobs", "top_logprobs", "text_offset"):
                    self.assertEqual(len(logs[name]), len(logs["tokens"]))
                self.assertIsNone(logs["token_logprobs"][0])
                self.assertIsNone(logs["top_logprobs"][0])
                for logprob, top in zip(logs["token_logprobs"][1:], logs["top_logprobs"][1:]):
                    self.assertLessEqual(logprob, max(top.values()))
                    self.assertLessEqual(max(top.values()), 0)
                sums.append(logs["token_logprobs"][len(context):len(prompt)])
            if max_tokens:
                self.assertEqual(sums, before, "of the prompt alone, whatever follows")
            before = sums

    def test_a_scored_prompt_is_what_the_model_said_of_its_own_answer(self):
        said = self.post("/v1/completions", {"prompt": "Hello", "max_tokens": 12, "temperature": 0, "logprobs": 1,
                                             "ignore_eos": True})["choices"][0]["logprobs"]
        prompt = self.post("/tokenize", {"text": "Hello"})["tokens"]
        (scored,) = self.score([prompt], max_tokens=12, ignore_eos=True)
        self.assertEqual(scored["logprobs"]["token_logprobs"][len(prompt):], said["token_logprobs"])
        self.assertEqual(scored["logprobs"]["tokens"][len(prompt):], said["tokens"])
        streamed = {}
        got, text, _ = self.server.call("POST", "/v1/completions", {
            "prompt": [prompt], "echo": True, "logprobs": 1, "max_tokens": 12, "temperature": 0, "ignore_eos": True,
            "stream": True})
        self.assertEqual(got, 200)
        for line in text.split("\n"):
            if line.startswith("data: {"):
                for name, values in (json.loads(line[6:])["choices"][0]["logprobs"] or {}).items():
                    streamed.setdefault(name, []).extend(values)
        self.assertEqual(streamed, scored["logprobs"])

    def test_a_long_prompt_is_scored_in_chunks_and_again_alike(self):
        text = "The capital of France is Paris. " * 60
        first, second = self.score(text, max_tokens=0), self.score(text, max_tokens=0)
        self.assertEqual(first, second)
        self.assertEqual(first[0]["text"], text)
        logs = first[0]["logprobs"]
        self.assertEqual("".join(logs["tokens"][1:]), text)
        self.assertEqual([text[b:e] for b, e in zip(logs["text_offset"][1:], logs["text_offset"][2:])], logs["tokens"][1:-1])

    def test_one_question_on_the_command_line(self):
        done = self.agent("chat", "--url", f"http://127.0.0.1:{self.server.port}", "I forgot the capital of Portugal. What is it?")
        self.assertEqual(done.stdout, "Lisbon\n")
        failed = subprocess.run([AGENT, "chat", "--url", "http://127.0.0.1:1", "Anybody?"], capture_output=True, text=True, check=False)
        self.assertEqual(failed.returncode, 1)
        self.assertRegex(failed.stderr, "^error: chat: http://127.0.0.1:1: ")

    def test_endpoints_that_are_not_served_are_named(self):
        for path in ("/v1/responses", "/v1/messages", "/v1/embeddings"):
            error = self.post(path, {}, status=404)["error"]
            self.assertEqual(error["code"], "unsupported_endpoint")
            self.assertIn(path, error["message"])


main()
