"""Random checkpoints for oracle.py: a config.json of any shape of a family, and its tensors in native names."""
import math

import numpy as np

FAMILIES = ("deepseek_v3", "deepseek_v2", "deepseek", "llama", "qwen2", "deepseek_v2_lite")
CLASSES = {"deepseek_v3": "DeepseekV3ForCausalLM", "deepseek_v2": "DeepseekV2ForCausalLM",
           "deepseek": "DeepseekForCausalLM", "llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM"}
# Magnitudes of the E4M3 codes 0 to 126.
E4M3 = np.array([(c & 7) / 8 * 2.0**-6 if c < 8 else (1 + (c & 7) / 8) * 2.0**((c >> 3) - 7) for c in range(127)])


def bf16(x):
    u = np.ascontiguousarray(x, np.float32).view(np.uint32)
    return ((u + 0x7FFF + (u >> 16 & 1)) >> 16).astype(np.uint16)


def config(r, family):
    """config.json, and the form of the linears: BF16, F16, F32 or F8_E4M3."""
    pick = lambda *a: a[r.integers(len(a))]
    layers, heads = int(pick(2, 3)), int(pick(1, 3, 4, 6))
    cfg = {
        "bos_token_id": 0, "eos_token_id": 1, "hidden_act": "silu", "hidden_size": int(pick(64, 96, 135, 192)),
        "intermediate_size": int(pick(80, 160, 201)), "max_position_embeddings": 1024, "num_attention_heads": heads,
        "num_hidden_layers": layers, "num_key_value_heads": heads, "rms_norm_eps": float(pick(1e-5, 1e-6)),
        "rope_scaling": None, "rope_theta": float(pick(10000, 50000)), "tie_word_embeddings": False,
        "torch_dtype": "bfloat16", "vocab_size": int(pick(129, 300)),
    }
    cfg["model_type"] = family.removesuffix("_lite")
    cfg["architectures"] = [CLASSES[cfg["model_type"]]]
    forms = {"deepseek_v3": ("BF16", "F8_E4M3")}.get(family, ("BF16", "BF16", "F16", "F32"))
    if family in ("llama", "qwen2", "deepseek"):
        gqa(cfg, pick)
    else:
        mla(cfg, pick, family)
    if cfg["model_type"].startswith("deepseek"):
        experts(cfg, r, pick, family)
    form = str(pick(*forms))
    if form == "F8_E4M3":
        cfg["quantization_config"] = {"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic",
                                      "weight_block_size": [128, 128]}
    return cfg, form


