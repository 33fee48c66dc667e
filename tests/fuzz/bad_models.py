"""Models that must be refused, each wrong in one way: CASES is name -> function(folder) that writes one.

The names say which file is wrong. Those of BIG are large, so that a parser that keeps more than it needs is seen.
Those of TABLES are tokenizers of a size, right up to one entry: by then the tables of the others stand.
"""
import copy
import json
import os
import struct

import tiny_model as tiny
from tiny_model import CONFIG, INDEX, TOKENIZER_CONFIG, image, put, raw, tensors, tokenizer

CASES, BIG, TABLES = {}, set(), set()
SCALE = "model.layers.1.self_attn.o_proj.weight_scale_inv"
WEIGHT = "model.layers.1.self_attn.o_proj.weight"
MIB = 1 << 20


def case(name, big=False, **files):
    assert name not in CASES, name
    CASES[name] = lambda folder: tiny.write(folder, **files)
    if big:
        BIG.add(name)


def changed(base, **fields):
    """`base` with fields replaced; a value of None removes one."""
    return {k: v for k, v in (base | fields).items() if v is not None}


def big(name, make, key):
    """A case whose file is made only when it is asked for."""
    assert name not in CASES, name
    CASES[name] = lambda folder: tiny.write(folder, **{key: make()})
    BIG.add(name)


# config.json
case("config missing", config=None)
case("config empty", config=b"")
case("config no json", config=b'{"model_type": ')
case("config a list", config=[])
case("config not utf8", config=b'{"model_type": "\xff\xfe"}')
case("config nested", config=b"{" * 100000)
case("config nested lists", config=b'{"model_type":' + b"[" * 5000 + b"]" * 5000 + b"}")
case("config twice", config=json.dumps(CONFIG).encode() * 2)
case("config unknown family", config=changed(CONFIG, model_type="mamba", architectures=["MambaForCausalLM"]))
case("config family a number", config=changed(CONFIG, model_type=3))
case("config family with control characters", config=changed(CONFIG, model_type="a\n\x1b[31mb\r" * 50))
case("config other architecture", config=changed(CONFIG, architectures=["LlamaForCausalLM"]))
for field, value in (
        ("hidden_size", "16"), ("hidden_size", -16), ("hidden_size", 1e300), ("hidden_size", 2**64),
        ("num_hidden_layers", 0), ("num_hidden_layers", 10**12), ("num_hidden_layers", [2]), ("vocab_size", None),
        ("vocab_size", 2**31), ("vocab_size", 273), ("num_experts_per_tok", 99), ("n_group", 3), ("n_group", 0),
        ("topk_group", 3), ("rms_norm_eps", 0), ("rms_norm_eps", "small"), ("rope_theta", -1), ("hidden_act", "relu"),
        ("norm_topk_prob", 1), ("eos_token_id", 272), ("eos_token_id", [2**64]), ("eos_token_id", -2),
        ("bos_token_id", 1.5), ("qk_rope_head_dim", 3), ("num_key_value_heads", 1), ("kv_lora_rank", 9),
        ("rope_scaling", []), ("rope_scaling", {"type": "yarn"}), ("rope_scaling", {"type": "ntk"}),
        ("rope_scaling", {"type": "yarn", "factor": 0, "original_max_position_embeddings": 64}),
        ("quantization_config", []), ("quantization_config", {"quant_method": "awq"}),
        ("quantization_config", {"quant_method": "fp8", "weight_block_size": [0, 8]}),
        ("quantization_config", {"quant_method": "fp8", "weight_block_size": [2**64, 8]}),
        ("quantization_config", {"quant_method": "fp8", "weight_block_size": [16, 16]}),
        ("quantization_config", {"quant_method": "fp8", "weight_block_size": None}),
        ("quantization_config", {"quant_method": "fp8"}),
        ("quantization_config", None)):
    case(f"config {field} {json.dumps(value)}", config=changed(CONFIG, **{field: value}))
