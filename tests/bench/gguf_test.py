#!/usr/bin/env python3
"""bench/to_gguf.py on small checkpoints: the file is read back by an independent reader and compared by value."""
import json
import os
import struct
import subprocess
import sys
import tempfile
import unittest

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DEMO = os.path.join(ROOT, "models", "demo-v3")


class Reader:
    """Sequential reader of GGUF 3, written from the format's description."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = file.read()
        self.at, self.pairs, self.tensors = 0, {}, {}
        magic, version, tensors, pairs = self.take("<4sIQQ")
        assert (magic, version) == (b"GGUF", 3)
        for _ in range(pairs):
            key = self.string()
            self.pairs[key] = self.value(self.take("<I")[0])
        infos = []
        for _ in range(tensors):
            name, (dims,) = self.string(), self.take("<I")
            shape = tuple(reversed(self.take(f"<{dims}Q")))
            infos.append((name, shape, *self.take("<IQ")))
        start = (self.at + 31) // 32 * 32
        for name, shape, kind, offset in infos:
            dtype = {0: np.float32, 30: np.uint16}[kind]
            count = int(np.prod(shape))
            self.tensors[name] = np.frombuffer(self.data, dtype, count, start + offset).reshape(shape)

    def take(self, form):
        values = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return values

    def string(self):
        (size,) = self.take("<Q")
        self.at += size
        return self.data[self.at - size:self.at].decode()

    def value(self, kind):
        if kind == 8:
            return self.string()
        if kind == 9:
            inner, count = self.take("<IQ")
            return [self.value(inner) for _ in range(count)]
        return self.take({4: "<I", 5: "<i", 6: "<f", 7: "<?"}[kind])[0]


class ToGguf(unittest.TestCase):
    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory()
        self.addCleanup(self.tmp.cleanup)

    def convert(self, folder, code=0):
        path = os.path.join(self.tmp.name, "out.gguf")
        done = subprocess.run([sys.executable, f"{ROOT}/bench/to_gguf.py", folder, path], capture_output=True, text=True,
                              check=False)
        self.assertEqual(done.returncode, code, done.stderr)
        return Reader(path) if code == 0 else done.stderr

    def test_demo_model(self):
        sys.path.insert(0, os.path.join(ROOT, "bench"))
        from to_gguf import Checkpoint, read_json  # noqa: E402
        c, checkpoint, got = read_json(DEMO, "config.json"), Checkpoint(DEMO), self.convert(DEMO)
        self.assertEqual(got.pairs["general.architecture"], "deepseek2")
        self.assertEqual(got.pairs["deepseek2.block_count"], c["num_hidden_layers"])
        self.assertEqual(got.pairs["deepseek2.expert_gating_func"], 2)
        self.assertEqual(len(got.pairs["tokenizer.ggml.tokens"]), c["vocab_size"])
        layer, experts = c["first_k_dense_replace"], c["n_routed_experts"]
        stack = got.tensors[f"blk.{layer}.ffn_up_exps.weight"]
        last = checkpoint.bf16(f"model.layers.{layer}.mlp.experts.{experts - 1}.up_proj.weight")
        np.testing.assert_array_equal(stack[experts - 1], last)
        self.assertEqual(stack.shape[0], experts)
        norm = checkpoint.f32("model.norm.weight")
        np.testing.assert_array_equal(got.tensors["output_norm.weight"], norm)
        self.kv_b_is_split(c, checkpoint, got)

    def kv_b_is_split(self, c, checkpoint, got):
        heads, nope, v = c["num_attention_heads"], c["qk_nope_head_dim"], c["v_head_dim"]
        whole = checkpoint.bf16("model.layers.0.self_attn.kv_b_proj.weight").reshape(heads, nope + v, -1)
        np.testing.assert_array_equal(got.tensors["blk.0.attn_k_b.weight"][1], whole[1, :nope].T)
        np.testing.assert_array_equal(got.tensors["blk.0.attn_v_b.weight"][1], whole[1, nope:])

    def test_unknown_architecture_is_named(self):
        with open(os.path.join(self.tmp.name, "config.json"), "w", encoding="utf-8") as out:
            json.dump({"architectures": ["OtherForCausalLM"]}, out)
        self.assertIn("OtherForCausalLM", self.convert(self.tmp.name, code=1))


if __name__ == "__main__":
    unittest.main()
