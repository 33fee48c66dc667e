#!/usr/bin/env python3
"""scripts/sbom finds the packages of every library of a program; in place of the tool that writes the file a script
keeps what it is given."""
import os
import shutil
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# Writes down what it was given: the listing of packages, and how it was called.
KEEPER = """#!/bin/sh
echo "$@" > "$GIVEN"
while [ $# -gt 0 ]; do case "$1" in --input-file) in=$2 ;; --output-file) out=$2 ;; esac; shift; done
cp "$in" "$out"
"""


class Sbom(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.bin = os.path.join(self.folder, "bin")
        os.mkdir(self.bin)
        keeper = os.path.join(self.bin, "distro2sbom")
        with open(keeper, "w", encoding="utf-8") as file:
            file.write(KEEPER)
        os.chmod(keeper, 0o755)

    def sbom(self):
        env = {**os.environ, "PATH": f"{self.bin}:{os.environ['PATH']}", "GIVEN": os.path.join(self.folder, "args")}
        return subprocess.run([os.path.join(ROOT, "scripts", "sbom"), "--bin", self.bin, "--out", os.path.join(self.folder, "out")],
                              capture_output=True, text=True, check=False, env=env)

    def test_every_library_has_its_package(self):
        for name in ("deepseek-agent", "deepseek-operator"):  # any dynamically linked program of Debian will do
            shutil.copy(os.path.realpath("/usr/bin/openssl"), os.path.join(self.bin, name))
        done = self.sbom()
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(os.path.join(self.folder, "out", "agent.cdx.json"), encoding="utf-8") as file:
            listing = file.read()
        self.assertRegex(listing, r"(?m)^ii +libc6[: ]")
        self.assertRegex(listing, r"(?m)^ii +libssl3")
        with open(os.path.join(self.folder, "args"), encoding="utf-8") as file:
            self.assertIn("--sbom cyclonedx --format json", file.read())

    def test_a_missing_program_is_named(self):
        done = self.sbom()
        self.assertEqual(done.returncode, 1)
        self.assertIn("deepseek-agent is not there (build it: make build)", done.stderr)


if __name__ == "__main__":
    unittest.main()