case("config infinite number", config=json.dumps(CONFIG).replace("10000", "1e999").encode())
case("config NaN", config=json.dumps(CONFIG).replace("10000", "NaN").encode())
case("config more experts than files hold",
     config=changed(CONFIG, num_hidden_layers=1024, n_routed_experts=65536, n_group=1, topk_group=1))
case("config more layers than files hold", config=changed(CONFIG, num_hidden_layers=1024))

# model.safetensors
GOOD = tensors(CONFIG)
IMAGE = image(GOOD)
HEADER = json.loads(IMAGE[8:8 + struct.unpack("<Q", IMAGE[:8])[0]])
BODY = IMAGE[8 + struct.unpack("<Q", IMAGE[:8])[0]:]


def header_with(name, **fields):
    return raw(HEADER | {name: HEADER[name] | fields}, BODY)


case("weights missing", weights=None)
case("weights empty", weights=b"")
case("weights four bytes", weights=IMAGE[:4])
case("weights truncated header", weights=IMAGE[:100])
case("weights truncated data", weights=IMAGE[:-1])
case("weights one byte too many", weights=IMAGE + b"\0")
for length in (0, 1, 2**20, 10**9, 2**31, 2**63, 2**64 - 1, 2**64 - 8):
    case(f"weights header length {length}", weights=raw(HEADER, BODY, length=length))
case("weights header a list", weights=raw([], BODY))
case("weights header no json", weights=raw(b"x" * 64, BODY))
case("weights header nested", weights=raw(b'{"a":' * 50000, BODY))
case("weights header with a hole", weights=raw({k: v for k, v in HEADER.items() if k != "lm_head.weight"}, BODY))
case("weights without head", weights=image({k: v for k, v in GOOD.items() if k != "lm_head.weight"}))
case("weights without scales", weights=image({k: v for k, v in GOOD.items() if k != SCALE}))
case("weights of nothing", weights=raw({}))
case("weights tensor a string", weights=raw(HEADER | {WEIGHT: "x"}, BODY))
case("weights offsets beyond the file", weights=header_with(WEIGHT, data_offsets=[0, 10**9]))
case("weights offsets overlap", weights=header_with(WEIGHT, data_offsets=[0, 128]))
case("weights offsets descend", weights=header_with(WEIGHT, data_offsets=[128, 0]))
case("weights offsets negative", weights=header_with(WEIGHT, data_offsets=[-128, 0]))
case("weights offsets fractions", weights=header_with(WEIGHT, data_offsets=[0.5, 128.5]))
case("weights offsets at the end of 64 bits", weights=header_with(WEIGHT, data_offsets=[2**64 - 128, 2**64 - 1]))
case("weights offsets of three", weights=header_with(WEIGHT, data_offsets=[0, 64, 128]))
case("weights shape overflows", weights=header_with(WEIGHT, shape=[2**32, 2**32]))
case("weights shape overflows to its size", weights=header_with(WEIGHT, shape=[2**63, 2, 64]))
case("weights shape negative", weights=header_with(WEIGHT, shape=[-16, -8]))
case("weights shape of 100 sizes", weights=header_with(WEIGHT, shape=[1] * 99 + [128]))
case("weights shape transposed", weights=header_with(WEIGHT, shape=[8, 16]))
case("weights shape flat", weights=header_with(WEIGHT, shape=[128]))
case("weights type unknown", weights=header_with(WEIGHT, dtype="Q4_K"))
case("weights type of another size", weights=header_with(WEIGHT, dtype="BF16"))
case("weights type integer", weights=header_with(WEIGHT, dtype="I8"))
case("weights name not utf8", weights=raw(json.dumps({"\u1234": {}}).encode().replace(b"\\u1234", b"\xc3\x28"), BODY))
case("weights names with a newline", weights=raw(HEADER | {"a\nerror: b\n": HEADER[WEIGHT]}, BODY))
case("weights duplicate names", weights=raw(
    json.dumps(HEADER).encode()[:-1] + b', "%s": {"dtype":"U8","shape":[1],"data_offsets":[0,1]}}' % WEIGHT.encode(),
    BODY))
case("weights empty tensor", weights=image(GOOD | {"lm_head.weight": ("BF16", [0, 16], b"")}))


