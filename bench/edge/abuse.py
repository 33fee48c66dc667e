"""What the server's edge must bear: slow clients, hostile bodies, SIGTERM under load. The functions return figures; who
calls them says what is good enough: `run` with the full counts, tests/agent/cli/serve_abuse_test.py with small ones."""
import json
import random
import select
import signal
import socket
import threading
import time

QUESTION = {"messages": [{"role": "user", "content": "What is the capital of France?"}], "temperature": 0, "max_tokens": 16}
STORY = {"prompt": "The weather in", "temperature": 0, "max_tokens": 48, "ignore_eos": True}


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


class Neighbours:
    """Threads that ask one thing again and again while something bad goes on; every answer must be the same."""

    def __init__(self, server, body=None, route="/v1/completions", threads=2):
        self.server, self.body, self.route = server, body or STORY, route
        self.expected = self._ask()[1]
        self.seconds, self.wrong, self.lock, self.over = [], [], threading.Lock(), threading.Event()
        self.threads = [threading.Thread(target=self._loop, daemon=True) for _ in range(threads)]
        for thread in self.threads:
            thread.start()

    def _ask(self):
        status, text, _ = self.server.call("POST", self.route, self.body)
        choices = json.loads(text).get("choices") if status == 200 else None
        return status, json.dumps(choices, sort_keys=True)

    def _loop(self):
        while not self.over.is_set():
            begin = time.monotonic()
            try:
                status, choices = self._ask()
            except (OSError, ValueError) as error:
                status, choices = repr(error), ""
            with self.lock:
                self.seconds.append(time.monotonic() - begin)
                if status != 200 or choices != self.expected:
                    self.wrong.append(status)

    def end(self):
        self.over.set()
        for thread in self.threads:
            thread.join(120)
        return {"answers": len(self.seconds), "wrong": len(self.wrong),
                "p50_ms": round(1000 * percentile(self.seconds, 0.5), 1),
                "p99_ms": round(1000 * percentile(self.seconds, 0.99), 1)}


def quiet(server, seconds):
    """The same neighbours without anything bad, to compare with."""
    neighbours = Neighbours(server)
    time.sleep(seconds)
    return neighbours.end()


def slow_clients(server, clients, seconds=40):
    """Half of them send a header, half a body, one byte a second, until the server ends them."""
    neighbours = Neighbours(server)
    head = b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nX-Slow: "
    whole = b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"
    begin, live = time.monotonic(), {}
    for i in range(clients):
        one = socket.create_connection(("127.0.0.1", server.port))
        one.sendall(head if i % 2 else whole)
        one.setblocking(False)
        live[one.fileno()] = one
    connected, closed = time.monotonic() - begin, []
    poll = select.poll()
    for fd in live:
        poll.register(fd, select.POLLIN | select.POLLHUP)
    due = time.monotonic()
    while live and time.monotonic() - begin < seconds:
        for fd, _ in poll.poll(max(0, 1000 * (due - time.monotonic()))):
            try:
                data = live[fd].recv(4096)  # the refusal (408), then the end
            except OSError:
                data = b""
            if not data:
                closed.append(time.monotonic() - begin)
                poll.unregister(fd)
                live.pop(fd).close()
        if time.monotonic() >= due:
            due += 1
            for one in live.values():
                try:
                    one.send(b"x")
                except OSError:
                    pass
    left = len(live)
    for one in live.values():
        one.close()
    return {"clients": clients, "connect_s": round(connected, 2), "closed": len(closed), "left": left,
            "last_closed_s": round(max(closed, default=0), 1), "neighbours": neighbours.end()}


