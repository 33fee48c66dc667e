"""What the tests of the program share: running it, and small safetensors files."""
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

AGENT, ROOT = sys.argv[1], sys.argv[2]
GOLDEN = os.path.join(ROOT, "tests", "golden")
DEMO = os.path.join(ROOT, "models", "demo-v3")


def read(path):
    """Header (with __metadata__) and body of a safetensors file."""
    with open(path, "rb") as f:
        n = struct.unpack("<Q", f.read(8))[0]
        return json.loads(f.read(n)), bytearray(f.read())


def write(path, header, body):
    text = json.dumps(header).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + bytes(body))


def write_i32(path, tensors):
    header, body = {}, b""
    for name, values in tensors.items():
        data = struct.pack(f"<{len(values)}i", *values)
        header[name] = {"dtype": "I32", "shape": [len(values)], "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    write(path, header, body)


def i32(path, name):
    header, body = read(path)
    begin, end = header[name]["data_offsets"]
    return list(struct.unpack(f"<{(end - begin) // 4}i", body[begin:end]))


class AgentCase(unittest.TestCase):
    def setUp(self):
        self.tmp = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.tmp)

    def path(self, name):
        return os.path.join(self.tmp, name)

    def agent(self, *args, code=0, stdin=None):
        done = subprocess.run([AGENT, *args], capture_output=True, text=True, check=False, timeout=120, input=stdin)
        self.assertEqual(done.returncode, code, f"{args}\n{done.stdout}{done.stderr}")
        if code == 0:
            self.assertEqual(done.stderr, "")
        else:
            self.assertRegex(done.stderr, r"\Aerror: [^\n]+\n\Z", "one line")
        return done

    def copy(self, source, name="model"):
        folder = self.path(name)
        shutil.copytree(source, folder, ignore=shutil.ignore_patterns("eval", "train", "expected*", "cases*"))
        return folder


def main():
    unittest.main(argv=sys.argv[:1])
