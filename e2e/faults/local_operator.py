"""The real operator with one fault, as a process on the node that serves one namespace."""
import os
import re
import signal
import subprocess
import threading

from support import installation, kube

PROGRAM = os.path.join(installation.ROOT, "build", "release", "bin", "faulty-operator")


class LocalOperator:
    """`faults`: flags of faulty-operator. As a context manager it is gone at the end, whatever happened to it."""

    def __init__(self, namespace, *faults):
        self.lines = []
        self._process = subprocess.Popen(
            [PROGRAM, "--kubeconfig", kube.KUBECONFIG, "--agent-image", installation.images()["agent"],
             "--namespace", namespace, "--watch-namespace", namespace, *faults],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self._log = []
        self._readers = [threading.Thread(target=self._read, args=pair, daemon=True)
                         for pair in ((self._process.stdout, self.lines), (self._process.stderr, self._log))]
        for reader in self._readers:
            reader.start()

    @staticmethod
    def _read(stream, lines):
        for line in stream:
            lines.append(line.rstrip("\n"))

    def writes(self):
        """[(number, method, path, code)] of what it has written so far."""
        found = (re.fullmatch(r"write (\d+) (\S+) (\S+) (\d+)", line) for line in list(self.lines))
        return [(int(m[1]), m[2], m[3], int(m[4])) for m in found if m]

    def said(self, what):
        return any(line.startswith(what) for line in list(self.lines))

    def ended(self):
        return self._process.poll() is not None

    def kill(self):
        self._process.kill()

    def resume(self):
        self._process.send_signal(signal.SIGCONT)

    def stop(self):
        """A graceful stop, or the end of one that is stopped or hangs."""
        if not self.ended():
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for reader in self._readers:
            reader.join(5)
        for stream in (self._process.stdout, self._process.stderr):
            stream.close()

    def log(self):
        return "\n".join(self._log[-40:])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
