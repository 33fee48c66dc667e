"""An API server and its etcd alone, on loopback with ports and a folder of their own: for what needs validation and nothing
that runs. Starts in about five seconds, beside any cluster."""
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time

from support import kube

TOKEN = "a-token-for-loopback"


def available():
    """Whether the programs are there (e2e/cluster/build etcd kube-apiserver kubectl)."""
    return all(os.access(os.path.join(kube.BIN, name), os.X_OK) for name in ("etcd", "kube-apiserver", "kubectl"))


def _free_ports(count):
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


class PortTaken(AssertionError):
    """A server could not listen."""


class ApiServer:
    """`with ApiServer() as server: server.kubectl(..)`. Everybody with the token may do everything; no controllers run."""

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="api-server-")
        self.running = []
        try:
            self._write_keys()
            for attempt in range(3):
                try:
                    self._run(*_free_ports(3))
                    return self
                except PortTaken:  # by somebody else, between the look and the use
                    self._kill()
                    if attempt == 2:
                        raise
        except BaseException:
            self.__exit__()
            raise

    def _write_keys(self):
        self.key, self.public = os.path.join(self.folder, "sa.key"), os.path.join(self.folder, "sa.pub")
        subprocess.run(["openssl", "genrsa", "-out", self.key, "2048"], check=True, capture_output=True)
        subprocess.run(["openssl", "rsa", "-in", self.key, "-pubout", "-out", self.public], check=True, capture_output=True)
        self.tokens = os.path.join(self.folder, "tokens.csv")
        with open(self.tokens, "w", encoding="utf-8") as file:
            file.write(f"{TOKEN},tester,tester,system:masters\n")

    def _run(self, client, peer, port):
        self.server = f"https://127.0.0.1:{port}"
        self._write_kubeconfig()
        self._start("etcd", "--data-dir", os.path.join(self.folder, f"etcd-{client}"), "--unsafe-no-fsync",
                    "--listen-client-urls", f"http://127.0.0.1:{client}", "--advertise-client-urls", f"http://127.0.0.1:{client}",
                    "--listen-peer-urls", f"http://127.0.0.1:{peer}", "--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}",
                    "--initial-cluster", f"default=http://127.0.0.1:{peer}")
        self._start("kube-apiserver", "--etcd-servers", f"http://127.0.0.1:{client}", "--bind-address", "127.0.0.1",
                    "--endpoint-reconciler-type", "none", "--secure-port", str(port),
                    "--cert-dir", os.path.join(self.folder, "certs"), "--token-auth-file", self.tokens,
                    "--authorization-mode", "AlwaysAllow", "--service-cluster-ip-range", "10.99.0.0/24",
                    "--service-account-issuer", "https://loopback", "--service-account-key-file", self.public,
                    "--service-account-signing-key-file", self.key, "--disable-admission-plugins", "ServiceAccount")
        self._wait()

    def __exit__(self, *_):
        self._kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _kill(self):
        for process in reversed(self.running):
            process.kill()  # nothing in it is kept
            process.wait()
        self.running = []

    def _start(self, name, *args):
        with open(os.path.join(self.folder, name + ".log"), "wb") as log:
            self.running.append(subprocess.Popen([os.path.join(kube.BIN, name), *args], stdout=log, stderr=subprocess.STDOUT))

    def _wait(self, seconds=60):
        deadline = time.monotonic() + seconds
        while True:
            try:
                if self.kubectl("get", "--raw", "/readyz") == "ok" and self.kubectl("get", "namespace", "default"):
                    return
            except kube.Refused as error:
                ended = [process.args[0] for process in self.running if process.poll() is not None]
                if ended or time.monotonic() >= deadline:
                    logs = self._log("etcd") + self._log("kube-apiserver")
                    kind = PortTaken if "address already in use" in logs else AssertionError
                    raise kind(f"no API server ({', '.join(ended) or 'too slow'}): {error}\n{logs}") from error
            time.sleep(0.1)

    def _log(self, name):
        with open(os.path.join(self.folder, name + ".log"), encoding="utf-8", errors="replace") as file:
            return file.read()[-3000:]

    def _write_kubeconfig(self):
        self.kubeconfig = os.path.join(self.folder, "kubeconfig")
        with open(self.kubeconfig, "w", encoding="utf-8") as file:
            json.dump({"apiVersion": "v1", "kind": "Config", "current-context": "alone",
                       "clusters": [{"name": "alone", "cluster": {"server": self.server, "insecure-skip-tls-verify": True}}],
                       "users": [{"name": "alone", "user": {"token": TOKEN}}],
                       "contexts": [{"name": "alone", "context": {"cluster": "alone", "user": "alone"}}]}, file)

    def kubectl(self, *args, stdin=None):
        """kubectl's output; raises kube.Refused with its words."""
        done = subprocess.run([os.path.join(kube.BIN, "kubectl"), "--kubeconfig", self.kubeconfig,
                               "--cache-dir", os.path.join(self.folder, "cache"), *args],
                              input=stdin, capture_output=True, text=True, check=False)
        if done.returncode:
            raise kube.Refused(done.stderr.strip() or done.stdout.strip())
        return done.stdout

    def wait_for_crds(self):
        """Until all that there are are served. (`kubectl wait` fails on one that has no conditions yet.)"""
        def served():
            crds = json.loads(self.kubectl("get", "crd", "-o", "json"))["items"]
            return all(kube.is_true(crd, "Established") for crd in crds)
        kube.wait_until("all CRDs are served", served, 30)
