#!/usr/bin/env python3
"""An independent DeepSeek-V3 in numpy, and random checkpoints of any shape with the logits they must give.

  oracle.py make DIR --seed N     writes a random checkpoint (shape, number form and prompts follow from N), its cases
                                  and its expected logits in the layout of the other folders here
  oracle.py check FOLDER          recomputes a stored golden folder: the largest difference must be tiny

Written from the facts in README.md (float64, eager attention, exact FP8 dequantisation). The tolerance in the header of
expected.safetensors is 8 x the error of the same computation in float32. Needs numpy only.
"""
import argparse
import json
import math
import os
import struct
import sys

import numpy as np

E4M3 = np.array([(-1.0 if c & 128 else 1.0) * ((c & 7) / 8 * 2.0**-6 if not c >> 3 & 15 else
                 (1 + (c & 7) / 8) * 2.0**((c >> 3 & 15) - 7)) for c in range(256)])
E4M3[[0x7F, 0xFF]] = np.nan


# ---- safetensors
def load(path):
    """name -> float64 array (FP8 as uint8 codes, I32 as int), and the metadata."""
    with open(path, "rb") as f:
        size = struct.unpack("<Q", f.read(8))[0]
        head, body = json.loads(f.read(size)), f.read()
    meta, out = head.pop("__metadata__", {}), {}
    for name, t in head.items():
        raw = body[t["data_offsets"][0]:t["data_offsets"][1]]
        if t["dtype"] == "BF16":
            a = (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32).astype(np.float64)
        elif t["dtype"] == "F8_E4M3":
            a = np.frombuffer(raw, "u1")
        elif t["dtype"] == "I32":
            a = np.frombuffer(raw, "<i4")
        else:
            a = np.frombuffer(raw, "<f4").astype(np.float64)
        out[name] = a.reshape(t["shape"])
    return out, meta


def save(path, tensors, meta=None):
    """tensors: name -> (dtype, array of the stored representation)."""
    head, at = {"__metadata__": meta or {"format": "pt"}}, 0
    for name, (dtype, a) in tensors.items():
        head[name] = {"dtype": dtype, "shape": list(a.shape), "data_offsets": [at, at + a.nbytes]}
        at += a.nbytes
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for _, a in tensors.values():
            f.write(np.ascontiguousarray(a).tobytes())


def bf16(x):
    u = np.ascontiguousarray(x, np.float32).view(np.uint32)
    return ((u + 0x7FFF + (u >> 16 & 1)) >> 16).astype(np.uint16)


