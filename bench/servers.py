"""The servers that bench/serving measures, as processes on loopback: ours and llama.cpp's."""
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time

TICKS = os.sysconf("SC_CLK_TCK")


class Process:
    """A running server: `port`, `pid`. Ends with the block that it is used in."""

    process = port = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def pid(self):
        return self.process.pid

    def cpu_seconds(self):
        with open(f"/proc/{self.pid}/stat", encoding="utf-8") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def rss_kb(self):
        with open(f"/proc/{self.pid}/status", encoding="utf-8") as file:
            return int(re.search(r"VmRSS:\s+(\d+) kB", file.read())[1])

    def alive(self):
        return self.process.poll() is None

    def stop(self):
        if not self.alive():
            return
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Agent(Process):
    """`deepseek-agent serve`."""

    def __init__(self, agent, model, weights, flags):
        command = [agent, "serve", "--model", model, "--http", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--weights",
                   weights, "--drain-delay", "0s", *flags]
        self.command = command
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        said = []
        for line in self.process.stderr:
            said.append(line)
            found = re.search(r'"http":"127\.0\.0\.1:(\d+)"', line)
            if found:
                self.port = int(found.group(1))
            if '"serving"' in line:
                break
        else:
            self.stop()
            sys.exit("the server did not start: " + " ".join(command) + "\n" + "".join(said[-5:]))
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def ask(self, prompt, tokens):
        """Status, seconds to the first text and to the end (or to the refusal), cached tokens, Retry-After."""
        begin, first, cached = time.monotonic(), None, None
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        body = {"prompt": prompt, "max_tokens": tokens, "ignore_eos": True, "stream": True, "temperature": 0,
                "stream_options": {"include_usage": True}}
        try:
            connection.request("POST", "/v1/completions", json.dumps(body))
            response = connection.getresponse()
            after = response.getheader("Retry-After")
            if response.status != 200:
                response.read()
                return response.status, None, time.monotonic() - begin, None, after
            whole = False
            for line in response:
                if first is None and line.startswith(b"data: ") and b'"text"' in line:
                    first = time.monotonic() - begin
                found = re.search(rb'"cached_tokens":(\d+)', line)
                if found:
                    cached = int(found.group(1))
                whole = whole or line.startswith(b"data: [DONE]")
            return 200 if whole else 0, first, time.monotonic() - begin, cached, after
        finally:
            connection.close()


class Llama(Process):
    """llama.cpp's llama-server. Its context is shared out among the slots, one for each stream."""

    def __init__(self, program, file, threads, slots, context, flags):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        command = [program, "-m", file, "--host", "127.0.0.1", "--port", str(self.port), "-t", str(threads), "-tb",
                   str(threads), "-np", str(slots), "-c", str(slots * context), "--cache-prompt", *flags]
        self.command = command
        self.log = tempfile.TemporaryFile("w+")  # closed with the process
        self.process = subprocess.Popen(command, stdout=self.log, stderr=subprocess.STDOUT)
        while not self._healthy():
            if not self.alive():
                self.log.seek(0)
                sys.exit("the peer did not start: " + " ".join(command) + "\n" + self.log.read()[-1500:])
            time.sleep(0.2)

    def _healthy(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def stop(self):
        super().stop()
        self.log.close()


def busy_seconds():
    """What all processors together have worked, what the host stole included."""
    with open("/proc/stat", encoding="utf-8") as file:
        user, nice, system, _, _, irq, softirq, steal = (int(n) for n in file.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICKS
