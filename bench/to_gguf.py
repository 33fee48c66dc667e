#!/usr/bin/env python3
"""Turns a checkpoint of make_models.py into one BF16 GGUF file for llama.cpp. Needs numpy.

  bench/to_gguf.py CHECKPOINT OUT.gguf

Other types are made from the BF16 file with llama.cpp's own llama-quantize (bench/peer files does both). FP8
block-scaled weights become BF16. MTP layers are left out, as llama.cpp's own converter does for these models. That
converter cannot be used: it knows a BPE tokenizer only by a hash of its output. Memory: the routed experts of one
layer and kind (0.4 GB for v2lite8).

Knows DeepseekV2ForCausalLM, DeepseekV3ForCausalLM and Qwen2ForCausalLM with a byte-level tokenizer that splits as
GPT-2's does.
"""
import json
import os
import struct
import sys

import numpy as np

from gguf_file import F32, GgufFile
from make_models import bf16_bits, e4m3_values


class Checkpoint:
    """The safetensors files of a folder, mapped into memory, not read."""

    def __init__(self, folder):
        self.where = {}
        for file in sorted(os.listdir(folder)):
            if not file.endswith(".safetensors"):
                continue
            path = os.path.join(folder, file)
            with open(path, "rb") as f:
                size = struct.unpack("<Q", f.read(8))[0]
                header = json.loads(f.read(size))
            data = np.memmap(path, np.uint8, "r", offset=8 + size)
            for name, info in header.items():
                if name != "__metadata__":
                    self.where[name] = (data, info)

    def shape(self, name):
        return tuple(self.where[name][1]["shape"])

    def raw(self, name):
        data, info = self.where[name]
        start, end = info["data_offsets"]
        kind = {"BF16": np.uint16, "F32": np.float32, "F8_E4M3": np.uint8}[info["dtype"]]
        return data[start:end].view(kind).reshape(info["shape"]), info["dtype"]

    def f32(self, name):
        x, kind = self.raw(name)
        if kind == "F32":
            return np.array(x)
        if kind == "BF16":
            return (x.astype(np.uint32) << 16).view(np.float32)
        scale, _ = self.raw(name + "_scale_inv")
        y = e4m3_values().astype(np.float32)[x]
        for i in range(scale.shape[0]):  # one row of 128x128 blocks at a time
            y[i * 128:(i + 1) * 128] *= np.repeat(scale[i], 128)[:x.shape[1]]
        return y

    def bf16(self, name):
        x, kind = self.raw(name)
        return np.array(x) if kind == "BF16" else bf16_bits(self.f32(name))


def read_json(folder, name):
    with open(os.path.join(folder, name), encoding="utf-8") as f:
        return json.load(f)


def put_tokenizer(out, folder, c):
    tokenizer, config = read_json(folder, "tokenizer.json"), read_json(folder, "tokenizer_config.json")
    words = [None] * c["vocab_size"]
    for word, i in tokenizer["model"]["vocab"].items():
        words[i] = word
    special = {t["id"]: t["content"] for t in tokenizer["added_tokens"]}
    normal, control, unused = 1, 3, 5  # llama_token_type
    kinds = [normal if word is not None else unused for word in words]
    for i, word in special.items():
        words[i], kinds[i] = word, control
    words = [word if word is not None else f"[PAD{i}]" for i, word in enumerate(words)]
    out.put("tokenizer.ggml.model", "str", "gpt2")
    out.put("tokenizer.ggml.pre", "str", "gpt-2")
    out.put_list("tokenizer.ggml.tokens", "str", words)
    out.put_list("tokenizer.ggml.token_type", "i32", kinds)
    merges = [m if isinstance(m, str) else " ".join(m) for m in tokenizer["model"]["merges"]]
    out.put_list("tokenizer.ggml.merges", "str", merges)
    out.put("tokenizer.ggml.bos_token_id", "u32", c["bos_token_id"])
    out.put("tokenizer.ggml.eos_token_id", "u32", c["eos_token_id"])
    out.put("tokenizer.ggml.add_bos_token", "bool", bool(config["add_bos_token"]))
    out.put("tokenizer.chat_template", "str", config["chat_template"])


