#!/usr/bin/env python3
"""Every served family again, independently, in numpy.

  oracle.py make DIR --seed N     writes a random checkpoint (random_models.py: family, shape, number form and prompts
                                  follow from N), its cases and its expected logits in the layout of the folders here
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

import random_models

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
        elif t["dtype"] == "F16":
            a = np.frombuffer(raw, "<f2").astype(np.float64)
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
        """cos and sin [n, d/2]; d is the rotary size, which is MLA's rope part or a whole head."""
        c = self.c
        d = c["qk_rope_head_dim"] if "kv_lora_rank" in c else self.head_dim()
        theta, s = c["rope_theta"], c.get("rope_scaling") or {}
        kind = s.get("rope_type", s.get("type", "default"))
        f, mul = theta**(-np.arange(0, d, 2) / d), 1.0
        if kind == "linear":
            f = f / s["factor"]
        elif kind == "llama3":
            wave, old = 2 * math.pi / f, s["original_max_position_embeddings"]
            mix = (old / wave - s["low_freq_factor"]) / (s["high_freq_factor"] - s["low_freq_factor"])
            f = np.where(wave > old / s["low_freq_factor"], f / s["factor"],
                         np.where(wave < old / s["high_freq_factor"], f, (1 - mix) * f / s["factor"] + mix * f))
        elif kind == "yarn":
            corr = lambda r: d * math.log(s["original_max_position_embeddings"] / (2 * math.pi * r)) / (2 * math.log(theta))
            lo = max(math.floor(corr(s.get("beta_fast", 32))), 0)
            hi = min(math.ceil(corr(s.get("beta_slow", 1))), d - 1)
            ramp = np.clip((np.arange(d // 2) - lo) / ((hi - lo) or 0.001), 0, 1)
            f = f / s["factor"] * ramp + f * (1 - ramp)
            m = lambda x: 0.1 * x * math.log(s["factor"]) + 1 if s["factor"] > 1 else 1.0
            mul = m(s.get("mscale", 1)) / m(s.get("mscale_all_dim", 0))
            if c["model_type"] == "qwen2":
                mul = s.get("attention_factor") or m(1)
        angle = np.outer(np.arange(n), f)
        return (np.cos(angle) * mul).astype(self.dt), (np.sin(angle) * mul).astype(self.dt)

    def head_dim(self):
        return self.c.get("head_dim") or self.c["hidden_size"] // self.c["num_attention_heads"]

    def rotate(self, x, cos, sin):
        """x [T, heads, d]: interleaved pairs in MLA, channel i with i + d/2 elsewhere."""
        half = x.shape[-1] // 2
        pairs = (slice(0, None, 2), slice(1, None, 2)) if "kv_lora_rank" in self.c else (slice(half), slice(half, None))
        a, b = x[..., pairs[0]], x[..., pairs[1]]
        out = np.empty_like(x)
        out[..., pairs[0]] = a * cos[:, None] - b * sin[:, None]
        out[..., pairs[1]] = a * sin[:, None] + b * cos[:, None]
        return out

    def attend(self, q, k, v, scale):
        """q, k [T, heads, d], v [T, heads, dv] -> [T, heads * dv], causal."""
        n = len(q)
        score = np.einsum("qhd,khd->hqk", q, k) * self.dt(scale)
        score = np.where(np.tril(np.ones((n, n), bool)), score, -np.inf)
        score = np.exp(score - score.max(-1, keepdims=True))
        score /= score.sum(-1, keepdims=True)
        return np.einsum("hqk,khd->qhd", score, v).reshape(n, -1)

    def gqa(self, p, x):
        c, n, d = self.c, len(x), self.head_dim()
        cos, sin = self.rope_tables(n)

        def project(name):
            y = x @ self.w(p + name).T
            if c["model_type"] == "qwen2":
                y = y + self.t[p + name + ".bias"].astype(self.dt)
            return y.reshape(n, -1, d)

        group = c["num_attention_heads"] // c["num_key_value_heads"]
        k, v = (np.repeat(y, group, 1) for y in (self.rotate(project("k_proj"), cos, sin), project("v_proj")))
        return self.attend(self.rotate(project("q_proj"), cos, sin), k, v, d**-0.5) @ self.w(p + "o_proj").T

    def mla(self, p, x):
        c, n = self.c, len(x)
        heads, nope, rope, v, lora = (c["num_attention_heads"], c["qk_nope_head_dim"], c["qk_rope_head_dim"],
                                      c["v_head_dim"], c["kv_lora_rank"])
        if c["q_lora_rank"]:
            q = self.norm(x @ self.w(p + "q_a_proj").T, self.w(p + "q_a_layernorm"), 1e-6) @ self.w(p + "q_b_proj").T
        else:
            q = x @ self.w(p + "q_proj").T
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
        return self.attend(q, k, up[..., nope:], scale) @ self.w(p + "o_proj").T

    def ffn(self, p, x):
        g = x @ self.w(p + "gate_proj").T
        return (g / (1 + np.exp(-g)) * (x @ self.w(p + "up_proj").T)) @ self.w(p + "down_proj").T

    def note_margin(self, ordered, k):
        if k < ordered.shape[-1]:
            gap = (ordered[:, k - 1] - ordered[:, k])
            self.margin = min(self.margin, gap[np.isfinite(gap)].min(initial=np.inf))

    def route(self, p, x):
        """Expert ids [T, k], best first, and their weights."""
        c, n, k = self.c, len(x), self.c["num_experts_per_tok"]
        method = "greedy" if c["model_type"] == "deepseek" else c["topk_method"]
        raw = x @ self.w(p + "gate").T
        if method == "noaux_tc":
            s = 1 / (1 + np.exp(-raw))
            choice = s + self.t[p + "gate.e_score_correction_bias"].astype(self.dt)
        else:
            s = np.exp(raw - raw.max(-1, keepdims=True))
            s = choice = s / s.sum(-1, keepdims=True)
        if method in ("noaux_tc", "group_limited_greedy"):
            groups, kept = c["n_group"], c["topk_group"]
            best_of = 2 if method == "noaux_tc" else 1
            group_score = np.sort(choice.reshape(n, groups, -1), -1)[..., -best_of:].sum(-1)
            self.note_margin(-np.sort(-group_score, -1), kept)
            mask = np.zeros((n, groups), bool)
            np.put_along_axis(mask, np.argsort(-group_score, -1, kind="stable")[:, :kept], True, 1)
            choice = np.where(np.repeat(mask, choice.shape[1] // groups, 1), choice, -np.inf)
        self.note_margin(-np.sort(-choice, -1), k)
        ids = np.argsort(-choice, -1, kind="stable")[:, :k]
        weight = np.take_along_axis(s, ids, 1)
        scale = self.dt(c.get("routed_scaling_factor", 1))
        if method == "noaux_tc":
            return ids, weight / (weight.sum(-1, keepdims=True) + 1e-20 if c["norm_topk_prob"] else 1) * scale
        # DeepSeek's own V1 and V2 code: normalised or scaled, never both, and never for a single expert.
        if c["norm_topk_prob"] and k > 1:
            return ids, weight / (weight.sum(-1, keepdims=True) + 1e-20)
        return ids, weight * scale

    def moe(self, p, x):
        ids, weight = self.route(p, x)
        out = self.ffn(p + "shared_experts.", x) if self.c["n_shared_experts"] else np.zeros_like(x)
        for e in range(self.c["n_routed_experts"]):
            row, slot = np.nonzero(ids == e)
            if len(row):
                out[row] += weight[row, slot, None] * self.ffn(f"{p}experts.{e}.", x[row])
        return out

    def layer(self, i, h):
        p, eps, c = f"model.layers.{i}.", self.c["rms_norm_eps"], self.c
        attention = self.mla if "kv_lora_rank" in c else self.gqa
        h = h + attention(p + "self_attn.", self.norm(h, self.w(p + "input_layernorm"), eps))
        x = self.norm(h, self.w(p + "post_attention_layernorm"), eps)
        dense = "n_routed_experts" not in c or i < c["first_k_dense_replace"]
        return h + (self.ffn(p + "mlp.", x) if dense else self.moe(p + "mlp.", x))

    def logits(self, ids):
        """[T, vocab], and [T-1, vocab] of the MTP layer if there is one."""
        c, eps = self.c, self.c["rms_norm_eps"]
        h = self.w("model.embed_tokens")[ids]
        for i in range(c["num_hidden_layers"]):
            h = self.layer(i, h)
        h = self.norm(h, self.w("model.norm"), eps)
        head = "model.embed_tokens" if c["tie_word_embeddings"] else "lm_head"
        main, mtp = h @ self.w(head).T, None
        if c.get("num_nextn_predict_layers") and len(ids) > 1:
            p = f"model.layers.{c['num_hidden_layers']}."
            both = np.concatenate([self.norm(self.w(p + "embed_tokens")[ids[1:]], self.w(p + "enorm"), eps),
                                   self.norm(h[:-1], self.w(p + "hnorm"), eps)], -1)
            x = self.layer(c["num_hidden_layers"], both @ self.w(p + "eh_proj").T)
            mtp = self.norm(x, self.w(p + "shared_head.norm"), eps) @ self.w(p + "shared_head.head").T
        return main, mtp


# ---- random checkpoints
def make(folder, seed, family):
    r = np.random.default_rng(seed)
    cfg, form = random_models.config(r, family or random_models.FAMILIES[seed % len(random_models.FAMILIES)])
    stored = random_models.tensors(cfg, form, r)
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
    print(f"seed {seed}: {form}, tolerance {8 * worst:.2g}, {json.dumps(cfg)}")


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
    p.add_argument("--family", choices=random_models.FAMILIES)
    sub.add_parser("check").add_argument("folder")
    args = parser.parse_args()
    if args.command == "make":
        make(args.folder, args.seed, args.family)
        return 0
    return 0 if check(args.folder) else 1


if __name__ == "__main__":
    sys.exit(main())
