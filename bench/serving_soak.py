"""bench/serving soak: everything that clients do, for a long time; does memory grow, does any answer go wrong?"""
import http.client
import json
import random
import statistics
import sys
import threading
import time

import servers
import streams

COMPLETIONS, CHAT = "/v1/completions", "/v1/chat/completions"
QUESTION = "What is the capital of France?"
SCHEMA = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 12}, "year": {"type": "integer"}},
          "required": ["name", "year"]}
TOOL = {"type": "function", "function": {"name": "find", "parameters": {
    "type": "object", "properties": {"word": {"type": "string", "maxLength": 8}}, "required": ["word"]}}}
WEIGHTS = {"short": 4, "long": 2, "prefix": 3, "whole": 4, "choices": 1, "tool": 2, "schema": 2, "cancel": 3, "unread": 1}


def ids(draw, count):
    return [draw.randrange(5, 500) for _ in range(count)]


def plan(draw, heads):
    """(kind, route, body) of the next request; `heads` are beginnings that prompts share."""
    kind = draw.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    asked = {"temperature": draw.choice([0, 0.8]), "seed": draw.randrange(1 << 30), "max_tokens": draw.randrange(4, 64)}
    if kind in ("tool", "schema", "whole"):
        asked["messages"] = [{"role": "user", "content": QUESTION}]
        if kind == "tool":
            asked.update(tools=[TOOL], tool_choice="required", max_tokens=96, stream=draw.random() < 0.5)
        elif kind == "schema":
            asked.update(response_format={"type": "json_schema", "json_schema": {"name": "s", "schema": SCHEMA}}, max_tokens=96)
        else:
            asked.update(temperature=0, max_tokens=16)
        return kind, CHAT, asked
    length = {"long": draw.randrange(400, 800), "prefix": 24}.get(kind, draw.randrange(4, 120))
    asked.update(prompt=(draw.choice(heads) if kind == "prefix" else []) + ids(draw, length), ignore_eos=True, stream=True)
    if kind == "choices":
        asked.update(stream=False, n=3, logprobs=2)
    if kind in ("cancel", "unread"):
        asked.update(max_tokens=200)
    return kind, COMPLETIONS, asked


def fault(kind, body, status, text, first):
    """What is wrong with a whole answer, or None. `first`: the answer that all of kind `whole` must repeat."""
    if status != 200:
        return f"{kind}: status {status}: {text[:200]}"
    try:
        if body.get("stream"):
            events = [line[6:] for line in text.split("\n") if line.startswith("data: ")]
            parsed = [json.loads(e) for e in events if e != "[DONE]"]
            wrong = [e for e in parsed if "error" in e]
            if wrong or not events or events[-1] != "[DONE]":
                return f"{kind}: {'error in the stream: ' + str(wrong[0]) if wrong else 'ended without [DONE]'}"
            if kind == "tool":
                pieces = [call["function"].get("arguments", "") for e in parsed for choice in e["choices"]
                          for call in choice["delta"].get("tool_calls") or [] if call["index"] == 0]
                json.loads("".join(pieces))
            return None
        choices = json.loads(text)["choices"]
        if kind == "tool":
            json.loads(choices[0]["message"]["tool_calls"][0]["function"]["arguments"])
        elif kind == "schema":
            answer = json.loads(choices[0]["message"]["content"])
            if set(answer) != {"name", "year"}:
                return f"{kind}: members {sorted(answer)}"
        elif kind == "choices" and len(choices) != 3:
            return f"{kind}: {len(choices)} of 3 choices"
        elif kind == "whole" and choices[0]["message"]["content"] != first:
            return f"{kind}: {choices[0]['message']['content']!r}, not {first!r}"
    except (ValueError, KeyError, IndexError, TypeError) as error:
        return f"{kind}: {error!r}: {text[:300]}"
    return None


def growth(samples, part=0.1):
    """Percent that memory grew: the median of the last part of (seconds, kB) over that of the first."""
    size = max(1, int(len(samples) * part))
    before = statistics.median(kb for _, kb in samples[:size])
    return 100 * (statistics.median(kb for _, kb in samples[-size:]) / before - 1)


