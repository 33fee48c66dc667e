#!/usr/bin/env python3
"""Writes tests/golden/tokenizer/variants.json: the steps of the other real models over the demo model's vocabulary.

  make_variants.py      from the repository root; needs `pip install tokenizers==0.23.3` and scripts/fetch-tokenizers

Their tokenizer files are not stored, but what they do before the merges is a few lines each: normaliser, pre-tokenizer,
post-processor, ignore_merges. With models/demo-v3's vocabulary that makes small tokenizers of the same kinds, which are
checked wherever the tests run. digest: SHA-256 over the ids of a string in the three modes, as little-endian uint32, cut."""
import hashlib
import json
import os
import pathlib
import struct

from make_demo_vectors import FILE, HERE, text_of
from tokenizers import Tokenizer

CACHE = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
FOLDER = pathlib.Path(os.environ.get("DEEPSEEK_TOKENIZERS") or os.path.join(CACHE, "deepseek-operator", "tokenizers"))
# Where merges are ignored, every 50th is dropped, so that some words are found as wholes only.
EVERY = 50


def main():
    rows = json.loads(pathlib.Path(HERE, "strings.json").read_text())
    demo = json.loads(pathlib.Path(FILE).read_text())
    out = {}
    for name, source in (("letters-by-hand", "deepseek-v2"), ("nfc-single-digits", "qwen2.5"), ("ignore-merges", "llama3.1")):
        real = json.loads((FOLDER / source / "tokenizer.json").read_text())
        patch = {"normalizer": real["normalizer"], "pre_tokenizer": real["pre_tokenizer"], "post_processor": None}
        file = {**demo, **patch}
        if real["model"].get("ignore_merges"):
            merges = [merge for i, merge in enumerate(demo["model"]["merges"]) if i % EVERY != 0]
            file["model"] = {**demo["model"], "ignore_merges": True, "merges": merges}
        modes = [Tokenizer.from_str(json.dumps(file)) for _ in range(2)]
        modes[1].encode_special_tokens = True
        modes.append(Tokenizer.from_str(json.dumps({**file, "added_tokens": []})))
        digests = {}
        for row in rows:
            ids = [i for mode in modes for i in mode.encode(text_of(row), add_special_tokens=False).ids]
            digests[row["id"]] = hashlib.sha256(struct.pack(f"<{len(ids)}I", *ids)).hexdigest()[:16]
        out[name] = {"kind_of": source, "patch": patch, "drop_every": EVERY if real["model"].get("ignore_merges") else 0,
                     "digest": digests}
    text = ",\n".join(f"{json.dumps(k)}:{json.dumps(v, separators=(',', ':'))}" for k, v in out.items())
    pathlib.Path(HERE, "variants.json").write_text("{\n" + text + "\n}\n")


if __name__ == "__main__":
    main()
