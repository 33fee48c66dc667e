#!/usr/bin/env python3
"""bench/streams.py: taking streams apart whatever way they were cut, percentiles, figures; and against a small server."""
import http.server
import json
import os
import sys
import threading
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "bench"))
import streams  # noqa: E402

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
USAGE = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}}}


def event(data):
    return b"data: " + (data if isinstance(data, bytes) else json.dumps(data).encode()) + b"\n\n"


def text(piece):
    return event({"choices": [{"index": 0, "text": piece}]})


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def answer(raw, size):
    """An Answer whose bytes came `size` at a time, a second each."""
    got = streams.Answer(100.0)
    got.pieces = [raw[i:i + size] for i in range(0, len(raw), size)]
    got.times = [101.0 + i for i in range(len(got.pieces))]
    got.end = 101.0 + len(got.pieces)
    return got


class Parsing(unittest.TestCase):
    WHOLE = HEAD + chunk(text("a")) + chunk(text("b")) + chunk(event(USAGE)) + chunk(event(b"[DONE]")) + b"0\r\n\r\n"

    def test_the_same_however_it_was_cut(self):
        for size in (1, 2, 3, 7, 64, 100000):
            got = streams.parse(answer(self.WHOLE, size))
            self.assertIsNone(got["error"])
            self.assertEqual((got["status"], got["output"], got["prompt"], got["cached"]), (200, 2, 7, 4))
            # A text has arrived with the last byte of its event's chunk.
            ends = [len(HEAD + chunk(text("a"))) - 2, len(HEAD + chunk(text("a")) + chunk(text("b"))) - 2]
            self.assertEqual(got["times"], [101.0 + (end - 1) // size for end in ends], size)

    def test_events_may_share_a_chunk_or_span_two(self):
        joined = event(b"[DONE]") + text("a") + text("b")
        for cut in range(1, len(joined)):
            raw = HEAD + chunk(joined[:cut]) + chunk(joined[cut:] + event(USAGE)) + b"0\r\n\r\n"
            got = streams.parse(answer(raw, 100000))
            self.assertIsNone(got["error"])
            self.assertEqual(len(got["times"]), 2)

    def test_empty_text_role_and_comments_are_no_pieces(self):
        raw = HEAD + chunk(b": hello\n\n") + chunk(event(USAGE)) + chunk(event({"choices": [{"delta": {"role": "assistant", "content": ""}}]})) + \
            chunk(text("")) + chunk(event({"choices": [{"delta": {"content": "x"}}]})) + chunk(event(b"[DONE]")) + b"0\r\n\r\n"
        self.assertEqual(len(streams.parse(answer(raw, 9))["times"]), 1)

    def test_what_is_not_whole_is_an_error(self):
        cut = self.WHOLE[:self.WHOLE.index(b"[DONE]")]
        for raw, said in ((cut, "broken stream"), (b"", "no answer"), (HEAD + chunk(text("a")) + b"0\r\n\r\n", "[DONE]"),
                          (HEAD + chunk(text("a") + event(b"[DONE]")) + b"0\r\n\r\n", "no usage"),
                          (HEAD + chunk(event({"error": {"message": "full"}})) + chunk(event(b"[DONE]")) + b"0\r\n\r\n", "full"),
                          (b"HTTP/1.1 429 Too Many\r\nContent-Length: 4\r\n\r\nwait", "status 429: wait")):
            self.assertIn(said, streams.parse(answer(raw, 5))["error"])


class Figures(unittest.TestCase):
    def test_percentiles(self):
        self.assertIsNone(streams.percentile([], 0.5))
        self.assertEqual(streams.percentile([5], 0.99), 5)
        self.assertEqual(streams.percentile([4, 1, 3, 2], 0.5), 2.5)
        self.assertAlmostEqual(streams.percentile(range(101), 0.99), 99)

    def test_rates_and_latencies(self):
        def one(begin, times, **more):
            return dict({"error": None, "begin": begin, "end": times[-1], "times": times, "output": len(times), "prompt": 10,
                         "cached": 5}, **more)
        silent = {"error": None, "begin": 0.0, "end": 3.0, "times": [], "output": 5, "prompt": 10, "cached": 0}
        parsed = [one(0.0, [1.0, 1.5, 2.0]), one(1.0, [1.5, 2.5]), one(0.0, [9.0], error="cut", output=None), silent]
        got = streams.figures(parsed, wall=5.0, client_cpu=0.5, cores=2)
        self.assertEqual((got["requests"], got["failed"], got["errors"]), (4, 1, ["cut"]))
        self.assertEqual(got["without_text"], 1)
        self.assertEqual((got["output_tokens"], got["output_tokens_per_s"], got["cached_tokens"]), (10, 2.0, 10))
        self.assertEqual(got["ttft_s"]["p50"], 0.75)
        self.assertEqual(got["itl_s"]["p50"], 0.5)
        self.assertEqual(got["tpot_s"]["p50"], 0.75)  # half a second a token in one, a whole one in the other
        self.assertEqual(got["client_cpu_share"], 0.05)

    def test_nothing_came(self):
        got = streams.figures([], wall=1.0, client_cpu=0.0, cores=1)
        self.assertEqual((got["requests"], got["output_tokens_per_s"], got["ttft_s"]["p50"]), (0, 0.0, None))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    lock, open_now, most = threading.Lock(), 0, 0
    together = threading.Barrier(3)

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with Handler.lock:
            Handler.open_now += 1
            Handler.most = max(Handler.most, Handler.open_now)
        if asked["n"] < 3:
            Handler.together.wait(20)  # ends only if the first three are open at once
        if asked["n"] == 4:
            self.send_error(429)
        else:
            self.wfile.write(HEAD + chunk(text("a")) + chunk(text("b")) + chunk(event(USAGE)) + chunk(event(b"[DONE]")))
            self.wfile.flush()
        with Handler.lock:
            Handler.open_now -= 1
        if asked["n"] != 4:
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = True

    def log_message(self, *_):
        pass


class Busy(unittest.TestCase):
    def setUp(self):
        Handler.most = 0

    def test_so_many_are_open_and_all_are_answered(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        answers, wall, _ = streams.keep_busy(server.server_port, "/v1/completions", [{"n": i} for i in range(7)], 3, 20)
        server.shutdown()
        server.server_close()
        parsed = [streams.parse(a) for a in answers]
        self.assertEqual(Handler.most, 3)
        self.assertEqual([p["error"] is None for p in parsed].count(True), 6)
        self.assertEqual([p["status"] for p in parsed].count(429), 1)
        self.assertTrue(all(0 < p["times"][0] - p["begin"] <= wall for p in parsed if not p["error"]))

    def test_arrivals_do_not_wait_for_answers(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        # The first three end together or not at all; the last comes when they are long answered.
        due = [0.0, 0.0, 0.01, 0.3]
        answers, wall, _ = streams.arrive(server.server_port, "/v1/completions", [{"n": n} for n in (0, 1, 2, 5)], due, 20)
        server.shutdown()
        server.server_close()
        self.assertEqual([streams.parse(a)["error"] for a in answers], [None] * 4)
        # What `late` is counted from is what was asked for, however busy the machine is.
        wanted = [a.begin - a.late for a in answers]
        for at, asked in zip(due, wanted):
            self.assertAlmostEqual(asked - wanted[0], at, places=6)
        self.assertTrue(all(a.late >= 0 for a in answers))
        self.assertGreaterEqual(wall, 0.3)

    def test_nobody_listens(self):
        answers, _, _ = streams.keep_busy(1, "/v1/completions", [{}], 1)
        self.assertIn("Refused", streams.parse(answers[0])["error"])


if __name__ == "__main__":
    unittest.main()