def put_common(out, c, kv_heads):
    out.put("general.name", "str", "bench")
    out.put("general.file_type", "u32", 32)  # mostly BF16
    out.put(".block_count", "u32", c["num_hidden_layers"])
    out.put(".context_length", "u32", c["max_position_embeddings"])
    out.put(".embedding_length", "u32", c["hidden_size"])
    out.put(".feed_forward_length", "u32", c["intermediate_size"])
    out.put(".attention.head_count", "u32", c["num_attention_heads"])
    out.put(".attention.head_count_kv", "u32", kv_heads)
    out.put(".rope.freq_base", "f32", float(c["rope_theta"]))
    out.put(".attention.layer_norm_rms_epsilon", "f32", c["rms_norm_eps"])
    out.put(".vocab_size", "u32", c["vocab_size"])


def put_deepseek(out, c):
    kv, rope, nope = c["kv_lora_rank"], c["qk_rope_head_dim"], c["qk_nope_head_dim"]
    out.put(".leading_dense_block_count", "u32", c["first_k_dense_replace"])
    # llama.cpp knows the form without q_lora by 26 or 27 layers only; for another number the key must be there: 0
    out.put(".attention.q_lora_rank", "u32", c["q_lora_rank"] or 0)
    out.put(".attention.kv_lora_rank", "u32", kv)
    out.put(".attention.key_length", "u32", kv + rope)
    out.put(".attention.value_length", "u32", kv)
    out.put(".attention.key_length_mla", "u32", nope + rope)
    out.put(".attention.value_length_mla", "u32", c["v_head_dim"])
    out.put(".rope.dimension_count", "u32", rope)
    out.put(".expert_feed_forward_length", "u32", c["moe_intermediate_size"])
    out.put(".expert_count", "u32", c["n_routed_experts"])
    out.put(".expert_used_count", "u32", c["num_experts_per_tok"])
    out.put(".expert_shared_count", "u32", c["n_shared_experts"])
    out.put(".expert_weights_scale", "f32", float(c["routed_scaling_factor"]))
    out.put(".expert_weights_norm", "bool", bool(c["norm_topk_prob"]))
    out.put(".expert_group_count", "u32", c["n_group"])
    out.put(".expert_group_used_count", "u32", c["topk_group"])
    out.put(".expert_gating_func", "u32", 2 if c["scoring_func"] == "sigmoid" else 1)
    scaling = c.get("rope_scaling")
    if scaling:
        out.put(".rope.scaling.type", "str", "yarn")
        out.put(".rope.scaling.factor", "f32", float(scaling["factor"]))
        out.put(".rope.scaling.original_context_length", "u32", scaling["original_max_position_embeddings"])
        out.put(".rope.scaling.yarn_beta_fast", "f32", float(scaling["beta_fast"]))
        out.put(".rope.scaling.yarn_beta_slow", "f32", float(scaling["beta_slow"]))
        out.put(".rope.scaling.yarn_log_multiplier", "f32", 0.1 * scaling["mscale_all_dim"])


class Tensors:
    """Names of ours to names of theirs; remembers what has a place."""

    def __init__(self, out, checkpoint):
        self.out, self.checkpoint, self.placed = out, checkpoint, set()

    def matrix(self, to, name):
        self.placed.add(name)
        self.out.tensor(to, self.checkpoint.shape(name), lambda: self.checkpoint.bf16(name))

    def vector(self, to, name):  # small or delicate (norms, biases, the router): F32
        self.placed.add(name)
        self.out.tensor(to, self.checkpoint.shape(name), lambda: self.checkpoint.f32(name), F32)

    def stack(self, to, names):  # experts: one tensor [expert, out, in]
        self.placed.update(names)
        self.out.tensor(to, (len(names),) + self.checkpoint.shape(names[0]),
                        lambda: np.stack([self.checkpoint.bf16(n) for n in names]))

    def kv_b(self, block, name, c):  # per head: the key part transposed, the value part as it is
        self.placed.add(name)
        heads, nope, v, rank = (c[k] for k in ("num_attention_heads", "qk_nope_head_dim", "v_head_dim", "kv_lora_rank"))

        def parts():
            return self.checkpoint.bf16(name).reshape(heads, nope + v, rank)

        self.out.tensor(block + "attn_k_b.weight", (heads, rank, nope),
                        lambda: np.ascontiguousarray(parts()[:, :nope].transpose(0, 2, 1)))
        self.out.tensor(block + "attn_v_b.weight", (heads, v, rank), lambda: np.ascontiguousarray(parts()[:, nope:]))