def with_values(name, begin, data):
    dtype, shape, old = GOOD[name]
    return image(GOOD | {name: (dtype, shape, old[:begin] + data + old[begin + len(data):])})


for what, value in (("NaN", float("nan")), ("infinite", float("inf")), ("minus infinite", float("-inf"))):
    case(f"weights scale {what}", weights=with_values(SCALE, 4, struct.pack("<f", value)))
case("weights code NaN", weights=with_values(WEIGHT, 77, b"\x7f"))
case("weights code minus NaN", weights=with_values(WEIGHT, 127, b"\xff"))
case("weights norm NaN", weights=with_values("model.norm.weight", 30, b"\xc0\x7f"))
case("weights embedding infinite", weights=with_values("model.embed_tokens.weight", 32, b"\x80\x7f"))
case("weights scale of another shape", weights=image(GOOD | {SCALE: ("F32", [1, 2], struct.pack("<2f", 1, 1))}))
case("weights scale of integers", weights=image(GOOD | {SCALE: ("I16", GOOD[SCALE][1], b"\x80\x3f" * 2)}))


# the index of shards
def sharded(name, change):
    def build(folder):
        tiny.write(folder, shards=2)
        path = os.path.join(folder, INDEX)
        with open(path, encoding="utf-8") as f:
            index = json.load(f)
        new = change(folder, index)
        put(folder, INDEX, index if new is None else new)

    assert name not in CASES, name
    CASES[name] = build


sharded("index shard missing", lambda d, i: os.remove(f"{d}/b.safetensors"))
sharded("index shard a folder", lambda d, i: (os.remove(f"{d}/b.safetensors"), os.mkdir(f"{d}/b.safetensors"), None)[-1])
sharded("index shard truncated", lambda d, i: os.truncate(f"{d}/b.safetensors", 1000))
sharded("index names a tensor that is not there", lambda d, i: put(d, i["weight_map"][WEIGHT], image(
    {k: GOOD[k] for k, shard in i["weight_map"].items() if shard == i["weight_map"][WEIGHT] and k != WEIGHT})))
sharded("index names the other shard", lambda d, i: i["weight_map"].update(
    {k: "a.safetensors" for k in i["weight_map"]}))
sharded("index leaves the folder", lambda d, i: i["weight_map"].update({WEIGHT: "../b.safetensors"}))
sharded("index names an absolute path", lambda d, i: i["weight_map"].update({WEIGHT: "/etc/passwd"}))
sharded("index names itself", lambda d, i: i["weight_map"].update({WEIGHT: INDEX}))
sharded("index with a number", lambda d, i: i["weight_map"].update({WEIGHT: 1}))
sharded("index empty map", lambda d, i: {"weight_map": {}})
sharded("index no map", lambda d, i: {"metadata": {}})
sharded("index a list", lambda d, i: [])
sharded("index empty file", lambda d, i: b"")
sharded("index nested", lambda d, i: b'{"weight_map":' * 10000)
sharded("index not utf8", lambda d, i: b'{"weight_map":{"\xff":"a.safetensors"}}')

# tokenizer.json
T = tokenizer()


def tokenizer_with(change):
    t = copy.deepcopy(T)
    new = change(t)
    return t if new is None else new


def tokens(name, change):
    case(f"tokenizer {name}", tokenizer=tokenizer_with(change))


tokens("empty", lambda t: b"")
tokens("no json", lambda t: b'{"model": {')
tokens("a list", lambda t: [])
tokens("nested", lambda t: b"[" * 100000)
tokens("nested normalizers", lambda t: t.update(
    normalizer=json.loads('{"type":"Sequence","normalizers":[' * 12 + '{"type":"Lowercase"}' + "]}" * 12)))
