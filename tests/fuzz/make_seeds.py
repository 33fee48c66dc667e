#!/usr/bin/env python3
"""Writes the first seeds of the targets whose input is several files or a request: make_seeds.py FOLDER (the corpus).
What fuzzing found later lies beside them; this only puts its own files."""
import json
import os
import sys

import tiny_model as tiny

CUT = b"\n%%%%\n"


def text(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def smallest():
    """A checkpoint of a few KB: one dense layer and one with two experts, in FP8."""
    config = tiny.CONFIG | {
        "hidden_size": 4, "vocab_size": 8, "num_attention_heads": 1, "intermediate_size": 4, "q_lora_rank": None,
        "kv_lora_rank": 4, "qk_nope_head_dim": 2, "qk_rope_head_dim": 2, "v_head_dim": 4, "n_routed_experts": 2,
        "num_experts_per_tok": 1, "moe_intermediate_size": 2, "n_group": 1, "bos_token_id": 0, "eos_token_id": 1,
        "quantization_config": {"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": [2, 2]}}
    config = {k: v for k, v in config.items() if v is not None}
    named = tiny.tensors(config | {"q_lora_rank": 4})
    return config, named


def seeds():
    config, named = smallest()
    plain = {k: v for k, v in named.items() if ".q_a" not in k and ".q_b" not in k}
    for layer in range(2):
        plain[f"model.layers.{layer}.self_attn.q_proj.weight"] = ("BF16", [4, 4], b"\x00\x3f" * 16)
    yield "checkpoint", "one_file", CUT.join((text(config), b"", tiny.image(plain)))
    yield "checkpoint", "mtp_left_out", CUT.join((text(config | {"num_nextn_predict_layers": 1}), b"", tiny.image(plain)))
    shards = [{k: v for i, (k, v) in enumerate(plain.items()) if i % 2 == s} for s in range(2)]
    index = {k: f"{'ab'[s]}.safetensors" for s in range(2) for k in shards[s]}
    yield "checkpoint", "two_shards", CUT.join((text(config), text({"weight_map": index}), *map(tiny.image, shards)))
    nan = plain | {"model.norm.weight": ("F32", [4], b"\x00\x00\xc0\x7f" * 4)}
    yield "checkpoint", "nan", CUT.join((text(config), b"", tiny.image(nan)))
    yield "checkpoint", "scale_missing", CUT.join(
        (text(config), b"", tiny.image({k: v for k, v in plain.items() if not k.endswith("o_proj.weight_scale_inv")})))

    yield "tokenizer_config", "good", CUT.join((text(tiny.TOKENIZER_CONFIG), text({"eos_token_id": [1], "temperature": 0.6, "top_p": 0.95})))
    yield "tokenizer_config", "named", CUT.join((text({"chat_template": [
        {"name": "tool_use", "template": "x"}, {"name": "default", "template": "{{ messages|tojson }}"}]}),
                                                 text({"do_sample": False, "bos_token_id": 0, "top_k": 5})))
    yield "tokenizer_config", "other_tokens", CUT.join((text({"bos_token": "<end>", "add_bos_token": True}), b"[]"))

    messages = [{"role": "system", "content": "be brief"}, {"role": "user", "content": [{"type": "text", "text": "hi"}]},
                {"role": "assistant", "content": None, "tool_calls": [
                    {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}}]},
                {"role": "tool", "tool_call_id": "c", "content": "2"}]
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]
    params = {"temperature": 0.5, "top_p": 0.9, "top_k": 4, "min_p": 0.1, "seed": 7, "stop": ["a", "b"], "n": 2,
              "logit_bias": {"5": -100}, "max_tokens": 5, "stream": True, "stream_options": {"include_usage": True},
              "logprobs": True, "top_logprobs": 2, "presence_penalty": 1, "frequency_penalty": -1, "user": "u"}
    yield "openai_request", "chat", b"\0" + text({"messages": messages, "tools": tools} | params)
    yield "openai_request", "chat_template_kwargs", b"\0" + text(
        {"messages": messages[:1], "chat_template_kwargs": {"thinking": True}, "tool_choice": "auto"})
    yield "openai_request", "completion", b"\1" + text({"prompt": ["a", "b"], "logprobs": 1, "echo": False} | {
        k: v for k, v in params.items() if "logprobs" not in k})
    yield "openai_request", "echo_alone", b"\1" + text({"prompt": "x", "echo": True, "max_tokens": 0})
    yield "openai_request", "prefix", b"\0" + text({"messages": messages[:2] + [
        {"role": "assistant", "content": "a", "prefix": True}], "skip_special_tokens": False})
    yield "openai_request", "completion_ids", b"\1" + text({"prompt": [[1, 2], [3]], "best_of": 1})
    yield "openai_request", "generate", b"\2" + text({"prompt": "x", "stop": "y", "stop_token_ids": [3]})
    yield "openai_request", "predict", b"\3" + text({"text": "x", "response_format": {"type": "text"}})
    yield "openai_request", "tokenize", b"\4" + text({"text": "x", "add_special_tokens": False, "messages": None})
    yield "openai_request", "tokenize_chat", b"\4" + text({"messages": messages[:1]})
    yield "openai_request", "detokenize", b"\5" + text({"tokens": [1, 2, 3]})

    yield "serve_config", "flags", (b"model: /models/x\nhttp: 127.0.0.1:0\nmax-batch: 8\nmax-batch-delay: 50ms\n"
                                    b"kv-memory: 512Mi\nthreads: 2\ndrain-timeout: 1m30s\n")
    yield "serve_config", "anchors", b"&a model: &b x\nserved-name: *b\n<<: {max-queue: 5}\n"
    yield "serve_config", "flow", b'{"model": "x", "log-level": [a, {b: c}]}'
    yield "serve_config", "bytes", b"4Gi"
    yield "serve_config", "duration", b"1h2m3.5s"

    yield "answer_text", "ascii", bytes([0, 3, 2]) + b"".join(i.to_bytes(2, "little") for i in range(60, 120))
    yield "answer_text", "bytes", bytes([3, 9, 0]) + b"".join(i.to_bytes(2, "little") for i in range(3, 259))
    yield "answer_text", "added", bytes([1, 0, 5]) + b"".join(i.to_bytes(2, "little") for i in range(2030, 2056))

    spec = {"model": {"source": {"builtin": "demo-v3"}}, "replicas": 2}
    sample = {"apiVersion": "serving.deepseek-operator.io/v1alpha1", "kind": "DeepSeekDeployment",
              "metadata": {"name": "x", "namespace": "y", "uid": "z", "generation": 3}, "spec": spec}
    yield "deployment", "sample", text(sample)
    for i, value in enumerate(("1h30m", "250ms", "1500m", "1.5Gi", "1e3", ".5k")):
        yield "deployment", f"value{i}", value.encode()

    yield "kubeconfig", "token", (
        b"apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{name: c, context: {cluster: k, user: u, namespace: n}}]\n"
        b"clusters: [{name: k, cluster: {server: 'https://h:6443', certificate-authority-data: QUJD}}]\n"
        b"users: [{name: u, user: {token: t}}]\n")
    yield "kubeconfig", "exec", (b"current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n"
                                 b"clusters: [{name: k, cluster: {server: 'http://h'}}]\nusers: [{name: u, user: {exec: {}}}]\n")

    yield "model_config", "tiny.json", text(tiny.CONFIG)
    yield "model_config", "million_experts.json", text(
        tiny.CONFIG | {"num_hidden_layers": 1024, "n_routed_experts": 65536, "n_group": 1, "topk_group": 1})
    wide = {"hidden_size": 1 << 20, "moe_intermediate_size": 1 << 20, "n_group": 1, "topk_group": 1}
    yield "model_config", "wide_experts.json", text(
        tiny.CONFIG | wide | {"num_hidden_layers": 43, "n_routed_experts": 65536, "n_shared_experts": 0})
    yield "model_config", "largest.json", text(
        tiny.CONFIG | wide | {"num_hidden_layers": 1024, "n_routed_experts": 64, "n_shared_experts": 64,
                              "intermediate_size": 1 << 20, "q_lora_rank": 1 << 20, "kv_lora_rank": 1 << 20,
                              "qk_nope_head_dim": 32768, "qk_rope_head_dim": 32768, "v_head_dim": 65536,
                              "num_attention_heads": 16, "max_position_embeddings": 1 << 26, "vocab_size": 1 << 24})
    yield "tokenizer_json", "tiny.json", text(tiny.tokenizer())
    yield "tokenizer_json", "sparse_ids.json", text(tiny.tokenizer({"a": 0, "b": 4194303, "ab": 7}, [["a", "b"]]))
    yield "safetensors", "duplicate", tiny.raw(
        b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', b"x")
    yield "safetensors", "overflow_before_a_zero", tiny.raw(
        {"a": {"dtype": "F8_E4M3", "shape": [1 << 62, 2, 0], "data_offsets": [0, 0]}})
    yield "safetensors", "half_bytes", tiny.image({"a": ("F4", [3, 4], b"\x12" * 6), "b": ("F6_E2M3", [4], b"\x34" * 3)})
    yield "safetensors", "empty_tensors", tiny.raw({str(i): {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}
                                                    for i in range(20)})


for folder, name, content in seeds():
    os.makedirs(os.path.join(sys.argv[1], folder), exist_ok=True)
    with open(os.path.join(sys.argv[1], folder, name), "wb") as f:
        f.write(content)
