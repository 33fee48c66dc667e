#!/usr/bin/env python3
"""Every model of bad_models.py is refused by verify, inspect and generate: exit code 2, one line on stderr of the form
`error: WHAT: WHERE: WHY (what to do)`, in little memory and time: bad_models_test.py AGENT PEAK_MEMORY [--table] [NAME...]

Memory is the peak of the process above that of refusing an empty folder. The bound is twice the size of the files
plus SLACK: heap pages and code that a small model touches anyway. A tokenizer whose last entry is wrong has built its
tables by then: those have a bound of their own (TABLE_FACTOR).
"""
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import unittest

import bad_models
import tiny_model

MIB = 1 << 20
SLACK = 8 * MIB
TABLE_FACTOR = 8
SECONDS = 20  # of CPU time, far above what any case takes: a loop without an end is what it finds
LINE = re.compile(r"\Aerror: [^\n:]+: [^\n]+: [^\n]+ \([^\n]+\)\n\Z")
# inspect reads neither values nor the text side: it may describe these models.
VALUES = re.compile(r"^(tokenizer|generation_config|weights (scale|code|norm|embedding|of 32))")

arguments = [a for a in sys.argv[1:] if a != "--table"]
AGENT, PEAK_MEMORY, ONLY, TABLE = arguments[0], arguments[1], set(arguments[2:]), "--table" in sys.argv


def run(command, folder):
    """(exit code, stdout, stderr, peak bytes)."""
    words = [AGENT, command, "--model", folder]
    if command == "generate":
        words += ["--chat", "hello the", "--max-tokens", "4"]
    peak = folder + ".peak"
    done = subprocess.run([PEAK_MEMORY, peak, *words], capture_output=True, check=False, preexec_fn=lambda:
                          resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS)))
    with open(peak, encoding="utf-8") as f:
        return done.returncode, done.stdout.decode(), done.stderr.decode(errors="backslashreplace"), int(f.read())


class BadModels(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tmp = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.tmp)
        empty = os.path.join(cls.tmp, "empty")
        os.mkdir(empty)
        cls.baseline = {c: run(c, empty)[3] for c in ("verify", "inspect", "generate")}

    def folder(self, build):
        folder = os.path.join(self.tmp, "model")
        shutil.rmtree(folder, ignore_errors=True)
        build(folder)
        return folder

    def test_the_model_that_they_are_made_from_is_good(self):
        for shards in (1, 2):
            folder = self.folder(lambda d, shards=shards: tiny_model.write(d, shards=shards))
            for command in self.baseline:
                code, _, err, _ = run(command, folder)
                self.assertEqual((code, err), (0, ""), command)

    def test_each_is_refused_in_one_line_and_little_memory(self):
        self.assertGreaterEqual(len(bad_models.CASES), 60)
        for name, build in bad_models.CASES.items():
            if ONLY and name not in ONLY:
                continue
            folder = self.folder(build)
            size = sum(e.stat().st_size for e in os.scandir(folder) if e.is_file())
            for command, baseline in self.baseline.items():
                with self.subTest(model=name, command=command):
                    code, out, err, peak = run(command, folder)
                    used = peak - baseline
                    if TABLE:
                        print(f"{name:48.48} {command:8} {code:3} {used / MIB:7.1f} MB of {size / MIB:6.1f}  {err[:150]}",
                              end="" if len(err) <= 150 else "...\n", flush=True)
                    if command == "inspect" and VALUES.match(name) and code == 0:
                        continue
                    self.assertEqual(code, 2, out + err[-2000:])
                    self.assertRegex(err, LINE)
                    self.assertLess(len(err), 1200, "a line that people read")
                    self.assertNotRegex(err, r"[^\x20-\x7e\n\u00a0-\uffff]", "no control characters")
                    factor = TABLE_FACTOR if name in bad_models.TABLES else 2
                    self.assertLessEqual(used, factor * size + SLACK, "memory above the baseline")


unittest.main(argv=sys.argv[:1])