tokens("without a model", lambda t: t.pop("model") and None)
tokens("wordpiece", lambda t: t["model"].update(type="WordPiece"))
tokens("without a decoder", lambda t: t.update(decoder=None))
tokens("unknown normalizer", lambda t: t.update(normalizer={"type": "Lowercase"}))
tokens("unknown step", lambda t: t["pre_tokenizer"]["pretokenizers"].insert(0, {"type": "Metaspace"}))
tokens("without byte level", lambda t: t["pre_tokenizer"]["pretokenizers"].pop() and None)
tokens("bad expression", lambda t: t["pre_tokenizer"]["pretokenizers"][0].update(pattern={"Regex": "(((a"}))
tokens("huge expression", lambda t: t["pre_tokenizer"]["pretokenizers"][0].update(pattern={"Regex": "(" * 20000}))
tokens("repeated expression", lambda t: t["pre_tokenizer"]["pretokenizers"][0].update(
    pattern={"Regex": "(((a{1,1000}){1,1000}){1,1000})"}))
tokens("vocab a list", lambda t: t["model"].update(vocab=[["a", 0]]))
tokens("ids twice", lambda t: t["model"]["vocab"].update(the=5))
tokens("id negative", lambda t: t["model"]["vocab"].update(the=-1))
tokens("id huge", lambda t: t["model"]["vocab"].update(the=2**31 - 1))
tokens("id of 65 bits", lambda t: t["model"]["vocab"].update(the=2**64))
tokens("id a fraction", lambda t: t["model"]["vocab"].update(the=1.5))
tokens("id beyond the model", lambda t: t["model"]["vocab"].update(the=272))
tokens("id within reach but far beyond the model", lambda t: t["model"]["vocab"].update(the=2**22 - 1))
tokens("merge of unknown", lambda t: t["model"]["merges"].append(["zz", "yy"]))
tokens("merge into unknown", lambda t: t["model"]["merges"].append(["the", "t"]))
tokens("merge of itself", lambda t: t["model"]["merges"].append(["the", ""]))
tokens("merge without space", lambda t: t["model"].update(merges=["th"]))
tokens("merge of three", lambda t: t["model"]["merges"].append(["t", "h", "e"]))
tokens("merge outside the alphabet", lambda t: t["model"]["merges"].append(["\u4f60", "\u597d"]))
tokens("merge a number", lambda t: t["model"]["merges"].append(7))
tokens("added a map", lambda t: t.update(added_tokens={"<s>": 256}))
tokens("added without id", lambda t: t["added_tokens"].append({"content": "<x>"}))
tokens("added empty", lambda t: t["added_tokens"].append({"id": 260, "content": ""}))
tokens("added huge", lambda t: t["added_tokens"].append({"id": 260, "content": "x" * 100000}))
tokens("added beyond the model", lambda t: t["added_tokens"].append({"id": 5000, "content": "<x>"}))
tokens("added stripped", lambda t: t["added_tokens"][0].update(lstrip=True))
tokens("template of unknown tokens", lambda t: t.update(
    post_processor={"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<q>"}}], "special_tokens": {}}))
tokens("template without ids", lambda t: t.update(post_processor={
    "type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<q>"}}], "special_tokens": {"<q>": {"ids": 3}}}))
tokens("template with ids beyond the model", lambda t: t.update(post_processor={
    "type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<q>"}}, {"Sequence": {"id": "A"}}],
    "special_tokens": {"<q>": {"ids": [4000000]}}}))


# tokenizer_config.json, templates, generation_config.json
def text(name, **fields):
    case(f"tokenizer_config {name}", tokenizer_config=changed(TOKENIZER_CONFIG, **fields))


case("tokenizer_config empty", tokenizer_config=b"")
case("tokenizer_config a string", tokenizer_config="x")
case("tokenizer_config not utf8", tokenizer_config=b'{"bos_token":"\xff"}')
text("eos unknown", eos_token="<end>")
text("bos of another id", bos_token="</s>")
for what, source in (
        ("unclosed", "{% for m in messages %}"), ("unopened", "{% endfor %}"), ("unended expression", "{{ 'a"),
        ("bad expression", "{{ 1 + }}"), ("unknown tag", "{% include 'x' %}"), ("unknown filter", "{{ 'a'|frob }}"),
        ("macro", "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}{% import x %}"), ("parentheses", "{{ " + "(" * 50000),
        ("minus signs", "{{ " + "-" * 50000 + "1 }}"), ("nots", "{{ " + "not " * 50000 + "1 }}"),
        ("ifs", "{% if a %}" * 50000), ("lists", "{{ " + "[" * 50000 + "]" * 50000 + " }}")):
    text(f"template {what}", chat_template=source)