# ---- the model
class Model:
    def __init__(self, cfg, tensors, dtype=np.float64):
        self.c, self.t, self.dt = cfg, tensors, dtype
        self.margin = np.inf  # smallest distance of a routing decision

    def w(self, name):
        a = self.t[name + ".weight"]
        if a.dtype == np.uint8:
            scale = self.t[name + ".weight_scale_inv"]
            grown = np.repeat(np.repeat(scale, 128, 0), 128, 1)[:a.shape[0], :a.shape[1]]
            a = E4M3[a] * grown
        return a.astype(self.dt)

    def norm(self, x, weight, eps):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.dt(eps)) * weight

    def rope_tables(self, n):
        c = self.c
        d, theta, s = c["qk_rope_head_dim"], c["rope_theta"], c.get("rope_scaling")
        f = theta**(-np.arange(0, d, 2) / d)
        mul = 1.0
        if s:
            corr = lambda r: d * math.log(s["original_max_position_embeddings"] / (2 * math.pi * r)) / (2 * math.log(theta))
            lo, hi = max(math.floor(corr(s["beta_fast"])), 0), min(math.ceil(corr(s["beta_slow"])), d - 1)
            ramp = np.clip((np.arange(d // 2) - lo) / ((hi - lo) or 0.001), 0, 1)
            f = f / s["factor"] * ramp + f * (1 - ramp)
            m = lambda x: 0.1 * x * math.log(s["factor"]) + 1 if s["factor"] > 1 else 1.0
            mul = m(s.get("mscale", 1)) / m(s.get("mscale_all_dim", 0))
        angle = np.outer(np.arange(n), f)
        return (np.cos(angle) * mul).astype(self.dt), (np.sin(angle) * mul).astype(self.dt)

    def rotate(self, x, cos, sin):  # x [T, heads, d], interleaved pairs
        a, b = x[..., 0::2], x[..., 1::2]
        out = np.empty_like(x)
        out[..., 0::2] = a * cos[:, None] - b * sin[:, None]
        out[..., 1::2] = a * sin[:, None] + b * cos[:, None]
        return out

    def attention(self, p, x):
        c, n = self.c, len(x)
        heads, nope, rope, v, lora = (c["num_attention_heads"], c["qk_nope_head_dim"], c["qk_rope_head_dim"],
                                      c["v_head_dim"], c["kv_lora_rank"])
        q = self.norm(x @ self.w(p + "q_a_proj").T, self.w(p + "q_a_layernorm"), 1e-6) @ self.w(p + "q_b_proj").T
        q = q.reshape(n, heads, nope + rope)
        kv = x @ self.w(p + "kv_a_proj_with_mqa").T
        latent = self.norm(kv[:, :lora], self.w(p + "kv_a_layernorm"), 1e-6)
        cos, sin = self.rope_tables(n)
        k_rope = self.rotate(kv[:, None, lora:], cos, sin)
        up = (latent @ self.w(p + "kv_b_proj").T).reshape(n, heads, nope + v)
        q = np.concatenate([q[..., :nope], self.rotate(q[..., nope:], cos, sin)], -1)
        k = np.concatenate([up[..., :nope], np.broadcast_to(k_rope, (n, heads, rope))], -1)
        scale, s = (nope + rope)**-0.5, c.get("rope_scaling")
        if s and s.get("mscale_all_dim"):
            scale *= (0.1 * s["mscale_all_dim"] * math.log(s["factor"]) + 1)**2
        score = np.einsum("qhd,khd->hqk", q, k) * self.dt(scale)
        score = np.where(np.tril(np.ones((n, n), bool)), score, -np.inf)
        score = np.exp(score - score.max(-1, keepdims=True))
        score /= score.sum(-1, keepdims=True)
        out = np.einsum("hqk,khd->qhd", score, up[..., nope:]).reshape(n, heads * v)
        return out @ self.w(p + "o_proj").T

    def ffn(self, p, x):
        g = x @ self.w(p + "gate_proj").T
        return (g / (1 + np.exp(-g)) * (x @ self.w(p + "up_proj").T)) @ self.w(p + "down_proj").T

    def note_margin(self, ordered, k):
        if k < ordered.shape[-1]:
            gap = (ordered[:, k - 1] - ordered[:, k])
            self.margin = min(self.margin, gap[np.isfinite(gap)].min(initial=np.inf))

    def moe(self, p, x):
        c, n = self.c, len(x)
        experts, k, groups, kept = c["n_routed_experts"], c["num_experts_per_tok"], c["n_group"], c["topk_group"]
        s = 1 / (1 + np.exp(-(x @ self.w(p + "gate").T)))
        choice = s + self.t[p + "gate.e_score_correction_bias"].astype(self.dt)
        g = choice.reshape(n, groups, -1)
        group_score = np.sort(g, -1)[..., -2:].sum(-1)
        self.note_margin(-np.sort(-group_score, -1), kept)
        best = np.argsort(-group_score, -1, kind="stable")[:, :kept]
        mask = np.zeros((n, groups), bool)
        np.put_along_axis(mask, best, True, 1)
        choice = np.where(np.repeat(mask, experts // groups, 1), choice, -np.inf)
        self.note_margin(-np.sort(-choice, -1), k)
        ids = np.argsort(-choice, -1, kind="stable")[:, :k]
        weight = np.take_along_axis(s, ids, 1)
        if c["norm_topk_prob"]:
            weight = weight / (weight.sum(-1, keepdims=True) + 1e-20)
        weight = weight * self.dt(c["routed_scaling_factor"])
        out = self.ffn(p + "shared_experts.", x) if c["n_shared_experts"] else np.zeros_like(x)
        for e in range(experts):
            row, slot = np.nonzero(ids == e)
            if len(row):
                out[row] += weight[row, slot, None] * self.ffn(f"{p}experts.{e}.", x[row])
        return out

    def layer(self, i, h):
        p, eps, c = f"model.layers.{i}.", self.c["rms_norm_eps"], self.c
        h = h + self.attention(p + "self_attn.", self.norm(h, self.w(p + "input_layernorm"), eps))
        x = self.norm(h, self.w(p + "post_attention_layernorm"), eps)
        dense = i < c["first_k_dense_replace"]
        return h + (self.ffn(p + "mlp.", x) if dense else self.moe(p + "mlp.", x))

    def logits(self, ids):
        """[T, vocab], and [T-1, vocab] of the MTP layer if there is one."""
        c, eps = self.c, self.c["rms_norm_eps"]
        h = self.w("model.embed_tokens")[ids]
        for i in range(c["num_hidden_layers"]):
            h = self.layer(i, h)
        h = self.norm(h, self.w("model.norm"), eps)
        main, mtp = h @ self.w("lm_head").T, None
        if c.get("num_nextn_predict_layers") and len(ids) > 1:
            p = f"model.layers.{c['num_hidden_layers']}."
            both = np.concatenate([self.norm(self.w(p + "embed_tokens")[ids[1:]], self.w(p + "enorm"), eps),
                                   self.norm(h[:-1], self.w(p + "hnorm"), eps)], -1)
            x = self.layer(c["num_hidden_layers"], both @ self.w(p + "eh_proj").T)
            mtp = self.norm(x, self.w(p + "shared_head.norm"), eps) @ self.w(p + "shared_head.head").T
        return main, mtp


# ---- random checkpoints
def random_config(r):
    pick = lambda *a: a[r.integers(len(a))]
    groups = int(pick(1, 2, 4))
    experts = groups * int(pick(2, 3, 5))
    kept = int(r.integers(1, groups + 1))
    layers = int(pick(2, 3))
    cfg = {
        "architectures": ["DeepseekV3ForCausalLM"], "model_type": "deepseek_v3", "attention_bias": False,
        "bos_token_id": 0, "eos_token_id": 1, "hidden_act": "silu", "hidden_size": int(pick(64, 96, 136, 192)),
        "intermediate_size": int(pick(80, 160, 200)), "kv_lora_rank": int(pick(32, 48, 136)),
        "max_position_embeddings": 1024, "moe_intermediate_size": int(pick(24, 40, 64)), "moe_layer_freq": 1,
        "n_group": groups, "topk_group": kept, "n_routed_experts": experts, "n_shared_experts": int(pick(1, 2)),
        "norm_topk_prob": bool(pick(True, True, False)), "num_attention_heads": int(pick(1, 3, 4)),
        "num_experts_per_tok": int(r.integers(1, min(4, kept * experts // groups) + 1)),
        "num_hidden_layers": layers, "num_nextn_predict_layers": int(pick(0, 1)),
        "first_k_dense_replace": int(r.integers(0, layers)), "q_lora_rank": int(pick(24, 72, 130)),
        "qk_nope_head_dim": int(pick(16, 40, 64)), "qk_rope_head_dim": int(pick(8, 16, 32)),
        "v_head_dim": int(pick(16, 24, 48)), "rms_norm_eps": float(pick(1e-5, 1e-6)),
        "rope_theta": float(pick(10000, 50000)), "routed_scaling_factor": float(pick(1.0, 2.5)),
        "scoring_func": "sigmoid", "tie_word_embeddings": False, "topk_method": "noaux_tc",
        "torch_dtype": "bfloat16", "vocab_size": int(pick(129, 300)),
    }
    cfg["num_key_value_heads"] = cfg["num_attention_heads"]
    if pick(True, True, False):
        cfg["rope_scaling"] = {"type": "yarn", "factor": float(pick(4, 40)), "beta_fast": 32, "beta_slow": 1,
                               "original_max_position_embeddings": int(pick(32, 256)),
                               "mscale": float(pick(0.707, 1.0)), "mscale_all_dim": float(pick(0.707, 1.0))}
    if pick(True, False):
        cfg["quantization_config"] = {"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic",
                                      "weight_block_size": [128, 128]}
    return cfg


def random_tensors(cfg, r):
    """name -> (dtype, stored array), in the native names."""
    fp8, out = "quantization_config" in cfg, {}
    hidden, heads = cfg["hidden_size"], cfg["num_attention_heads"]

    def plain(name, *shape, scale=1.0, center=0.0):
        out[name + ".weight"] = ("BF16", bf16(center + scale * r.standard_normal(shape)))

    def linear(name, rows, cols, gain=1.0):
        w = gain * r.standard_normal((rows, cols)) / math.sqrt(cols)
        if not fp8:
            out[name + ".weight"] = ("BF16", bf16(w))
            return
        blocks = (-(-rows // 128), -(-cols // 128))
        scale = np.zeros(blocks, np.float32)
        codes = np.zeros((rows, cols), np.uint8)
        table = np.abs(E4M3[:127])
        for i in range(blocks[0]):
            for j in range(blocks[1]):
                part = w[i * 128:(i + 1) * 128, j * 128:(j + 1) * 128]
                scale[i, j] = np.abs(part).max() / 448 * r.uniform(1, 1.5)
                near = np.abs(part) / scale[i, j]
                at = np.clip(np.searchsorted(table, near), 1, 126)
                at = np.where(near - table[at - 1] < table[at] - near, at - 1, at)
                codes[i * 128:(i + 1) * 128, j * 128:(j + 1) * 128] = at | np.where(part < 0, 128, 0)
        out[name + ".weight"], out[name + ".weight_scale_inv"] = ("F8_E4M3", codes), ("F32", scale)

    def ffn(p, width):
        linear(p + "gate_proj", width, hidden)
        linear(p + "up_proj", width, hidden)
        linear(p + "down_proj", hidden, width)

    def norm(name, n):
        plain(name, n, scale=0.2, center=1.0)

    def layer(i, dense):
        p = f"model.layers.{i}."
        norm(p + "input_layernorm", hidden)
        norm(p + "post_attention_layernorm", hidden)
        a = p + "self_attn."
        q, lora = cfg["q_lora_rank"], cfg["kv_lora_rank"]
        nope, rope, v = cfg["qk_nope_head_dim"], cfg["qk_rope_head_dim"], cfg["v_head_dim"]
        linear(a + "q_a_proj", q, hidden)
        norm(a + "q_a_layernorm", q)
        linear(a + "q_b_proj", heads * (nope + rope), q, 2.0)
        linear(a + "kv_a_proj_with_mqa", lora + rope, hidden)
        norm(a + "kv_a_layernorm", lora)
        linear(a + "kv_b_proj", heads * (nope + v), lora)
        linear(a + "o_proj", hidden, heads * v)
        if dense:
            ffn(p + "mlp.", cfg["intermediate_size"])
            return
        plain(p + "mlp.gate", cfg["n_routed_experts"], hidden, scale=hidden**-0.5)
        bias = r.uniform(-0.6, 0.3, cfg["n_routed_experts"]).astype(np.float32)
        out[p + "mlp.gate.e_score_correction_bias"] = ("F32", bias)
        for e in range(cfg["n_routed_experts"]):
            ffn(f"{p}mlp.experts.{e}.", cfg["moe_intermediate_size"])
        ffn(p + "mlp.shared_experts.", cfg["moe_intermediate_size"] * cfg["n_shared_experts"])

    plain("model.embed_tokens", cfg["vocab_size"], hidden)
    for i in range(cfg["num_hidden_layers"]):
        layer(i, i < cfg["first_k_dense_replace"])
    norm("model.norm", hidden)
    plain("lm_head", cfg["vocab_size"], hidden, scale=2.3 * hidden**-0.5)
    if cfg["num_nextn_predict_layers"]:
        p = f"model.layers.{cfg['num_hidden_layers']}."
        layer(cfg["num_hidden_layers"], False)
        out[p + "embed_tokens.weight"] = out["model.embed_tokens.weight"]
        out[p + "shared_head.head.weight"] = out["lm_head.weight"]
        for n in ("enorm", "hnorm", "shared_head.norm"):
            norm(p + n, hidden)
        plain(p + "eh_proj", hidden, 2 * hidden, scale=(2 * hidden)**-0.5)
    return out


def make(folder, seed):
    r = np.random.default_rng(seed)
    cfg = random_config(r)
    stored = random_tensors(cfg, r)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as f:
        json.dump(cfg, f, indent=1)
    save(os.path.join(folder, "model.safetensors"), stored)
    tensors, _ = load(os.path.join(folder, "model.safetensors"))
    cases, expected, worst = {}, {}, 0.0
    for length in (1, 9, 70, 131):
        for _ in range(200):  # until every routing decision of the prompt is decisive
            ids = r.integers(2, cfg["vocab_size"], length).astype(np.int32)
            exact = Model(cfg, tensors)
            main, mtp = exact.logits(ids)
            if exact.margin > 2e-5:
                break
        else:
            sys.exit(f"oracle: seed {seed}: no prompt of {length} tokens with decisive routing")
        cases[f"t{length}.input_ids"] = ("I32", ids)
        low, low_mtp = Model(cfg, tensors, np.float32).logits(ids)
        expected[f"t{length}.logits"] = ("F32", main.astype(np.float32))
        worst = max(worst, np.abs(low - main).max())
        if mtp is not None:
            expected[f"t{length}.mtp_logits"] = ("F32", mtp.astype(np.float32))
            worst = max(worst, np.abs(low_mtp - mtp).max())
    save(os.path.join(folder, "cases.safetensors"), cases)
    save(os.path.join(folder, "expected.safetensors"), expected, {"tol_fp32": f"{8 * worst:.2g}", "kl_bf16": "0.05"})
    shape = {k: cfg[k] for k in ("hidden_size", "num_attention_heads", "kv_lora_rank", "n_group", "n_routed_experts",
                                 "num_experts_per_tok", "num_hidden_layers", "num_nextn_predict_layers")}
    print(f"seed {seed}: {'fp8' if 'quantization_config' in cfg else 'bf16'}, tolerance {8 * worst:.2g}, {shape}")


def check(folder):
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as f:
        cfg = json.load(f)
    tensors = {}
    for name in sorted(os.listdir(folder)):
        if name.startswith("model") and name.endswith(".safetensors"):
            tensors.update(load(os.path.join(folder, name))[0])
    cases, _ = load(os.path.join(folder, "cases.safetensors"))
    expected, _ = load(os.path.join(folder, "expected.safetensors"))
    worst = 0.0
    for name, want in expected.items():
        case, kind = name.split(".")
        if kind not in ("logits", "mtp_logits"):
            continue
        main, mtp = Model(cfg, tensors).logits(cases[case + ".input_ids"])
        got = main if kind == "logits" else mtp
        at = expected.get(case + (".positions" if kind == "logits" else ".mtp_positions"))
        worst = max(worst, np.abs((got if at is None else got[at]) - want).max())
    print(f"{folder}: largest difference {worst:.2e}")
    return worst < 5e-6


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sub = parser.add_subparsers(dest="command", required=True)
    p = sub.add_parser("make")
    p.add_argument("folder")
    p.add_argument("--seed", type=int, required=True)
    sub.add_parser("check").add_argument("folder")
    args = parser.parse_args()
    if args.command == "make":
        make(args.folder, args.seed)
        return 0
    return 0 if check(args.folder) else 1


if __name__ == "__main__":
    sys.exit(main())
