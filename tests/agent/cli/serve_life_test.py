"""`deepseek-agent serve` from SIGTERM on: who is still served, what is cut, what it says about it."""
import json
import signal
import threading
import time

from agent_case import AGENT, DEMO, AgentCase, main
from serve_case import Server

CHAT = "/v1/chat/completions"
SHORT = {"messages": [{"role": "user", "content": "What is the capital of France?"}], "temperature": 0, "max_tokens": 8}


def long_answer(tokens):
    return {"prompt": "Hello", "max_tokens": tokens, "temperature": 0, "ignore_eos": True, "stream": True}


class Stream(threading.Thread):
    """A streamed answer, read by a thread of its own."""

    def __init__(self, server, body):
        super().__init__(daemon=True)
        self.server, self.body, self.events, self.error = server, body, [], None
        self.begun = threading.Event()
        self.start()

    def run(self):
        try:
            connection = self.server.connection()
            connection.request("POST", "/v1/completions", json.dumps(self.body))
            for raw in connection.getresponse():
                if raw.startswith(b"data: "):
                    self.events.append(raw[6:].decode().strip())
                    self.begun.set()
            connection.close()
        except OSError as error:
            self.error = error
        self.begun.set()

    def whole(self):
        return self.error is None and self.events[-1:] == ["[DONE]"] and not any('"error"' in e for e in self.events)


class ServeLife(AgentCase):
    def serve(self, *flags, **more):
        server = Server(AGENT, DEMO, *flags, **more)
        self.addCleanup(server.stop)
        return server

    def test_sigterm_under_load_cuts_nothing(self):
        server = self.serve("--drain-delay", "1s", "--drain-timeout", "60s")
        streams = [Stream(server, long_answer(300)) for _ in range(8)]
        for stream in streams:
            self.assertTrue(stream.begun.wait(60))
        kept = server.connection()
        self.assertEqual(server.call("POST", CHAT, SHORT, connection=kept)[0], 200)
        server.process.send_signal(signal.SIGTERM)
        server.wait_for("draining")
        status, text = server.probe("/ready")
        self.assertEqual((status, json.loads(text)["state"]), (503, "draining"))
        self.assertEqual(server.probe("/health")[0], 200)
        # Within the delay, on an old and on a new connection: served, and asked to go.
        for connection in (kept, None):
            status, _, headers = server.call("POST", CHAT, SHORT, connection=connection)
            self.assertEqual((status, headers["Connection"]), (200, "close"))
        for stream in streams:
            stream.join(120)
        self.assertTrue(all(stream.whole() for stream in streams), [s.events[-2:] for s in streams])
        self.assertEqual(server.process.wait(60), 0)
        self.assertEqual(server.wait_for("stopped")["cut_answers"], 0)

    def test_it_is_draining_before_it_says_so(self):
        server = self.serve("--drain-delay", "0s")
        server.wait_for("memory")  # the last line of the start
        server.hold_log()
        self.addCleanup(server.release_log)
        server.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 60
        while server.probe("/ready")[0] != 503:
            self.assertLess(time.monotonic(), deadline, "it waits to say what it has not done")
        server.release_log()
        server.wait_for("draining")
        self.assertEqual(server.process.wait(60), 0)

    def test_the_timeout_cuts_and_says_so(self):
        server = self.serve("--drain-delay", "0s", "--drain-timeout", "50ms", "--max-batch", "1")
        streams = [Stream(server, long_answer(900)) for _ in range(8)]
        self.assertTrue(any(stream.begun.wait(60) for stream in streams[:1]))
        server.process.send_signal(signal.SIGTERM)
        self.assertEqual(server.process.wait(60), 0)
        self.assertGreaterEqual(server.wait_for("stopped: the drain timeout cut answers")["cut_answers"], 1)
        for stream in streams:
            stream.join(60)
        cut = [s for s in streams if not s.whole()]
        self.assertTrue(cut)
        for stream in cut:
            if stream.events:
                self.assertIn("server_shutting_down", "".join(stream.events[-2:]))

    def refused(self, server):
        """The first 503. Who comes while the delay ends is queued and served: no reason to wait for that answer."""
        answers = []
        while not [text for status, text in answers if status == 503]:
            asking = threading.Thread(target=lambda: answers.append(server.call("POST", CHAT, SHORT)[:2]), daemon=True)
            asking.start()
            asking.join(0.05)
        return next(text for status, text in answers if status == 503)

    def test_after_the_delay_new_requests_are_refused(self):
        server = self.serve("--drain-delay", "0s", "--drain-timeout", "60s", "--max-batch", "1")
        streams = [Stream(server, long_answer(900)) for _ in range(6)]
        for stream in streams[:1]:
            self.assertTrue(stream.begun.wait(60))
        server.process.send_signal(signal.SIGTERM)
        server.wait_for("draining")
        text = self.refused(server)
        self.assertEqual(json.loads(text)["error"]["code"], "server_shutting_down")
        self.assertEqual(server.process.wait(120), 0)
        for stream in streams:
            stream.join(60)
        self.assertTrue(all(stream.whole() for stream in streams if stream.events))

    def test_a_second_signal_stops_at_once_and_sighup_is_none(self):
        server = self.serve("--drain-delay", "1h")
        server.process.send_signal(signal.SIGTERM)
        server.wait_for("draining")
        server.process.send_signal(signal.SIGHUP)
        self.assertEqual(server.call("POST", CHAT, SHORT)[0], 200)
        server.process.send_signal(signal.SIGTERM)
        self.assertEqual(server.process.wait(60), 128 + signal.SIGTERM)
        server.wait_for("second signal")


main()