case("generation_config no json", generation=b"{")
case("generation_config a list", generation=[])
for field, value in (("temperature", -1), ("temperature", "hot"), ("temperature", 1e300), ("top_p", -1), ("top_k", 1e300),
                     ("top_k", -5), ("eos_token_id", 272), ("eos_token_id", "x"), ("bos_token_id", [2**64]),
                     ("eos_token_id", [[1]])):
    case(f"generation_config {field} {json.dumps(value)}", generation={field: value})


# Large files. Junk of `n` bytes in shapes that cost a tree of values most per byte.
def junk(n):
    return {"zeros": b"[" + b"0," * (n // 2) + b"0]", "lists": b"[" + b"[]," * (n // 3) + b"0]",
            "maps": b"[" + b'{"":0},' * (n // 7) + b"0]", "strings": b"[" + b'"",' * (n // 3) + b"0]"}


def entries(n, entry, count_of):
    return b",".join(entry % count_of(i) for i in range(n // len(entry % count_of(0))))


for kind in ("zeros", "lists", "maps", "strings"):
    for key, at in (("config", "config"), ("weights", "weights header"), ("index", "index"), ("tokenizer", "tokenizer"),
                    ("tokenizer_config", "tokenizer_config"), ("generation", "generation_config")):
        n = 8 * MIB if key in ("weights", "index", "tokenizer") else MIB * 7 // 8

        def make(kind=kind, key=key, n=n):
            content = b'{"x":' + junk(n)[kind] + b"}"
            return raw(content) if key == "weights" else content

        if key == "index":
            CASES[f"index of {kind}"] = lambda d, make=make: tiny.write(d, shards=2, index=make())
            BIG.add(f"index of {kind}")
        else:
            big(f"{at} of {kind}", make, key)
big("weights header of empty tensors",
    lambda: raw(b"{" + entries(8 * MIB, b'"%07d":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}', lambda i: i) + b"}"),
    "weights")
big("weights header with metadata",
    lambda: raw(b'{"__metadata__":{' + entries(8 * MIB, b'"%07d":""', lambda i: i) + b"}}"), "weights")
CASES["index of many tensors"] = lambda d: tiny.write(
    d, shards=2, index=b'{"weight_map":{' + entries(8 * MIB, b'"%07d":"a.safetensors"', lambda i: i) + b"}}")
BIG.add("index of many tensors")
big("tokenizer many tokens and one id too many", lambda: tokenizer_with(lambda t: t["model"]["vocab"].update(
    {f"{i:07d}": 300 + i for i in range(100000)})), "tokenizer")
big("tokenizer many merges and one unknown", lambda: tokenizer_with(lambda t: t["model"].update(
    merges=[["t", "h"]] * 100000 + [["t", "zz"]])), "tokenizer")
big("tokenizer many added tokens", lambda: tokenizer_with(lambda t: t.update(
    added_tokens=[{"id": 300 + i, "content": f"<{i}>"} for i in range(60000)])), "tokenizer")
TABLES.update(name for name in BIG if name.startswith("tokenizer many"))
big("tokenizer long token", lambda: tokenizer_with(lambda t: t["model"]["vocab"].update({"a" * (8 * MIB): -1})), "tokenizer")
big("tokenizer_config huge template", lambda: changed(TOKENIZER_CONFIG, chat_template="{{ x }}" * 500000 + "{% x %}"),
    "tokenizer_config")
big("tokenizer_config template of text", lambda: changed(TOKENIZER_CONFIG, chat_template="x" * (4 * MIB) + "{% x %}"),
    "tokenizer_config")
big("weights of 32 MiB and a NaN", lambda: image(GOOD | {
    "x.weight": ("BF16", [512, 32768], bytes(32 * MIB)), "model.norm.weight": ("BF16", [16], b"\xc0\x7f" * 16)}), "weights")