class Clients:
    """Threads that ask one thing after the other, each on a connection that it keeps while that can be."""

    def __init__(self, port, count, seed):
        self.port, self.over, self.lock = port, threading.Event(), threading.Lock()
        self.counts, self.errors = dict.fromkeys(WEIGHTS, 0), []
        common = random.Random(seed)
        self.heads = [ids(common, count) for count in (128, 256, 512)]
        self.first = None
        self.threads = [threading.Thread(target=self._loop, args=(seed + 1 + i,), daemon=True) for i in range(count)]

    def start(self):
        connection = self._connect()
        _, text = self._ask(connection, CHAT, {"messages": [{"role": "user", "content": QUESTION}], "temperature": 0,
                                               "max_tokens": 16})
        self.first = json.loads(text)["choices"][0]["message"]["content"]
        connection.close()
        for thread in self.threads:
            thread.start()

    def _connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)

    @staticmethod
    def _ask(connection, route, body):
        connection.request("POST", route, json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace")

    def _loop(self, seed):
        draw, connection = random.Random(seed), self._connect()
        while not self.over.is_set():
            kind, route, body = plan(draw, self.heads)
            try:
                if kind in ("cancel", "unread"):
                    wrong = self._leave(draw, kind, route, body)
                else:
                    wrong = fault(kind, body, *self._ask(connection, route, body), self.first)
            except (OSError, http.client.HTTPException) as error:
                wrong = f"{kind}: {error!r}"
                connection.close()
                connection = self._connect()
            with self.lock:
                self.counts[kind] += 1
                if wrong:
                    self.errors.append(wrong)
        connection.close()

    def _leave(self, draw, kind, route, body):
        """Closes before the answer is whole: behind a few events, or before anything came."""
        connection = self._connect()
        connection.request("POST", route, json.dumps(body), {"Content-Type": "application/json"})
        try:
            if kind == "unread":
                time.sleep(draw.random() * 0.05)
                return None
            response = connection.getresponse()
            if response.status != 200:
                return f"{kind}: status {response.status}"
            for _ in range(draw.randrange(1, 20)):
                response.readline()
            return None
        finally:
            connection.close()

    def end(self):
        self.over.set()
        for thread in self.threads:
            thread.join(180)
        stuck = sum(1 for thread in self.threads if thread.is_alive())
        if stuck:
            self.errors.append(f"{stuck} requests never ended")


def run(args):
    warm = args.warmup if args.warmup is not None else max(30.0, 6 * args.minutes)
    if warm >= 60 * args.minutes:
        sys.exit("error: bench/serving: --minutes must be longer than the warm-up")
    with servers.Agent(args.agent, args.model, args.weights, args.flag) as server:
        clients, samples, early = Clients(server.port, args.clients, args.seed), [], None
        clients.start()
        begin = time.monotonic()
        while (now := time.monotonic() - begin) < 60 * args.minutes and server.alive():
            if now >= warm:
                samples.append((round(now, 1), server.rss_kb()))
                early = early or sum(clients.counts.values())
            time.sleep(1)
        clients.end()
        if server.alive() and samples:
            time.sleep(2)  # what the last clients held is given back
            after = server.rss_kb()
    if server.process.returncode:
        clients.errors.append(f"the server's exit code is {server.process.returncode}")
    grown = growth(samples) if samples else float("nan")
    out = {"minutes": args.minutes, "warmup_s": warm, "requests": sum(clients.counts.values()),
           "requests_in_warmup": early, "kinds": clients.counts, "errors": len(clients.errors),
           "first_errors": clients.errors[:5], "rss_growth_percent": round(grown, 3),
           "rss_mb": {"first": samples[0][1] / 1024, "last": samples[-1][1] / 1024, "max": max(kb for _, kb in samples) / 1024,
                      "p50": streams.percentile([kb for _, kb in samples], 0.5) / 1024, "idle_after": after / 1024}
           if samples and not server.process.returncode else None}
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump(dict(out, samples=samples), file)
    print(json.dumps(out))
    return 0 if grown <= args.limit and not clients.errors else 1
