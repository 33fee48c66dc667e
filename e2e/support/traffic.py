"""Requests of many kinds, so that every metric of the agents has something to tell."""
import json
import threading
import urllib.error
import urllib.request

from support import kube
from support.load import ConstantLoad

# Longer than two blocks of the KV cache, so that a second request finds it in the prefix cache.
KNOWN = "You answer questions of travellers in short sentences. " * 12
QUESTION = "I forgot the capital of Portugal. What is it?"


def chat(model, tokens, **more):
    return json.dumps({"model": model, "temperature": 0, "max_tokens": tokens, **more, "messages": [
        {"role": "system", "content": KNOWN}, {"role": "user", "content": QUESTION}]}).encode()


class Traffic:
    """Used as a context manager: whole answers all the time, and between them streams, cancelled ones and wrong requests."""

    def __init__(self, url, model, clients=6):
        self.url, self.model = url, model
        self.load = ConstantLoad(url, clients=clients, body=chat(model, 64, ignore_eos=True))
        self.streamed = self.cut = 0
        self.refused = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._others, daemon=True)

    def _send(self, body):
        request = urllib.request.Request(self.url + "/v1/chat/completions", body, {"content-type": "application/json"})
        return urllib.request.urlopen(request, timeout=30)

    def _others(self):
        while not self._stop.wait(0.2):
            try:
                with self._send(chat(self.model, 48, ignore_eos=True, stream=True)) as answer:
                    self.streamed += b"[DONE]" in answer.read()
                with self._send(chat(self.model, 400, ignore_eos=True, stream=True)) as answer:
                    self.cut += bool(answer.readline())  # and no more: the client goes away
            except urllib.error.HTTPError as error:
                self.refused.add(error.code)
            for body in (chat("no-such-model", 1), b'{"model": "%s", "messages": 3}' % self.model.encode()):
                try:
                    self._send(body).close()
                except urllib.error.HTTPError as error:
                    self.refused.add(error.code)

    def failures(self):
        """Of the whole answers. That a pod's queue is full (429) is none: the load is meant to be more than it likes."""
        return [failure for failure in self.load.failures if "HTTP Error 429" not in failure]

    def until_answered(self, count, seconds=300):
        """Waits for so many more whole answers."""
        wanted = self.load.answered + count

        def check():
            if self.failures() or not self._thread.is_alive():
                raise AssertionError(f"{self.load.answered} of {wanted} answered, {self.failures()[:3]}")
            return self.load.answered >= wanted
        kube.wait_until(f"{wanted} answers", check, seconds)

    def __enter__(self):
        self.load.__enter__()
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(60)
        self.load.__exit__()
