#!/usr/bin/env python3
"""Writes tests/golden/tokenizer/demo-v3.json: what the Python library `tokenizers` answers for models/demo-v3.

  make_demo_vectors.py      from the repository root; needs `pip install tokenizers==0.23.3`

Same format as vectors/*.json (README.md beside this file). Strings: strings.json, and INJECTION below.
"""
import codecs
import hashlib
import json
import os
import random
import struct

import tokenizers
from tokenizers import Tokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
FILE = os.path.join(HERE, "..", "..", "..", "models", "demo-v3", "tokenizer.json")
INJECTION = [
    "<｜User｜>hi<｜Assistant｜>", "<think>\nplan\n</think>answer", "a<｜begin▁of▁sentence｜>b<｜end▁of▁sentence｜>",
    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f", "<｜User", "｜>", "<<think>>", "<think", "</think></think",
    "<｜▁pad▁｜>", " <｜User｜> ", "x<think>7890<｜Assistant｜>", "<|User|>", "<｜User｜", "<｜Us<｜User｜>er｜>",
]


def byte_alphabet():
    shown = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    table, extra = {chr(b): b for b in shown}, 0
    for byte in range(256):
        if byte not in shown:
            table[chr(256 + extra)] = byte
            extra += 1
    return table


ALPHABET = byte_alphabet()


def text_of(row):
    if "text" in row:
        return row["text"]
    if "repeat" in row:
        return "".join(part * count for part, count in row["repeat"])
    state, alphabet, out = row["lcg"]["seed"], row["lcg"]["alphabet"], []
    for _ in range(row["lcg"]["n"]):
        state = (state * 1103515245 + 12345) % 2147483648
        out.append(alphabet[(state >> 16) % len(alphabet)])
    return "".join(out)


def token_bytes(tokenizer, token):
    spelling = tokenizer.id_to_token(token)
    if spelling is None:
        return b""
    if all(c in ALPHABET for c in spelling):
        return bytes(ALPHABET[c] for c in spelling)
    return spelling.encode()


def decoded(tokenizer, ids):
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    row = {"ids": ids, "text": tokenizer.decode(ids, skip_special_tokens=False),
           "chunks": [decoder.decode(token_bytes(tokenizer, i)) for i in ids]}
    row["flush"] = decoder.decode(b"", True)
    assert "".join(row["chunks"]) + row["flush"] == row["text"]
    skipped = tokenizer.decode(ids, skip_special_tokens=True)
    if skipped != row["text"]:
        row["skip_special"] = skipped
    return row


def main():
    with open(os.path.join(HERE, "strings.json"), encoding="utf-8") as file:
        rows = json.load(file)
    rows += [{"id": f"inject{i}", "cat": "injection", "text": text} for i, text in enumerate(INJECTION)]
    with open(FILE, encoding="utf-8") as file:
        raw = json.load(file)
    raw["added_tokens"] = []
    whole, plain, special = Tokenizer.from_file(FILE), Tokenizer.from_str(json.dumps(raw)), Tokenizer.from_file(FILE)
    special.encode_special_tokens = True

    def ids_of(tokenizer, text):
        return tokenizer.encode(text, add_special_tokens=False).ids

    out = {"encode": {}, "encode_special": {}, "plain": {}, "roundtrip_diff": {}, "long": {}}
    for row in rows:
        name, text = row["id"], text_of(row)
        ids = ids_of(whole, text)
        if row["cat"] == "long":
            digest = hashlib.sha256(struct.pack(f"<{len(ids)}I", *ids)).hexdigest()
            out["long"][name] = {"n": len(ids), "sha256": digest, "head": ids[:16], "tail": ids[-16:]}
            continue
        out["encode"][name] = ids
        for key, other in (("encode_special", ids_of(special, text)), ("plain", ids_of(plain, text))):
            if other != ids:
                out[key][name] = other
        back = whole.decode(ids, skip_special_tokens=False)
        if back != text:
            out["roundtrip_diff"][name] = back
    by_byte = {byte: raw["model"]["vocab"][c] for c, byte in ALPHABET.items()}
    broken = [b"\xe4", b"\xe4\xbd", b"\xe4\xbdA", b"\xe4A\xbd", b"\xbd\xa0", b"\xf0\x9f\x98\x80", b"\xf0\x9f\x98\xf0\x9f\x98\x80",
              b"\xf0\x9fx\x98", b"\xed\xa0\x80", b"\xed\xa0", b"\xe0\x80\x80", b"\xc3\xa9\xc3", b"\xf4\x8f\xbf\xbf",
              b"\xf4\x90\x80\x80", b"\xef\xbf\xbd", b"a\xcc\x81b", b"\x80\x80\x80", b"\xe1\x80\xe2\x80\x80\x00"]
    decode = [decoded(whole, [by_byte[b] for b in sequence]) for sequence in broken]
    chance = random.Random(9)
    top = whole.get_vocab_size() - 1
    decode += [decoded(whole, ids) for ids in ([0], [2036, by_byte[0xE4], 2037, by_byte[0xBD]], [top + 1], [top + 7, 65], [])]
    decode += [decoded(whole, [chance.randrange(top + 1) for _ in range(24)]) for _ in range(12)]
    head = {"tokenizer": "demo-v3", "library": "tokenizers " + tokenizers.__version__, "max_id": top,
            "file_post_processor_ids": whole.encode("Hello").ids}

    def dump(value):
        return json.dumps(value, separators=(",", ":"))

    with open(os.path.join(HERE, "demo-v3.json"), "w", encoding="utf-8") as file:
        file.write("{\n" + "".join(f"{dump(key)}:{dump(value)},\n" for key, value in head.items()))
        file.write(f'"strings":[\n' + ",\n".join(dump(r) for r in rows if r["cat"] == "injection") + "\n],\n")
        for key, table in out.items():
            file.write(f'"{key}":{{\n' + ",\n".join(f"{dump(k)}:{dump(v)}" for k, v in table.items()) + "\n},\n")
        file.write('"decode":[\n' + ",\n".join(dump(row) for row in decode) + "\n]}\n")


if __name__ == "__main__":
    main()
