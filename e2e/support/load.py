"""Constant load on a Service: a fixed number of clients that ask one after the other and note every failure."""
import json
import threading
import urllib.request

BODY = json.dumps({"model": "demo-v3", "temperature": 0, "max_tokens": 8,
                   "messages": [{"role": "user", "content": "Name the capital of Portugal."}]}).encode()


class ConstantLoad:
    """Used as a context manager; afterwards `answered` and `failures` tell what happened.

    Each request opens a connection of its own, so that each one is balanced anew; a connection that is refused, reset
    or cut, a status other than 200 and an answer that is no completion are all failures. Nothing is retried.
    """

    def __init__(self, url, clients=3, pause_seconds=0.05, timeout_seconds=30, body=BODY):
        self.url = url + "/v1/chat/completions"
        self.body = body
        self.timeout_seconds = timeout_seconds
        self.pause_seconds = pause_seconds
        self.answered = 0
        self.failures = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._client, daemon=True) for _ in range(clients)]

    def _client(self):
        while not self._stop.wait(self.pause_seconds):
            problem = self._ask()
            with self._lock:
                if problem:
                    self.failures.append(problem)
                else:
                    self.answered += 1

    def _ask(self):
        request = urllib.request.Request(self.url, self.body, {"content-type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=self.timeout_seconds) as answer:
                json.load(answer)["choices"][0]["message"]["content"]
                return None
        except Exception as error:  # whatever went wrong, a client saw it
            return f"{type(error).__name__}: {error}"

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(self.timeout_seconds + 5)