def place_attention(t, c, a, b, deepseek):
    t.matrix(b + "attn_output.weight", a + "o_proj.weight")
    if not deepseek:
        for x in "qkv":
            t.matrix(f"{b}attn_{x}.weight", f"{a}{x}_proj.weight")
            t.vector(f"{b}attn_{x}.bias", f"{a}{x}_proj.bias")
        return
    if c["q_lora_rank"]:
        t.matrix(b + "attn_q_a.weight", a + "q_a_proj.weight")
        t.vector(b + "attn_q_a_norm.weight", a + "q_a_layernorm.weight")
        t.matrix(b + "attn_q_b.weight", a + "q_b_proj.weight")
    else:
        t.matrix(b + "attn_q.weight", a + "q_proj.weight")
    t.matrix(b + "attn_kv_a_mqa.weight", a + "kv_a_proj_with_mqa.weight")
    t.vector(b + "attn_kv_a_norm.weight", a + "kv_a_layernorm.weight")
    t.kv_b(b, a + "kv_b_proj.weight", c)


def place_layer(t, c, i, deepseek):
    p, b = f"model.layers.{i}.", f"blk.{i}."
    m = p + "mlp."
    t.vector(b + "attn_norm.weight", p + "input_layernorm.weight")
    t.vector(b + "ffn_norm.weight", p + "post_attention_layernorm.weight")
    place_attention(t, c, p + "self_attn.", b, deepseek)
    kinds = ("gate", "up", "down")
    if not deepseek or i < c["first_k_dense_replace"]:
        for k in kinds:
            t.matrix(f"{b}ffn_{k}.weight", f"{m}{k}_proj.weight")
        return
    t.vector(b + "ffn_gate_inp.weight", m + "gate.weight")
    if c["topk_method"] == "noaux_tc":
        t.vector(b + "exp_probs_b.bias", m + "gate.e_score_correction_bias")
    for k in kinds:
        t.stack(f"{b}ffn_{k}_exps.weight", [f"{m}experts.{e}.{k}_proj.weight" for e in range(c["n_routed_experts"])])
        t.matrix(f"{b}ffn_{k}_shexp.weight", f"{m}shared_experts.{k}_proj.weight")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    folder, path = sys.argv[1:]
    c = read_json(folder, "config.json")
    architecture = c["architectures"][0]
    deepseek = architecture in ("DeepseekV2ForCausalLM", "DeepseekV3ForCausalLM")
    if not deepseek and architecture != "Qwen2ForCausalLM":
        sys.exit(f"error: to_gguf: {folder}: architecture {architecture} is not known")
    out, checkpoint = GgufFile("deepseek2" if deepseek else "qwen2"), Checkpoint(folder)
    put_common(out, c, 1 if deepseek else c["num_key_value_heads"])
    if deepseek:
        put_deepseek(out, c)
    put_tokenizer(out, folder, c)
    t = Tensors(out, checkpoint)
    t.matrix("token_embd.weight", "model.embed_tokens.weight")
    for i in range(c["num_hidden_layers"]):
        place_layer(t, c, i, deepseek)
    t.vector("output_norm.weight", "model.norm.weight")
    t.matrix("output.weight", "lm_head.weight")

    def wanted(name):
        mtp = name.startswith("model.layers.") and int(name.split(".")[2]) >= c["num_hidden_layers"]
        return not mtp and not name.endswith("_scale_inv")

    left = sorted(n for n in checkpoint.where if n not in t.placed and wanted(n))
    if left:
        sys.exit(f"error: to_gguf: {folder}: {len(left)} tensors have no place, the first is {left[0]}")
    out.write(path)
    print(f"{path}: {os.path.getsize(path)} bytes, {len(out.tensors)} tensors")


if __name__ == "__main__":
    main()
