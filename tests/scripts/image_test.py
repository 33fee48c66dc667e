#!/usr/bin/env python3
"""Images: the same input gives the same bytes, all that the program needs is inside, and a registry takes them."""
import base64
import hashlib
import http.server
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "scripts"))
import push_image  # noqa: E402


class FakeRegistry(http.server.BaseHTTPRequestHandler):
    """As much of the distribution protocol as a push needs, with Basic authorization."""

    def reply(self, status, headers=(), body=b""):
        self.send_response(status)
        for key, value in dict(headers).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def authorized(self):
        self.data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Authorization") == "Basic " + base64.b64encode(b"me:secret").decode():
            return True
        self.reply(401, {"WWW-Authenticate": 'Basic realm="r"'})
        return False

    def do_HEAD(self):
        if self.authorized():
            self.reply(200 if self.path.rsplit("/", 1)[1] in self.server.blobs else 404)

    def do_POST(self):
        if self.authorized():
            self.reply(202, {"Location": self.path + "one?state=x"})

    def do_PUT(self):
        if not self.authorized():
            return
        if "/blobs/uploads/one" in self.path:
            digest = self.path.rsplit("digest=", 1)[1].replace("%3A", ":")
            if "sha256:" + hashlib.sha256(self.data).hexdigest() != digest:
                self.reply(400, body=b"digest does not match")
                return
            self.server.blobs[digest] = self.data
        else:
            self.server.tags[self.path] = self.data
        self.reply(201)

    def log_message(self, *_):
        pass


class ImageTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.bin = os.path.join(self.folder, "bin")
        os.mkdir(self.bin)
        for name in ("deepseek-agent", "deepseek-operator"):  # any dynamically linked program will do
            shutil.copy(os.path.realpath(shutil.which("openssl")), os.path.join(self.bin, name))

    def image(self, *args):
        out = os.path.join(self.folder, "out")
        done = subprocess.run([sys.executable, os.path.join(ROOT, "scripts", "image"), "--bin", self.bin, "--out", out, *args],
                              capture_output=True, text=True, check=False)
        return done, out

    def layer(self, archive):
        with tarfile.open(archive) as tar:
            manifest = json.load(tar.extractfile("manifest.json"))[0]
            with tarfile.open(fileobj=tar.extractfile(manifest["Layers"][0])) as layer:
                return manifest, json.load(tar.extractfile(manifest["Config"])), {m.name: m for m in layer.getmembers()}

    def test_holds_program_libraries_loader_model_and_user(self):
        done, out = self.image("--tag", "t")
        self.assertEqual(done.returncode, 0, done.stderr)
        manifest, config, files = self.layer(os.path.join(out, "agent-t.tar"))
        self.assertEqual(manifest["RepoTags"], ["deepseek-operator.local/agent:t"])
        self.assertEqual(config["config"]["User"], "65532:65532")
        self.assertEqual(config["config"]["Entrypoint"], ["/usr/local/bin/deepseek-agent"])
        self.assertEqual(files["usr/local/bin/deepseek-agent"].mode, 0o755)
        self.assertEqual(files["tmp"].mode, 0o1777)
        for wanted in ("models/demo-v3/model.safetensors", "models/demo-v3/tokenizer.json", "etc/passwd"):
            self.assertIn(wanted, files)
        names = " ".join(files)
        for library in ("libc.so.6", "libcrypto.so", "ld-linux"):
            self.assertIn(library, names)
        self.assertNotIn("models/demo-v3/train", names)
        self.assertTrue(all(m.mtime == 0 and m.uid == 0 and not m.issym() for m in files.values()))
        _, _, operator_files = self.layer(os.path.join(out, "operator-t.tar"))
        self.assertNotIn("models/demo-v3/model.safetensors", operator_files)

    def test_same_input_same_bytes_and_other_label_other_image(self):
        def digest(*args):
            done, out = self.image("--tag", "t", *args, "agent")
            self.assertEqual(done.returncode, 0, done.stderr)
            with open(os.path.join(out, "agent-t.tar"), "rb") as file:
                return hashlib.sha256(file.read()).hexdigest()

        first = digest()
        os.utime(os.path.join(self.bin, "deepseek-agent"), (1, 1))
        os.chmod(os.path.join(self.bin, "deepseek-agent"), 0o700)
        self.assertEqual(digest(), first)
        self.assertNotEqual(digest("--label", "edition=next"), first)

    def test_content_tag_follows_the_program(self):
        first = self.image("--tag", "content", "agent")[0].stdout.split()[0]
        self.assertEqual(self.image("--tag", "content", "agent")[0].stdout.split()[0], first)
        with open(os.path.join(self.bin, "deepseek-agent"), "ab") as file:
            file.write(b"\0")
        self.assertNotEqual(self.image("--tag", "content", "agent")[0].stdout.split()[0], first)

    def test_missing_program_says_what_to_do(self):
        os.remove(os.path.join(self.bin, "deepseek-agent"))
        done, _ = self.image("agent")
        self.assertEqual(done.returncode, 1)
        self.assertIn("make build", done.stderr)

    def test_push_sends_each_blob_once(self):
        done, out = self.image("--tag", "t", "operator")
        self.assertEqual(done.returncode, 0, done.stderr)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), FakeRegistry)
        server.blobs, server.tags = {}, {}
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        host = f"127.0.0.1:{server.server_port}"
        with open(os.path.join(self.folder, "config.json"), "w", encoding="utf-8") as file:
            json.dump({"auths": {host: {"auth": base64.b64encode(b"me:secret").decode()}}}, file)
        command = [sys.executable, os.path.join(ROOT, "scripts", "push_image.py"),
                   os.path.join(out, "operator-t.tar"), f"{host}/team/operator:t"]
        environment = dict(os.environ, DOCKER_CONFIG=self.folder)
        pushed = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        self.assertEqual(pushed.returncode, 0, pushed.stderr)
        self.assertEqual(len(server.blobs), 2)
        self.assertEqual(list(server.tags), ["/v2/team/operator/manifests/t"])
        again = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        self.assertEqual(again.stdout.count("is there"), 2)
        # without the password
        refused = subprocess.run(command, env=dict(os.environ, DOCKER_CONFIG="/nonexistent"), capture_output=True, text=True, check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("docker login", refused.stderr)

    def test_names_without_registry_or_tag_are_refused(self):
        for name in ("operator:t", "registry.example.com/operator", "team/operator:t"):
            with self.assertRaises(push_image.PushError):
                push_image.split_name(name)
        self.assertEqual(push_image.split_name("localhost:5000/a/b:t"), ("localhost:5000", "a/b", "t"))


if __name__ == "__main__":
    unittest.main()
