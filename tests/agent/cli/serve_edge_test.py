"""`deepseek-agent serve`: TLS by files, API keys, CORS, the YAML file, what is taken anew while it runs."""
import hashlib
import json
import os
import shutil
import signal
import ssl
import subprocess
import warnings

from agent_case import AGENT, DEMO, AgentCase, main
from serve_case import Server, expire, issue, trusting

HI = {"messages": [{"role": "user", "content": "What is the capital of France?"}], "temperature": 0, "max_tokens": 8}
CHAT = "/v1/chat/completions"


def line(key, rest):
    return hashlib.sha256(key.encode()).hexdigest() + " " + rest + "\n"


class ServeEdge(AgentCase):
    def write(self, name, text):
        # As a mounted Secret changes: at once.
        with open(self.path(name + ".new"), "w", encoding="utf-8") as out:
            out.write(text)
        os.rename(self.path(name + ".new"), self.path(name))
        return self.path(name)

    def serve(self, *flags, **more):
        server = Server(AGENT, DEMO, *flags, **more)
        self.addCleanup(server.stop)
        return server

    def hang_up(self, server, message, count):
        server.process.send_signal(signal.SIGHUP)
        return server.wait_for(message, count)

    def test_tls_with_certificates_that_change(self):
        issue(self.tmp, "ca")
        issue(self.tmp, "a", "ca")
        for end in ("crt", "key"):
            shutil.copy(self.path("a." + end), self.path("tls." + end))
        server = self.serve("--tls-cert", self.path("tls.crt"), "--tls-key", self.path("tls.key"), "--grpc", "127.0.0.1:0",
                            context=trusting(self.path("ca.crt")))
        kept = server.connection()
        self.assertEqual(server.call("POST", CHAT, HI, connection=kept)[0], 200)
        self.assertEqual(kept.sock.version(), "TLSv1.3")
        old = trusting(self.path("ca.crt"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            old.minimum_version = ssl.TLSVersion.TLSv1
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        server.context, good = old, server.context
        with self.assertRaises(OSError):
            server.call("GET", "/health")
        server.context = good

        # A pair that does not belong together, then nonsense: the good one stays, log and metric say so.
        issue(self.tmp, "b", "ca")
        shutil.copy(self.path("b.crt"), self.path("tls.crt"))
        self.hang_up(server, "cannot be taken anew", 1)
        self.assertEqual(server.call("GET", "/health")[0], 200)
        self.write("tls.crt", "nonsense")
        self.hang_up(server, "cannot be taken anew", 2)
        self.assertEqual(server.call("GET", "/health")[0], 200)
        self.assertGreaterEqual(server.metric("deepseek_reload_failures_total", '{what="certificate"}'), 2)
        self.assertGreater(server.metric("deepseek_certificate_not_after_seconds"), 1.7e9)

        # The whole new pair, of another authority: new connections get it, old ones go on.
        issue(self.tmp, "other")
        shutil.copy(self.path("other.key"), self.path("tls.key"))
        shutil.copy(self.path("other.crt"), self.path("tls.crt"))
        self.hang_up(server, "taken anew", 1)
        self.assertEqual(server.call("POST", CHAT, HI, connection=kept)[0], 200)
        with self.assertRaises(ssl.SSLError):
            server.call("GET", "/health")
        server.context = trusting(self.path("other.crt"))
        self.assertEqual(server.call("GET", "/health")[0], 200)

    def test_client_certificates(self):
        issue(self.tmp, "ca")
        issue(self.tmp, "server", "ca")
        cert, key = issue(self.tmp, "client", "ca")
        server = self.serve("--tls-cert", self.path("server.crt"), "--tls-key", self.path("server.key"), "--client-ca",
                            self.path("ca.crt"), context=trusting(self.path("ca.crt"), cert, key))
        self.assertEqual(server.call("GET", "/v1/models")[0], 200)
        server.context = trusting(self.path("ca.crt"))
        with self.assertRaises(OSError):
            server.call("GET", "/v1/models")
        self.assertEqual(server.probe("/ready")[0], 200, "the kubelet has no certificate")

    def test_keys_that_change(self):
        keys = self.write("keys", "# people\n" + line("alice-key", "alice"))
        server = self.serve("--api-keys", keys, "--cors-origin", "https://a.example,https://b.example")
        status, text, headers = server.call("POST", CHAT, HI)
        self.assertEqual((status, json.loads(text)["error"]["code"]), (401, "invalid_api_key"))
        self.assertEqual(headers["WWW-Authenticate"], "Bearer")
        for open_route in ("/health", "/ready", "/version"):
            self.assertEqual(server.call("GET", open_route)[0], 200)
        server.key = "alice-key"
        self.assertEqual(server.call("POST", CHAT, HI)[0], 200)
        self.assertEqual(server.call("GET", "/v1/models", headers={"Origin": "https://b.example"})[2]
                         ["Access-Control-Allow-Origin"], "https://b.example")

        self.write("keys", line("bob-key", "bob"))
        self.hang_up(server, "taken anew", 1)
        self.assertEqual(server.call("POST", CHAT, HI)[0], 401)
        server.key = "bob-key"
        self.assertEqual(server.call("POST", CHAT, HI)[0], 200)
        self.write("keys", "bob-key bob\n")
        self.hang_up(server, "cannot be taken anew", 1)
        self.assertEqual(server.call("POST", CHAT, HI)[0], 200)
        log = "\n".join(server.lines)
        self.assertNotIn("bob-key", log)
        self.assertNotIn("alice-key", log)
        self.assertEqual(server.probe("/metrics")[0], 200, "the port of the kubelet and Prometheus asks for none")

    def test_chat_brings_a_key_and_trusts_an_authority(self):
        issue(self.tmp, "ca")
        issue(self.tmp, "server", "ca")
        server = self.serve("--tls-cert", self.path("server.crt"), "--tls-key", self.path("server.key"), "--api-keys",
                            self.write("keys", line("alice-key", "alice")), context=trusting(self.path("ca.crt")))

        def chat(*flags, **environment):
            return subprocess.run([AGENT, "chat", "--url", f"https://localhost:{server.port}/v1", *flags], text=True,
                                  input="I forgot the capital of Portugal. What is it?\n", capture_output=True, check=False,
                                  timeout=60, env={**os.environ, **environment})
        ca = ["--ca", self.path("ca.crt")]
        self.assertIn("Lisbon", chat(*ca, DEEPSEEK_API_KEY="alice-key").stdout)
        self.assertIn("HTTP 401", chat(*ca, DEEPSEEK_API_KEY="nobody").stderr)
        self.assertNotIn("Lisbon", chat(DEEPSEEK_API_KEY="alice-key").stdout)

    def test_the_log_level_of_the_yaml_file_changes(self):
        config = self.write("serve.yaml", "log-level: warn\nmax-batch: 4\ncors-origin: https://a.example\n")
        server = self.serve("--config", config, "--log-level", "info")
        self.write("serve.yaml", "log-level: debug\n")
        server.process.send_signal(signal.SIGHUP)
        server.call("GET", "/health")
        self.assertEqual(server.records("taken anew"), [], "the command line wins")
        server.stop()
        config = self.write("serve.yaml", "log-level: info\n")
        server = self.serve("--config", config)
        self.write("serve.yaml", "log-level: loud\n")
        self.hang_up(server, "cannot be taken anew", 1)
        self.write("serve.yaml", "log-level: debug\n")
        self.hang_up(server, "taken anew", 1)
        server.call("POST", CHAT, "{")
        server.wait_for("request refused")

    def test_flags_that_do_not_go_together(self):
        issue(self.tmp, "a")
        issue(self.tmp, "b")
        issue(self.tmp, "old")
        expire(self.tmp, "old")
        a, b, old = ([self.path(n + ".crt"), self.path(n + ".key")] for n in ("a", "b", "old"))
        keys = self.write("keys", "secret alice\n")
        for flags, word in (
                (["--tls-cert", a[0]], "--tls-key"), (["--client-ca", a[0]], "--tls-cert"),
                (["--grpc", "0.0.0.0:0"], "--insecure"), (["--grpc", ":0"], "--insecure"), (["--grpc", "x"], "HOST:PORT"),
                (["--cors-origin", "*"], "--cors-origin"), (["--tls-cert", a[0], "--tls-key", b[1]], "does not belong"),
                (["--tls-cert", old[0], "--tls-key", old[1]], "valid from"),
                (["--tls-cert", "/absent", "--tls-key", "/absent"], "/absent"),
                (["--api-keys", keys], ":1: expected the SHA-256"), (["--api-keys", "/absent"], "/absent")):
            done = self.agent_fails("serve", "--model", DEMO, "--http", "127.0.0.1:0", "--metrics", "127.0.0.1:0", *flags)
            self.assertIn(word, done.stderr, flags)
            self.assertNotIn("secret", done.stderr)

    def agent_fails(self, *args):
        done = subprocess.run([AGENT, *args], capture_output=True, text=True, check=False, timeout=60)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stderr.splitlines()[-1], r"\Aerror: ")
        return done


main()