def gqa(cfg, pick):
    heads = cfg["num_attention_heads"]
    cfg["num_key_value_heads"] = int(pick(*[n for n in (1, 2, 3, 6) if heads % n == 0]))
    if cfg["hidden_size"] % (2 * heads) or pick(True, False):
        cfg["head_dim"] = int(pick(8, 22, 48))
    if cfg["model_type"] == "deepseek":
        return
    cfg["tie_word_embeddings"] = bool(pick(True, False))
    old = int(pick(16, 64))
    if cfg["model_type"] == "qwen2":
        cfg.update(use_sliding_window=False, sliding_window=64, max_window_layers=1)
        cfg["rope_scaling"] = pick(None, {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": old},
                                   {"rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": old,
                                    "attention_factor": 1.3, "beta_fast": 16})
        return
    cfg.update(attention_bias=False, mlp_bias=False, pretraining_tp=1)
    cfg["rope_scaling"] = pick(None, {"type": "linear", "factor": 4.0},
                               {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                                "original_max_position_embeddings": old})


def mla(cfg, pick, family):
    cfg.update(attention_bias=False, kv_lora_rank=int(pick(32, 48, 136)), qk_nope_head_dim=int(pick(16, 40, 64)),
               qk_rope_head_dim=int(pick(8, 16, 32)), v_head_dim=int(pick(16, 24, 48)),
               q_lora_rank=None if family == "deepseek_v2_lite" else pick(24, 72, 130, None))
    if pick(True, True, False):
        cfg["rope_scaling"] = {"type": "yarn", "factor": float(pick(4, 40)), "beta_fast": 32, "beta_slow": 1,
                               "original_max_position_embeddings": int(pick(32, 256)),
                               "mscale": float(pick(0.707, 1.0)), "mscale_all_dim": float(pick(0.707, 1.0))}


def experts(cfg, r, pick, family):
    v3 = family == "deepseek_v3"
    groups = int(pick(1, 2, 4)) if family in ("deepseek_v3", "deepseek_v2") else 1
    kept = int(r.integers(1, groups + 1))
    routed = groups * int(pick(2, 3, 5))
    cfg.update(first_k_dense_replace=int(r.integers(0, cfg["num_hidden_layers"])), n_routed_experts=routed,
               moe_intermediate_size=int(pick(24, 41, 64)), moe_layer_freq=1,
               n_shared_experts=pick(1, 2, None), norm_topk_prob=bool(pick(True, False)),
               num_experts_per_tok=int(r.integers(1, min(4, kept * routed // groups) + 1)),
               scoring_func="sigmoid" if v3 else "softmax")
    if family == "deepseek":
        return
    cfg.update(n_group=groups, topk_group=kept, routed_scaling_factor=float(pick(1.0, 2.5)))
    cfg["topk_method"] = {"deepseek_v3": "noaux_tc", "deepseek_v2": "group_limited_greedy"}.get(family) or str(
        pick("greedy", "gready"))
    if v3:
        cfg["num_nextn_predict_layers"] = int(pick(0, 1))


class Tensors:
    """name -> (dtype, stored array)."""

    def __init__(self, cfg, form, r):
        self.c, self.form, self.r, self.out = cfg, form, r, {}

    def plain(self, name, *shape, scale=1.0, center=0.0):
        """Never FP8."""
        x = center + scale * self.r.standard_normal(shape)
        form = "BF16" if self.form == "F8_E4M3" else self.form
        cast = {"BF16": bf16, "F16": lambda v: v.astype("<f2"), "F32": lambda v: v.astype("<f4")}[form]
        self.out[name] = (form, cast(x))

    def linear(self, name, rows, cols, gain=1.0):
        if self.form != "F8_E4M3":
            self.plain(name + ".weight", rows, cols, scale=gain / math.sqrt(cols))
            return
        w = gain * self.r.standard_normal((rows, cols)) / math.sqrt(cols)
        scale = np.zeros((-(-rows // 128), -(-cols // 128)), np.float32)
        codes = np.zeros((rows, cols), np.uint8)
        for i, j in np.ndindex(scale.shape):
            block = (slice(i * 128, (i + 1) * 128), slice(j * 128, (j + 1) * 128))
            part = w[block]
            scale[i, j] = np.abs(part).max() / 448 * self.r.uniform(1, 1.5)
            near = np.abs(part) / scale[i, j]
            at = np.clip(np.searchsorted(E4M3, near), 1, 126)
            at = np.where(near - E4M3[at - 1] < E4M3[at] - near, at - 1, at)
            codes[block] = at | np.where(part < 0, 128, 0)
        self.out[name + ".weight"], self.out[name + ".weight_scale_inv"] = ("F8_E4M3", codes), ("F32", scale)

    def norm(self, name, n):
        self.plain(name + ".weight", n, scale=0.2, center=1.0)

    def ffn(self, p, width):
        hidden = self.c["hidden_size"]
        self.linear(p + "gate_proj", width, hidden)
        self.linear(p + "up_proj", width, hidden)
        self.linear(p + "down_proj", hidden, width)

    def gqa(self, p):
        c = self.c
        hidden, heads, d = c["hidden_size"], c["num_attention_heads"], c.get("head_dim")
        d = d or hidden // heads
        for name, n in (("q", heads), ("k", c["num_key_value_heads"]), ("v", c["num_key_value_heads"])):
            self.linear(f"{p}{name}_proj", n * d, hidden, 1.0 if name == "v" else 1.5)
            if c["model_type"] == "qwen2":
                self.plain(f"{p}{name}_proj.bias", n * d, scale=0.5)
        self.linear(p + "o_proj", hidden, heads * d)

    def mla(self, p):
        c = self.c
        hidden, heads, q, lora = c["hidden_size"], c["num_attention_heads"], c["q_lora_rank"], c["kv_lora_rank"]
        nope, rope, v = c["qk_nope_head_dim"], c["qk_rope_head_dim"], c["v_head_dim"]
        if q:
            self.linear(p + "q_a_proj", q, hidden)
            self.norm(p + "q_a_layernorm", q)
        self.linear(p + ("q_b_proj" if q else "q_proj"), heads * (nope + rope), q or hidden, 2.0)
        self.linear(p + "kv_a_proj_with_mqa", lora + rope, hidden)
        self.norm(p + "kv_a_layernorm", lora)
        self.linear(p + "kv_b_proj", heads * (nope + v), lora)
        self.linear(p + "o_proj", hidden, heads * v)

    def layer(self, i):
        p, c = f"model.layers.{i}.", self.c
        self.norm(p + "input_layernorm", c["hidden_size"])
        self.norm(p + "post_attention_layernorm", c["hidden_size"])
        (self.mla if "kv_lora_rank" in c else self.gqa)(p + "self_attn.")
        routed, width = c.get("n_routed_experts", 0), c.get("moe_intermediate_size", 0)
        if not routed or i < c["first_k_dense_replace"]:
            self.ffn(p + "mlp.", c["intermediate_size"])
            return
        self.plain(p + "mlp.gate.weight", routed, c["hidden_size"], scale=c["hidden_size"]**-0.5)
        if c["model_type"] == "deepseek_v3":
            bias = self.r.uniform(-0.6, 0.3, routed).astype(np.float32)
            self.out[p + "mlp.gate.e_score_correction_bias"] = ("F32", bias)
        for e in range(routed):
            self.ffn(f"{p}mlp.experts.{e}.", width)
        if c["n_shared_experts"]:
            self.ffn(p + "mlp.shared_experts.", width * c["n_shared_experts"])


def tensors(cfg, form, r):
    t, hidden, layers = Tensors(cfg, form, r), cfg["hidden_size"], cfg["num_hidden_layers"]
    tied = cfg["tie_word_embeddings"]
    t.plain("model.embed_tokens.weight", cfg["vocab_size"], hidden, scale=2.3 * hidden**-0.5 if tied else 1.0)
    for i in range(layers):
        t.layer(i)
    t.norm("model.norm", hidden)
    if not tied:
        t.plain("lm_head.weight", cfg["vocab_size"], hidden, scale=2.3 * hidden**-0.5)
    if cfg.get("num_nextn_predict_layers"):
        p = f"model.layers.{layers}."
        t.layer(layers)
        t.out[p + "embed_tokens.weight"] = t.out["model.embed_tokens.weight"]
        t.out[p + "shared_head.head.weight"] = t.out["lm_head.weight"]
        for n in ("enorm", "hnorm", "shared_head.norm"):
            t.norm(p + n, hidden)
        t.plain(p + "eh_proj.weight", hidden, 2 * hidden, scale=(2 * hidden)**-0.5)
    return t.out
