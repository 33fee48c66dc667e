#!/usr/bin/env python3
"""What all programs have in common: programs_test.py BIN_DIR. A version, help without escapes, wrong use named with the remedy;
no colours on a terminal with NO_COLOR."""
import os
import pty
import re
import subprocess
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = sys.argv.pop(1) if len(sys.argv) > 1 and not sys.argv[1].startswith("-") else os.path.join(ROOT, "build", "release", "bin")
PROGRAMS = ("deepseek-agent", "deepseek-operator", "kubectl-deepseek")


def version():
    with open(os.path.join(ROOT, "CMakeLists.txt"), encoding="utf-8") as file:
        return re.search(r"project\([^)]*VERSION ([0-9.]+)", file.read()).group(1)


def on_a_terminal(command, **env):
    """What a command writes when its output is a terminal."""
    controller, terminal = pty.openpty()
    running = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=terminal, stderr=terminal, env={**os.environ, "TERM": "xterm", **env})
    os.close(terminal)
    text = b""
    while True:
        try:
            piece = os.read(controller, 65536)
        except OSError:  # the other end is closed
            piece = b""
        if not piece:
            break
        text += piece
    os.close(controller)
    running.wait()
    return text.decode()


class Programs(unittest.TestCase):
    def run_it(self, name, *args):
        return subprocess.run([os.path.join(BIN, name), *args], capture_output=True, text=True, check=False, timeout=60)

    def test_version(self):
        for name in PROGRAMS:
            done = self.run_it(name, "--version")
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, f"{name} {version()}\n", ""))

    def test_wrong_use_is_named_with_a_remedy(self):
        for name in PROGRAMS:
            for args in (["--frob"], ["frob"]):
                done = self.run_it(name, *args)
                self.assertEqual(done.returncode, 1, (name, args))
                self.assertEqual(done.stdout, "")
                self.assertRegex(done.stderr, r"\Aerror: [^\n]*frob[^\n]*\(see: [^\n]*--help\)\n\Z", (name, args))

    def test_no_escapes_with_no_color(self):
        question = [os.path.join(BIN, "deepseek-agent"), "chat", "--model", os.path.join(ROOT, "models", "demo-v3"), "What is 34 - 29?"]
        for command in (question, *([os.path.join(BIN, name), "--help"] for name in PROGRAMS)):
            text = on_a_terminal(command, NO_COLOR="1")
            self.assertNotIn("\033", text)
            self.assertGreater(len(text), 1)


if __name__ == "__main__":
    unittest.main()