def hostile_bodies(count, seed=1):
    """(route, body) that no honest client sends: malformed, deep, huge numbers, wrong types, patterns that explode."""
    chance = random.Random(seed)
    chat, completions = "/v1/chat/completions", "/v1/completions"
    hi = '"messages":[{"role":"user","content":"hi"}]'

    def schema(text):
        return (chat, '{%s,"max_tokens":4,"response_format":{"type":"json_schema","json_schema":{"name":"s","schema":%s}}}' % (hi, text))
    nested = '{"type":"object","properties":{"a":'
    makers = [
        lambda: (chat, "[" * chance.randrange(1, 200000)),
        lambda: (chat, '{"messages":' + '[{"content":' * chance.randrange(1, 5000)),
        lambda: (chat, "{" + hi + "," + ",".join('"k%d":1' % i for i in range(chance.randrange(1, 20000))) + "}"),
        lambda: (chat, "{" + hi + ',"temperature":1e%d}' % chance.randrange(300, 999999)),
        lambda: (chat, "{" + hi + ',"max_tokens":%s}' % ("9" * chance.randrange(1, 5000))),
        lambda: (chat, "{" + hi + ',"n":%d}' % chance.choice([-1, 0, 129, 2**31, 2**63])),
        lambda: (chat, "{" + hi + ',"logit_bias":{"%s":100}}' % chance.choice(["-1", "99999999999", "x", "1e9"])),
        lambda: (chat, "{" + hi + ',"stop":[%s]}' % ",".join('"%s"' % ("a" * i) for i in range(chance.randrange(17, 400)))),
        lambda: (chat, "{" + hi + ',"seed":%s}' % chance.choice(["1.5", "1e400", '"x"', "null", "[]", "{}"])),
        lambda: (chat, '{"messages":[{"role":"%s","content":"x"}]}' % ("r" * chance.randrange(1, 50000))),
        lambda: (chat, '{"messages":[%s]}' % ",".join(['{"role":"user","content":"x"}'] * chance.randrange(8193, 9000))),
        lambda: (completions, '{"prompt":[%s],"max_tokens":1}' % ",".join(str(chance.randrange(-2**33, 2**33)) for _ in range(500))),
        lambda: (completions, '{"prompt":"%s","max_tokens":1}' % ("<|user|>" * chance.randrange(1000, 100000))),
        lambda: (completions, json.dumps({"prompt": ["x"] * chance.randrange(129, 5000), "n": 128})),
        lambda: (completions, bytes(chance.randrange(256) for _ in range(chance.randrange(1, 5000)))),
        lambda: (completions, b'{"prompt":"\xff\xfe' + bytes(chance.randrange(128, 256) for _ in range(50)) + b'","max_tokens":1}'),
        lambda: (completions, '{"prompt":"%s","max_tokens":1}' % "\\ud800"),
        lambda: schema('{"type":"string","pattern":"%s"}' % ("(a*)*" * chance.randrange(1, 300))),
        lambda: schema('{"type":"string","pattern":"a{%d}{%d}"}' % (chance.randrange(1, 10**9), chance.randrange(1, 10**9))),
        lambda: schema('{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/a"}}}'),
        lambda: schema(nested * chance.randrange(10, 3000)),
        lambda: schema('{"type":"array","minItems":%d,"items":{"type":"integer"}}' % chance.choice([-1, 10**6, 10**18])),
        lambda: schema('{"enum":[%s]}' % ",".join('"%x"' % chance.getrandbits(64) for _ in range(chance.randrange(1000, 30000)))),
        lambda: schema('{"anyOf":[%s]}' % ",".join(['{"type":"object","properties":{"a":{"type":"string"}}}'] * chance.randrange(2, 500))),
        lambda: (chat, "{" + hi + ',"tools":[%s],"tool_choice":"required","max_tokens":4}' % ",".join(
            '{"type":"function","function":{"name":"f%d","parameters":{"type":"object"}}}' % i for i in range(chance.randrange(1, 800)))),
        lambda: ("/tokenize", json.dumps({"text": "\u200d\u0301" * chance.randrange(1, 100000)})),
        lambda: ("/detokenize", '{"tokens":[%s]}' % ",".join(str(chance.choice([-1, 2**31, 2**40, 1])) for _ in range(1000))),
        lambda: ("/generate", '{"prompt":%s}' % chance.choice(["null", "1", "[]", "{}", '"' + " " * 100000 + '"'])),
    ]
    return [chance.choice(makers)() for _ in range(count)]


def hostile(server, count, seed=1):
    """Sends the bodies, four at a time, beside neighbours. `statuses` must hold neither 500 nor a cut connection."""
    bodies, statuses, slowest = hostile_bodies(count, seed), {}, [0.0]
    neighbours, lock = Neighbours(server), threading.Lock()

    def send():
        while True:
            with lock:
                if not bodies:
                    return
                route, body = bodies.pop()
            begin = time.monotonic()
            try:
                status = server.call("POST", route, body.encode() if isinstance(body, str) else body)[0]
            except OSError as error:
                status = type(error).__name__
            with lock:
                statuses[str(status)] = statuses.get(str(status), 0) + 1
                slowest[0] = max(slowest[0], time.monotonic() - begin)
    threads = [threading.Thread(target=send, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(600)
    alive = server.process.poll() is None and server.probe("/health")[0] == 200
    return {"bodies": count, "statuses": statuses, "slowest_s": round(slowest[0], 2), "alive": alive,
            "neighbours": neighbours.end()}


def sigterm(server, clients=8):
    """Clients that stream, one answer after the other, each on a new connection; SIGTERM in the midst of it. Who is told
    503 or finds no one listening any more goes away, as a load balancer would send it elsewhere."""
    lock, whole, cut, refused_early = threading.Lock(), [0], [], []
    begun, refusing = threading.Semaphore(0), threading.Event()

    def client(number):
        body = json.dumps({**STORY, "stream": True, "max_tokens": 40 + 20 * number})
        while True:
            connection = server.connection(60)
            try:
                connection.request("POST", "/v1/completions", body)
                response = connection.getresponse()
                if response.status != 200:
                    raise ConnectionRefusedError(response.status)
            except OSError as error:
                if not refusing.is_set():
                    with lock:
                        refused_early.append(repr(error))
                return
            begun.release()
            try:
                text = response.read().decode()
            except Exception as error:  # pylint: disable=broad-except
                text = repr(error)
            with lock:
                if text.endswith("data: [DONE]\n\n") and '"error"' not in text:
                    whole[0] += 1
                else:
                    cut.append(text[-120:])
            connection.close()
    threads = [threading.Thread(target=client, args=(i,), daemon=True) for i in range(clients)]
    for thread in threads:
        thread.start()
    for _ in range(2 * clients):
        begun.acquire()
    server.process.send_signal(signal.SIGTERM)
    record = server.wait_for("draining")
    # The delay ends at the server's clock: what is refused just before by ours is on time.
    timer = threading.Timer(max(0, record["delay_s"] - 0.2), refusing.set)
    timer.start()
    for thread in threads:
        thread.join(120)
    timer.cancel()
    code = server.process.wait(90)
    return {"whole": whole[0], "cut": len(cut), "refused_early": len(refused_early), "exit": code,
            "log_cut": server.wait_for("stopped")["cut_answers"], "first": (cut + refused_early)[:2]}
