#!/usr/bin/env python3
"""bench/peer without a network: status, file making with a stand-in for llama-quantize, no half files."""
import os
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
QUANTIZE = '''#!/bin/sh
# llama-quantize FROM TO TYPE THREADS
case "$3" in Q8_0) echo "cannot" >&2; echo half > "$2"; exit 1 ;; esac
{ echo "$3"; head -c 4 "$1"; } > "$2"
'''


class Peer(unittest.TestCase):
    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory()
        self.addCleanup(self.tmp.cleanup)
        self.model = os.path.join(self.tmp.name, "model")

    def peer(self, *args, code=0):
        done = subprocess.run([sys.executable, f"{ROOT}/bench/peer", *args], capture_output=True, text=True, check=False,
                              env=dict(os.environ, XDG_CACHE_HOME=os.path.join(self.tmp.name, "cache")))
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def install(self, *names):
        folder = self.peer("dir").stdout.strip()
        os.makedirs(folder, exist_ok=True)
        for name in names or ("llama-bench", "llama-batched-bench", "llama-quantize", "llama-server"):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as out:
                out.write(QUANTIZE)
            os.chmod(os.path.join(folder, name), 0o755)

    def checkpoint(self):
        os.mkdir(self.model)
        open(os.path.join(self.model, "config.json"), "w", encoding="utf-8").close()
        with open(self.model + "-BF16.gguf", "w", encoding="utf-8") as out:
            out.write("GGUF and more")

    def test_status_names_what_is_missing(self):
        self.assertIn("llama-quantize", self.peer("status", code=1).stdout)
        self.install()
        self.assertIn("complete", self.peer("status").stdout)

    def test_binaries_of_before_are_kept_and_serve(self):
        self.install("llama-bench", "llama-batched-bench", "llama-quantize")
        said = self.peer("status", code=1).stdout
        self.assertIn("missing llama-server (run", said)
        self.checkpoint()
        self.peer("files", self.model, "--types", "Q4_0")  # needs llama-quantize alone
        self.install("llama-server")
        self.assertIn("complete", self.peer("build").stdout)

    def test_an_interrupted_build_goes_on(self):
        self.install("llama-bench", "llama-batched-bench", "llama-quantize")
        tree, tools = os.path.join(os.path.dirname(self.peer("dir").stdout.strip()), "tree"), os.path.join(self.tmp.name, "t")
        os.makedirs(f"{tree}/b/bin")
        os.mkdir(tools)
        open(f"{tree}/b/build.ninja", "w", encoding="utf-8").close()
        for name, body in (("cmake", "exit 1"), ("c++", "exit 1"), ("ninja", 'test "$3 $4 $5" = "-j 1 llama-server" && '
                                                                    'echo made > "$2/bin/llama-server"')):
            with open(os.path.join(tools, name), "w", encoding="utf-8") as out:
                out.write(f"#!/bin/sh\n{body}\n")
            os.chmod(os.path.join(tools, name), 0o755)
        path = os.environ["PATH"]
        os.environ["PATH"] = f"{tools}:{path}"
        self.addCleanup(os.environ.__setitem__, "PATH", path)
        self.assertIn("built into", self.peer("build", "--jobs", "1").stdout)
        self.assertFalse(os.path.exists(tree))

    def test_files_are_made_from_the_bf16_one_and_kept(self):
        self.install()
        self.checkpoint()
        self.peer("files", self.model, "--types", "Q4_0")
        with open(self.model + "-Q4_0.gguf", encoding="utf-8") as made:
            self.assertEqual(made.read(), "Q4_0\nGGUF")
        self.assertTrue(os.path.exists(self.model + "-BF16.gguf"), "it was there before")

    def test_a_failure_leaves_no_half_file(self):
        self.install()
        self.checkpoint()
        self.assertIn("cannot", self.peer("files", self.model, "--types", "Q8_0", code=1).stderr)
        self.assertEqual(sorted(os.listdir(self.tmp.name)), ["cache", "model", "model-BF16.gguf"])

    def test_wrong_use(self):
        self.assertIn("Q3", self.peer("files", self.model, "--types", "Q3", code=1).stderr)
        self.assertIn("config.json", self.peer("files", self.model, code=1).stderr)
        self.checkpoint()
        self.assertIn("bench/peer build", self.peer("files", self.model, "--types", "Q4_0", code=1).stderr)


if __name__ == "__main__":
    unittest.main()
