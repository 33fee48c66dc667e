"""A DeepSeek-V3 of some 30 KB that the agent loads and runs: what bad models and fuzz seeds are made from."""
import json
import os
import struct

CONFIG = {
    "model_type": "deepseek_v3", "architectures": ["DeepseekV3ForCausalLM"], "num_hidden_layers": 2, "hidden_size": 16,
    "vocab_size": 272, "max_position_embeddings": 64, "num_attention_heads": 2, "intermediate_size": 16,
    "rms_norm_eps": 1e-6, "hidden_act": "silu", "torch_dtype": "bfloat16", "rope_theta": 10000, "q_lora_rank": 8,
    "kv_lora_rank": 8, "qk_nope_head_dim": 4, "qk_rope_head_dim": 4, "v_head_dim": 4, "scoring_func": "sigmoid",
    "topk_method": "noaux_tc", "first_k_dense_replace": 1, "n_routed_experts": 4, "num_experts_per_tok": 2,
    "moe_intermediate_size": 8, "n_shared_experts": 1, "n_group": 2, "topk_group": 1, "norm_topk_prob": True,
    "routed_scaling_factor": 2.5, "num_nextn_predict_layers": 0, "bos_token_id": 256, "eos_token_id": 257,
    "quantization_config": {"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": [8, 8]},
}
GENERATION = {"bos_token_id": 256, "eos_token_id": 257, "temperature": 0.6, "top_p": 0.95}
TOKENIZER_CONFIG = {
    "add_bos_token": True, "bos_token": "<s>", "eos_token": {"content": "</s>"},
    "chat_template": "{{ bos_token }}{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}",
}
INDEX = "model.safetensors.index.json"


def byte_alphabet():
    """Spelling of each byte in a byte-level vocabulary (GPT-2)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in printable]
    spelling = {b: chr(b) for b in printable}
    spelling.update({b: chr(256 + i) for i, b in enumerate(rest)})
    return [spelling[b] for b in range(256)]


def tokenizer(vocab=None, merges=None):
    vocab = vocab or {c: i for i, c in enumerate(byte_alphabet())} | {"th": 258, "the": 259}
    return {
        "version": "1.0",
        "added_tokens": [{"id": 256, "content": "<s>", "special": True}, {"id": 257, "content": "</s>", "special": True}],
        "normalizer": {"type": "Sequence", "normalizers": []},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": r"\p{N}{1,3}"}, "behavior": "Isolated", "invert": False},
            {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False}]},
        "post_processor": {"type": "ByteLevel"},
        "decoder": {"type": "ByteLevel"},
        "model": {"type": "BPE", "vocab": vocab, "merges": merges or [["t", "h"], ["th", "e"]]},
    }


def shapes(c):
    """Name -> shape of every tensor; linears are those that end in _proj.weight."""
    hidden, heads, out = c["hidden_size"], c["num_attention_heads"], {}

    def ffn(prefix, width):
        out[prefix + "gate_proj.weight"] = out[prefix + "up_proj.weight"] = [width, hidden]
        out[prefix + "down_proj.weight"] = [hidden, width]

    out["model.embed_tokens.weight"] = out["lm_head.weight"] = [c["vocab_size"], hidden]
    out["model.norm.weight"] = [hidden]
    for layer in range(c["num_hidden_layers"]):
        p = f"model.layers.{layer}."
        out[p + "input_layernorm.weight"] = out[p + "post_attention_layernorm.weight"] = [hidden]
        a, nope, rope, v = p + "self_attn.", c["qk_nope_head_dim"], c["qk_rope_head_dim"], c["v_head_dim"]
        out[a + "q_a_proj.weight"] = [c["q_lora_rank"], hidden]
        out[a + "q_a_layernorm.weight"] = [c["q_lora_rank"]]
        out[a + "q_b_proj.weight"] = [heads * (nope + rope), c["q_lora_rank"]]
        out[a + "kv_a_proj_with_mqa.weight"] = [c["kv_lora_rank"] + rope, hidden]
        out[a + "kv_a_layernorm.weight"] = [c["kv_lora_rank"]]
        out[a + "kv_b_proj.weight"] = [heads * (nope + v), c["kv_lora_rank"]]
        out[a + "o_proj.weight"] = [hidden, heads * v]
        if layer < c["first_k_dense_replace"]:
            ffn(p + "mlp.", c["intermediate_size"])
            continue
        out[p + "mlp.gate.weight"] = [c["n_routed_experts"], hidden]
        out[p + "mlp.gate.e_score_correction_bias"] = [c["n_routed_experts"]]
        for e in range(c["n_routed_experts"]):
            ffn(p + f"mlp.experts.{e}.", c["moe_intermediate_size"])
        ffn(p + "mlp.shared_experts.", c["n_shared_experts"] * c["moe_intermediate_size"])
    return out


def tensors(c):
    """Name -> (dtype, shape, bytes): small numbers, FP8 with scales for the layers' linears."""
    out, block = {}, c["quantization_config"]["weight_block_size"]
    for i, (name, shape) in enumerate(shapes(c).items()):
        n = shape[0] * (shape[1] if len(shape) == 2 else 1)
        if "_proj" in name:
            out[name] = ("F8_E4M3", shape, bytes((i * 7 + j * 13) % 48 + 128 * (j % 2) for j in range(n)))
            scales = [-(-shape[0] // block[0]), -(-shape[1] // block[1])]
            out[name + "_scale_inv"] = ("F32", scales, struct.pack("<f", 0.25) * (scales[0] * scales[1]))
        elif name.endswith("bias"):
            out[name] = ("F32", shape, struct.pack("<f", 0.125) * n)
        else:
            out[name] = ("BF16", shape, b"".join(struct.pack("<H", 0x3e00 + (i + j * 5) % 128) for j in range(n)))
    return out


def image(named, metadata=None):
    """A safetensors file of {name: (dtype, shape, bytes)}."""
    header, body = ({"__metadata__": metadata} if metadata else {}), b""
    for name, (dtype, shape, data) in named.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    return raw(header, body)


def raw(header, body=b"", length=None):
    """A safetensors file of any header: an object, or bytes taken as they are."""
    text = header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


def put(folder, name, content):
    """Bytes as they are, anything else as JSON."""
    if not isinstance(content, bytes):
        content = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    with open(os.path.join(folder, name), "wb") as f:
        f.write(content)


def write(folder, shards=1, **files):
    """A whole model; `files` replaces one: config=..., tokenizer=..., as objects or bytes. None leaves it out."""
    os.makedirs(folder, exist_ok=True)
    for key, name, good in (("config", "config.json", CONFIG), ("generation", "generation_config.json", GENERATION),
                            ("tokenizer", "tokenizer.json", tokenizer()),
                            ("tokenizer_config", "tokenizer_config.json", TOKENIZER_CONFIG)):
        content = files.get(key, good)
        if content is not None:
            put(folder, name, content)
    named = tensors(CONFIG)
    if shards == 1:
        content = files.get("weights", image(named, {"format": "pt"}))
        if content is not None:
            put(folder, "model.safetensors", content)
        return
    index = {}
    for s in range(shards):
        part = {name: named[name] for i, name in enumerate(named) if i % shards == s}
        put(folder, f"{'abcdefgh'[s]}.safetensors", image(part))
        index.update({name: f"{'abcdefgh'[s]}.safetensors" for name in part})
    put(folder, INDEX, files.get("index", {"metadata": {}, "weight_map": index}))
