#!/usr/bin/env python3
"""Random conversations through our templates and encoders, and through jinja2 and DeepSeek's own encoders.

usage: compare_chat.py [--seed N] [--conversations N] [--binary FILE] [NAME...]
needs: pip install jinja2==3.1.6, scripts/fetch-tokenizers --encoders, and the target tokenizer_answers

Conversations take every shape that a request may have, proper or not: any order of roles, content that is missing, null,
a list or a number, tool calls with broken arguments, results out of order. A refusal must meet a refusal.
Exit status 0: no difference."""
import argparse
import copy
import importlib.util
import json
import os
import pathlib
import random
import subprocess
import sys

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

ROOT = pathlib.Path(__file__).resolve().parents[3]
CACHE = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
FOLDER = pathlib.Path(os.environ.get("DEEPSEEK_TOKENIZERS") or os.path.join(CACHE, "deepseek-operator", "tokenizers"))
ENCODERS = {"deepseek-v3.2": ("deepseek_v32", "encoding_dsv32.py"), "deepseek-v4": ("deepseek_v4", "encoding_dsv4.py")}
TAG = "CONTINUE_FINAL_MESSAGE_TAG "


def environment():
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols])

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    env.globals["raise_exception"] = raise_exception
    env.filters["tojson"] = lambda x, ensure_ascii=False, indent=None, separators=None, sort_keys=False: json.dumps(
        x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
    return env


def by_jinja(name):
    config = json.loads((FOLDER / name / "tokenizer_config.json").read_text())
    template = environment().from_string(config["chat_template"])
    tokens = {}
    for key in ("bos_token", "eos_token", "pad_token", "unk_token"):
        if config.get(key) is not None:
            tokens[key] = config[key]["content"] if isinstance(config[key], dict) else config[key]

    def render(variables):
        messages = copy.deepcopy(variables["messages"])
        extra = {k: variables[k] for k in ("thinking", "reasoning_effort") if k in variables}
        if "thinking" in extra:
            extra["enable_thinking"] = extra["thinking"]
        for m in messages:
            if isinstance(m.get("reasoning_content"), str):
                m.setdefault("thinking", m["reasoning_content"])
                m.setdefault("reasoning", m["reasoning_content"])
        final = None
        if variables.get("continue_final_message"):
            final = messages[-1]["content"]
            messages[-1]["content"] += TAG
        text = template.render(messages=messages, tools=variables.get("tools"), documents=None,
                               add_generation_prompt=variables["add_generation_prompt"], **tokens, **extra)
        if final is not None:
            if final.strip() not in text or TAG.strip() not in text:
                raise ValueError("the final message is not shown")
            at = text.rindex(TAG.strip())
            text = text[:at] if text[at:at + len(TAG)] == TAG else text[:at].rstrip()
        return text

    return render


def by_encoder(name):
    path = FOLDER / name / ENCODERS[name][1]
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def render(variables):
        messages = copy.deepcopy(variables["messages"])
        if variables.get("tools"):
            if not messages or messages[0].get("role") != "system":
                messages.insert(0, {"role": "system", "content": ""})
            messages[0]["tools"] = variables["tools"]
        options = {"thinking_mode": "thinking" if variables.get("thinking") else "chat"}
        if name == "deepseek-v4":
            options["reasoning_effort"] = variables.get("reasoning_effort")
        return module.encode_messages(messages, **options)

    return render


class Conversations:
    TEXTS = ["Hello", "", " ", "\n\nx \n", "a\nb", "<think>\nlong\n</think>\n\nanswer", "</think>", "<think>a</think>b</think>c", "\u4f60\u597d",
             "e\u0301 \U0001f600", "<\uff5cUser\uff5c>", "{\"a\": 1}", "</tool_response>", "<tool_response>\nx\n</tool_response>", "it's \"q\" & <b>\\",
             "\t", "```python\n", "\u00a0x\u2003", "None", "0"]
    JSON = [None, True, False, 0, -1, 7, 2.5, 1e20, 1e-7, "text", "", "\u00e9\"\\\n", [], {}, [1, "a", None], {"k": {"n": [1.0, {}]}}]

    def __init__(self, random_, proper):
        self.random, self.proper = random_, proper

    def text(self):
        return "".join(self.random.choice(self.TEXTS) for _ in range(self.random.choice([1, 1, 1, 2, 3])))

    def odd(self, proper):
        """Now and then what a careless client sends instead."""
        if self.proper or self.random.random() < 0.95:
            return proper
        return self.random.choice([None, "", 3, 2.5, True, [], [{"type": "text", "text": "part"}], {"a": "b"}, ["x"]])

    def arguments(self):
        r = self.random
        value = {r.choice(["city", "\u00e9", "a b", "n\"", ""]): r.choice(self.JSON) for _ in range(r.randrange(4))}
        text = json.dumps(value, ensure_ascii=r.random() < 0.5)
        if not self.proper and r.random() < 0.1:
            text = r.choice(["", "{", "[1]", "null", "3", "\"s\"", "{\"a\":1} x"])
        return value if not self.proper and r.random() < 0.3 else text

    def call(self, number):
        function = {"name": self.odd(self.random.choice(["now", "weather", "\u5929\u6c14"])), "arguments": self.arguments()}
        call = {"id": f"call_{number}", "type": "function", "function": function}
        if not self.proper and self.random.random() < 0.05:
            call.pop(self.random.choice(["id", "type", "function"]))
        return call

    def tools(self):
        r = self.random
        return [{"type": "function", "function": {
            "name": r.choice(["now", "weather"]), "description": self.text(),
            "parameters": {"type": "object", "properties": {r.choice(["city", "\u00e9"]): {"type": "string", "enum": self.JSON[:r.randrange(16)]}}}}}
            for _ in range(r.randrange(1, 4))]

    def conversation(self):
        r, messages = self.random, []
        roles = ["system"] * (r.random() < 0.4)
        for _ in range(r.randrange(1, 5)):
            roles += ["user", "assistant"]
        if r.random() < 0.6:
            roles.pop()
        if not self.proper and r.random() < 0.3:
            r.shuffle(roles)
        if not self.proper and r.random() < 0.15:
            roles[r.randrange(len(roles))] = r.choice(["developer", "tool", "latest_reminder", "narrator", "system", "user"])
        for role in roles:
            message = {"role": role, "content": self.odd(self.text())}
            if role == "assistant":
                if r.random() < 0.4:
                    message["reasoning_content"] = self.odd(self.text())
                if r.random() < 0.1:
                    message["prefix"] = True
                if r.random() < 0.35:
                    calls = [self.call(i) for i in range(r.randrange(1, 4))]
                    message["tool_calls"] = self.odd(calls)
                    if r.random() < 0.5:
                        message["content"] = r.choice([None, ""])
                    results = [{"role": "tool", "tool_call_id": c.get("id", "x"), "content": self.odd(self.text())} for c in calls]
                    if r.random() < 0.3:
                        r.shuffle(results)
                    if not self.proper and r.random() < 0.2:
                        results = results[:r.randrange(len(results) + 1)]
                    messages.append(message)
                    messages += results
                    if r.random() < 0.5:
                        messages.append({"role": "assistant", "content": self.text()})
                    continue
            if not self.proper and r.random() < 0.03:
                message.pop(r.choice(list(message)))
            if not self.proper and r.random() < 0.03:
                message["task"] = r.choice(["title", "action", "nonsense", None])
            if not self.proper and r.random() < 0.03:
                message["response_format"] = {"type": "object", "properties": {"x": {"type": "string"}}}
            messages.append(message)
        variables = {"messages": messages, "add_generation_prompt": r.random() < 0.8}
        if r.random() < 0.4:
            variables["tools"] = self.tools()
        if r.random() < 0.6:
            variables["thinking"] = r.random() < 0.5
        if r.random() < 0.2:
            variables["reasoning_effort"] = r.choice(["high", "max"] if self.proper else ["high", "max", "low"])
        return variables


def compare(name, options):
    r = random.Random(f"{name} {options.seed}")
    rows = [Conversations(r, proper=i % 2 == 0).conversation() for i in range(options.conversations)]
    if name in ENCODERS:
        render, source = by_encoder(name), ENCODERS[name][0]
    else:
        render, source = by_jinja(name), FOLDER / name / "tokenizer_config.json"
        for row in rows:
            last = row["messages"][-1] if row["messages"] else {}
            if r.random() < 0.1 and isinstance(last.get("content"), str):
                row["continue_final_message"], row["add_generation_prompt"] = True, False
    run = subprocess.run([options.binary, "--chat", source], input="\n".join(json.dumps(row) for row in rows) + "\n",
                         capture_output=True, text=True, encoding="utf-8", check=True)
    wrong = refused = 0
    for row, answer in zip(rows, (json.loads(line) for line in run.stdout.split("\n") if line), strict=True):
        try:
            expected = render(row)
        except Exception as error:  # noqa: BLE001 - whatever the template or encoder raises is its refusal
            expected, reason = None, f"{type(error).__name__}: {error}"
            refused += 1
        if answer.get("text") != expected:
            wrong += 1
            if wrong <= 5:
                print(f"{name}: {json.dumps(row, ensure_ascii=False)}\n  ours    {answer}\n"
                      f"  theirs  {expected!r}{'' if expected is not None else ' ' + reason}")
    print(f"{name}: {len(rows)} conversations, {refused} refused: {wrong} differences", flush=True)
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--conversations", type=int, default=2000)
    parser.add_argument("--binary", default=str(ROOT / "build/release/bin/tokenizer_answers"))
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    names = options.names or sorted(
        p.parent.name for p in FOLDER.glob("*/tokenizer_config.json")
        if p.parent.name in ENCODERS or "chat_template" in json.loads(p.read_text()))
    if not names:
        sys.exit(f"error: compare_chat.py: no tokenizers in {FOLDER} (scripts/fetch-tokenizers gets them)")
    sys.exit(1 if sum(compare(name, options) for name in names) else 0)


if __name__ == "__main__":
    main()
