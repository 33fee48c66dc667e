"""A running `deepseek-agent serve`, for tests of the program and for bench/edge."""
import json
import http.client
import os
import re
import ssl
import subprocess
import threading
import time


class Server:
    """Waits until it is ready. `stop` may be called twice. `env` adds to the variables of this process."""

    def __init__(self, agent, model, *flags, context=None, key=None, ready=True, env=None):
        self.context, self.key, self.lines = context, key, []
        self.process = subprocess.Popen(
            [agent, "serve", "--model", model, "--http", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--threads", "2", *flags],
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env={**os.environ, **(env or {})})
        self.changed = threading.Condition()
        self.reading, self.held = threading.Event(), threading.Event()
        self.reading.set()
        threading.Thread(target=self._read, daemon=True).start()
        listening = self.wait_for("listening")
        self.port = int(listening["http"].rsplit(":", 1)[1])
        self.metrics = int(listening["metrics"].rsplit(":", 1)[1])
        self.grpc = listening.get("grpc", "")
        if ready:
            self.wait_for("serving")

    def _read(self):
        with self.process.stderr as stderr:
            for line in stderr:
                with self.changed:
                    self.lines.append(line.rstrip("\n"))
                    self.changed.notify_all()
                if not self.reading.is_set():
                    self.held.set()
                    self.reading.wait()
        with self.changed:
            self.lines.append("")
            self.changed.notify_all()

    def hold_log(self):
        """Nobody reads the log and its pipe is full: whoever says something waits until `release_log`."""
        self.held.clear()
        self.reading.clear()
        # A description of our own: the program's stays one that blocks.
        pipe = os.open(f"/proc/{self.process.pid}/fd/2", os.O_WRONLY | os.O_NONBLOCK)
        try:
            os.write(pipe, b"held\n")
            self.held.wait()
            while True:
                os.write(pipe, b"held".ljust(4095) + b"\n")  # whole pages leave no room
        except BlockingIOError:
            pass
        finally:
            os.close(pipe)

    def release_log(self):
        self.reading.set()

    def records(self, message):
        found = []
        for line in self.lines:
            if line.startswith("{"):
                record = json.loads(line)
                if record.get("msg", "").startswith(message):
                    found.append(record)
        return found

    def wait_for(self, message, count=1, seconds=60):
        """The last of `count` log records whose message begins so."""
        deadline = time.monotonic() + seconds
        with self.changed:
            while len(self.records(message)) < count:
                if not self.changed.wait(deadline - time.monotonic()) or time.monotonic() > deadline:
                    raise AssertionError(f"no log line '{message}':\n" + "\n".join(self.lines))
                if self.lines and self.lines[-1] == "" and len(self.records(message)) < count:
                    raise AssertionError(f"ended without the log line '{message}':\n" + "\n".join(self.lines))
            return self.records(message)[count - 1]

    def connection(self, timeout=120):
        if self.context:
            return http.client.HTTPSConnection("localhost", self.port, timeout=timeout, context=self.context)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def call(self, method, path, body=None, headers=None, connection=None):
        """(status, text, headers)"""
        sent = {**({"Authorization": "Bearer " + self.key} if self.key else {}), **(headers or {})}
        used = connection or self.connection()
        used.request(method, path, json.dumps(body) if isinstance(body, (dict, list)) else body, sent)
        response = used.getresponse()
        text = response.read().decode(errors="replace")
        if not connection:
            used.close()
        return response.status, text, response.headers

    def probe(self, path):
        used = http.client.HTTPConnection("127.0.0.1", self.metrics, timeout=30)
        used.request("GET", path)
        response = used.getresponse()
        text = response.read().decode()
        used.close()
        return response.status, text

    def metric(self, name, labels=""):
        text = self.probe("/metrics")[1]
        found = re.search(rf"^{re.escape(name + labels)} ([0-9.e+-]+)$", text, re.MULTILINE)
        return float(found.group(1)) if found else 0.0

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(90)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode


def issue(folder, name, ca=None, san="DNS:localhost,IP:127.0.0.1"):
    """Writes NAME.crt and NAME.key into `folder` with the openssl program; valid for a day, signed by `ca`, else by
    itself."""
    cert, key = os.path.join(folder, name + ".crt"), os.path.join(folder, name + ".key")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
               "-out", cert, "-subj", "/CN=" + name, "-days", "1", "-addext", "subjectAltName=" + san]
    if ca:
        command += ["-CA", os.path.join(folder, ca + ".crt"), "-CAkey", os.path.join(folder, ca + ".key")]
    subprocess.run(command, check=True, capture_output=True)
    return cert, key


def expire(folder, name):
    """NAME.crt anew, over since yesterday."""
    cert, key, request = (os.path.join(folder, name + end) for end in (".crt", ".key", ".csr"))
    for command in (["openssl", "req", "-new", "-key", key, "-out", request, "-subj", "/CN=" + name],
                    ["openssl", "x509", "-req", "-in", request, "-signkey", key, "-days", "-1", "-out", cert]):
        subprocess.run(command, check=True, capture_output=True)


def trusting(ca_file, cert=None, key=None):
    context = ssl.create_default_context(cafile=ca_file)
    if cert:
        context.load_cert_chain(cert, key)
    return context
