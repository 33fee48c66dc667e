"""Streams of server-sent events kept busy from one thread: the load that bench/serving measures with.

While it runs it only notes which bytes came when; they are parsed afterwards, so that the client takes little of the
cores that the server is measured on. Linux, standard library only."""
import bisect
import collections
import gc
import itertools
import json
import select
import socket
import time

END = b"0\r\n\r\n"  # of a chunked answer; JSON holds no bare line ends, so nothing else in one ends like this


class Answer:
    """What came back on one request."""

    def __init__(self, begin):
        self.begin, self.end, self.socket = begin, None, None
        self.times, self.pieces = [], []  # a piece is what one recv() gave
        self.tail, self.error, self.late = b"", None, 0.0


def request(port, path, body):
    """The bytes of a POST that asks for one answer on a connection of its own."""
    data = json.dumps(body).encode()
    return (f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
            f"Connection: close\r\nContent-Length: {len(data)}\r\n\r\n").encode() + data


def keep_busy(port, path, bodies, streams, silence=900):
    """Asks all bodies, `streams` of them at any time. ([Answer], wall seconds, processor seconds of the client)."""
    return _ask(port, path, bodies, silence, streams=streams)


def arrive(port, path, bodies, due, silence=900):
    """Asks each body `due` seconds after the begin (in order), whatever has become of the others. As keep_busy; `late` of
    an Answer is how long after that it was asked."""
    return _ask(port, path, bodies, silence, due=due)


def _ask(port, path, bodies, silence, streams=0, due=()):
    todo = [request(port, path, body) for body in bodies]
    answers, live, poll, following, waiting = [], {}, select.epoll(), iter(todo), collections.deque(due)

    def start(wanted=None):
        data = next(following, None)
        if data is None:
            return
        answer = Answer(time.perf_counter())
        answer.late = 0.0 if wanted is None else answer.begin - wanted
        answers.append(answer)
        try:
            answer.socket = socket.create_connection(("127.0.0.1", port), timeout=silence)
            answer.socket.sendall(data)
        except OSError as error:
            finish(answer, repr(error))
            return
        answer.socket.setblocking(False)
        live[answer.socket.fileno()] = answer
        poll.register(answer.socket.fileno(), select.EPOLLIN)

    def finish(answer, error=None):
        answer.end, answer.error = time.perf_counter(), error
        if answer.socket:
            if live.pop(answer.socket.fileno(), None):
                poll.unregister(answer.socket.fileno())
            answer.socket.close()
            answer.socket = None

    gc.disable()  # its pauses grow with what is noted
    begin, cpu = time.perf_counter(), time.process_time()
    for _ in range(streams):
        start()
    while live or waiting:
        left = silence
        while waiting:
            left = begin + waiting[0] - time.perf_counter()
            if left > 0:
                break
            start(begin + waiting.popleft())
        ready = poll.poll(left if waiting else silence)
        if not ready and not waiting:
            for answer in list(live.values()):
                finish(answer, f"nothing came for {silence} s")
        now = time.perf_counter()
        for fd, _ in ready:
            answer = live[fd]
            try:
                data = answer.socket.recv(65536)
            except OSError as error:
                finish(answer, repr(error))
                if not due:
                    start()
                continue
            if data:
                answer.times.append(now)
                answer.pieces.append(data)
                answer.tail = (answer.tail + data)[-5:]
            if not data or answer.tail == END:
                finish(answer)
                if not due:
                    start()
    wall, used = time.perf_counter() - begin, time.process_time() - cpu
    poll.close()
    gc.enable()
    return answers, wall, used


def chunks(raw, at):
    """(offset of its end in raw, data) of every chunk of a chunked body that begins at `at`; ValueError if it is cut."""
    while True:
        line = raw.index(b"\r\n", at)
        size = int(raw[at:line].split(b";")[0], 16)
        at = line + 2 + size
        if size == 0:
            return
        if at > len(raw):
            raise ValueError("cut within a chunk")
        yield at, raw[line + 2:at]
        at += 2


def events(raw, at):
    """(offset of the end of the chunk that completes it, data) of every event of a chunked stream."""
    rest = b""
    for end, data in chunks(raw, at):
        *whole, rest = (rest + data).replace(b"\r\n", b"\n").split(b"\n\n")
        for event in whole:
            if event.startswith(b"data:"):
                yield end, event[5:].strip()


def text_of(event):
    """The new text of a completion or chat event; empty for role, usage and end."""
    text = []
    for choice in event.get("choices") or []:
        delta = choice.get("delta") or {}
        text.append(choice.get("text") or delta.get("content") or delta.get("reasoning_content") or "")
    return "".join(text)


def parse(answer):
    """A finished Answer as {status, error, begin, end, times, output, prompt, cached}: `times` are the arrivals of
    pieces of text, the three counts are the server's own, in tokens (None: it did not say)."""
    out = {"status": 0, "error": answer.error, "begin": answer.begin, "end": answer.end, "times": [], "output": None,
           "prompt": None, "cached": None}
    raw = b"".join(answer.pieces)
    head = raw.find(b"\r\n\r\n")
    if head < 0:
        out["error"] = out["error"] or "no answer"
        return out
    lines = raw[:head].decode("latin-1").lower().split("\r\n")
    out["status"] = int(lines[0].split(" ")[1])
    if out["status"] != 200 or "transfer-encoding: chunked" not in lines:
        out["error"] = out["error"] or f"status {out['status']}: {raw[head + 4:][:200].decode(errors='replace')}"
        return out
    arrived, done = list(itertools.accumulate(map(len, answer.pieces))), False
    try:
        for end, data in events(raw, head + 4):
            if data == b"[DONE]":
                done = True
                continue
            event = json.loads(data)
            if "error" in event:
                out["error"] = out["error"] or json.dumps(event["error"])[:200]
            if text_of(event):
                out["times"].append(answer.times[bisect.bisect_left(arrived, end)])
            usage = event.get("usage") or {}
            if usage:
                out["output"], out["prompt"] = usage.get("completion_tokens"), usage.get("prompt_tokens")
                out["cached"] = (usage.get("prompt_tokens_details") or {}).get("cached_tokens")
    except ValueError as error:
        out["error"] = out["error"] or f"broken stream: {error}"
    if not done:
        out["error"] = out["error"] or "ended without [DONE]"
    if out["output"] is None:
        out["error"] = out["error"] or "no usage in it"
    return out


def percentile(values, share):
    """Between the two nearest ranks; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    at = (len(ordered) - 1) * share
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)


def figures(parsed, wall, client_cpu, cores):
    """What a run of parsed answers amounts to. Seconds; ITL is between pieces of text, TPOT between tokens."""
    good = [a for a in parsed if a["error"] is None]
    spoken = [a for a in good if a["times"]]  # control tokens alone make an answer without text
    firsts = [a["times"][0] - a["begin"] for a in spoken]
    gaps = [later - earlier for a in spoken for earlier, later in zip(a["times"], a["times"][1:])]
    paces = [(a["times"][-1] - a["times"][0]) / (a["output"] - 1) for a in spoken if a["output"] and a["output"] > 1]
    total = {key: sum(a[key] or 0 for a in good) for key in ("output", "prompt", "cached")}
    failed = [a["error"] for a in parsed if a["error"]]
    return {"requests": len(parsed), "failed": len(failed), "errors": failed[:3],
            "without_text": len(good) - len(spoken), "wall_s": wall, "output_tokens": total["output"], "prompt_tokens": total["prompt"], "cached_tokens": total["cached"],
            "pieces": sum(len(a["times"]) for a in good), "output_tokens_per_s": total["output"] / wall,
            "ttft_s": {"p50": percentile(firsts, 0.5), "p99": percentile(firsts, 0.99)},
            "itl_s": {"p50": percentile(gaps, 0.5), "p99": percentile(gaps, 0.99)},
            "tpot_s": {"p50": percentile(paces, 0.5), "p99": percentile(paces, 0.99)},
            "client_cpu_share": client_cpu / wall / cores}
