#!/usr/bin/env python3
"""Random strings and random ids, ours against the Python library `tokenizers`: every difference is a defect.

usage: compare_library.py [--seed N] [--strings N] [--ids N] [--binary FILE] [NAME...]
needs: pip install tokenizers==0.23.3, scripts/fetch-tokenizers, and the target tokenizer_answers

Strings are made of characters of all planes, vocabulary entries, added tokens whole and in pieces, runs of white space,
digits of many scripts, combining marks, Hangul and contractions. Each is encoded in three modes: all added tokens, all but
the special ones, none. Ids are decoded whole, without special tokens, and as a stream.
Exit status 0: no difference."""
import argparse
import codecs
import json
import os
import pathlib
import random
import subprocess
import sys
import unicodedata

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
from tokenizers import Tokenizer  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[3]
CACHE = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
FOLDER = pathlib.Path(os.environ.get("DEEPSEEK_TOKENIZERS") or os.path.join(CACHE, "deepseek-operator", "tokenizers"))

SPACES = "\t\n\v\f\r \x1c\x1d\x1e\x1f\x85\xa0\u1680\u180e\u2000\u2003\u2009\u200a\u200b\u2028\u2029\u202f\u205f\u3000\ufeff"
DIGITS = "0123456789\u00b2\u00bd\u0660\u0966\u0bf3\u2160\u2460\u3007\u3021\uff10\U0001d7ce\U00010d40\U00011f50\u4e00"
MARKS = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000 and unicodedata.combining(chr(c))]
DECOMPOSED = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000 and unicodedata.decomposition(chr(c))]
CONTRACTIONS = ["'s", "'S", "'t", "'re", "'RE", "'ve", "'m", "'ll", "'lL", "'d", "'D", "'\u017f", "\u2019s", "'K", "'\u212a"]
# Boundaries of the classes that the patterns name, and characters new in Unicode 16 or not yet in it.
EDGES = [chr(c) for c in (
    0x7F, 0x80, 0xAA, 0xB5, 0xBA, 0x17F, 0x1BA, 0x1BB, 0x1C4, 0x2B0, 0x300, 0x36F, 0x370, 0x3FF, 0x7FF, 0x800, 0x85F, 0x88F,
    0x897, 0x10A0, 0x13A0, 0x1C80, 0x1C89, 0x1C8A, 0x1C90, 0x1E00, 0x2018, 0x201F, 0x2126, 0x212A, 0x212B, 0x2C00, 0x2FFF,
    0x3000, 0x3001, 0x3002, 0x3003, 0x3040, 0x309F, 0x30A0, 0x30FF, 0x3100, 0x4DFF, 0x4E00, 0x9FA5, 0x9FA6, 0xA640, 0xA7CB,
    0xA7DC, 0xAB30, 0xAB70, 0xABFF, 0xAC00, 0xD7A3, 0xD7FF, 0xE000, 0xFB00, 0xFE00, 0xFF01, 0xFF0F, 0xFF1A, 0xFF5E, 0xFFFD,
    0xFFFF, 0x10000, 0x10400, 0x10D40, 0x10D50, 0x10D70, 0x105C0, 0x11383, 0x11390, 0x1E900, 0x1F1E6, 0x1F468, 0x200D,
    0x1F3FB, 0x20000, 0x2EBF0, 0x323B0, 0xE0001, 0xE0100, 0x10FFFF)]


class Strings:
    """Makes random strings for one tokenizer."""

    def __init__(self, random_, file, library):
        self.random = random_
        self.added = [token["content"] for token in file["added_tokens"]]
        self.vocabulary = [library.decode([i], skip_special_tokens=False) for i in range(0, library.get_vocab_size(), 7)]

    def character(self):
        r = self.random
        kind = r.randrange(10)
        if kind < 3:
            return chr(r.randrange(0x20, 0x7F))
        if kind == 3:
            return chr(r.randrange(0x80, 0x800))
        if kind == 4:
            return chr(r.choice([r.randrange(0x3000, 0x3100), r.randrange(0x4E00, 0xA000), r.randrange(0xAC00, 0xD7FF)]))
        if kind == 5:
            return r.choice(EDGES)
        if kind == 6:
            start = r.randrange(0x110000) & ~0xFF  # several of one block: letters of one script meet
            return "".join(chr(c) for c in (start + r.randrange(256) for _ in range(r.randrange(1, 5)))
                           if not 0xD800 <= c < 0xE000)
        c = r.randrange(0x110000 if kind == 7 else 0x20000 if kind == 8 else 0x3000)
        return "" if 0xD800 <= c < 0xE000 else chr(c)

    def part(self):
        r = self.random
        kind = r.randrange(12)
        if kind < 3:
            return "".join(self.character() for _ in range(r.randrange(1, 8)))
        if kind == 3:
            return "".join(r.choice(SPACES) for _ in range(r.randrange(1, 6)))
        if kind == 4:
            return r.choice(" \n\r\t") * r.randrange(1, 9)
        if kind == 5:
            return "".join(r.choice(DIGITS) for _ in range(r.randrange(1, 9)))
        if kind == 6:
            return r.choice(["a", "\u00e9", "\uac00", "\u1100\u1161", "e", "\u0915", ""]) + "".join(
                r.choice(MARKS) for _ in range(r.randrange(1, 5)))
        if kind == 7:
            return r.choice(["I", "don", "\u4f60", "", " "]) + r.choice(CONTRACTIONS) + r.choice(["", " ", "x", "\n"])
        if kind == 8:
            return unicodedata.normalize(r.choice(["NFD", "NFC", "NFKD"]),
                                         "".join(r.choice(DECOMPOSED) for _ in range(r.randrange(1, 5))))
        if kind == 9:
            token = r.choice(self.added)
            cut = r.randrange(6)
            if cut == 0:
                return token[:r.randrange(len(token) + 1)]
            if cut == 1:
                return token[r.randrange(len(token) + 1):]
            return token
        if kind == 10:
            return "".join(r.choice(self.vocabulary) for _ in range(r.randrange(1, 6)))
        return r.choice(["<", ">", "|", "\uff5c", "\u2581", "{", "\"", "\\", "==", "//", "http://", "\u00f8", "\u00e0", "\u5b57"])

    def string(self):
        return "".join(self.part() for _ in range(self.random.randrange(1, 9)))


def answers(binary, path, rows):
    run = subprocess.run([binary, path], input="\n".join(json.dumps(row) for row in rows) + "\n", capture_output=True,
                         text=True, encoding="utf-8", check=True)
    return [json.loads(line) for line in run.stdout.split("\n") if line]


def byte_alphabet():
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in printable]
    return {**{chr(b): b for b in printable}, **{chr(256 + i): b for i, b in enumerate(rest)}}


ALPHABET = byte_alphabet()


def token_bytes(library, i):
    token = library.id_to_token(i)
    if token is None:
        return b""
    return bytes(ALPHABET[c] for c in token) if all(c in ALPHABET for c in token) else token.encode()


def compare(name, options):
    r = random.Random(f"{name} {options.seed}")
    path = FOLDER / name / "tokenizer.json"
    file = json.loads(path.read_text())
    library = Tokenizer.from_file(str(path))
    special = Tokenizer.from_file(str(path))
    special.encode_special_tokens = True
    plain = Tokenizer.from_str(json.dumps({**file, "added_tokens": [], "post_processor": None}))
    make = Strings(r, file, library)
    strings = [make.string() for _ in range(options.strings)]
    # DeepSeek LLM 7B's letters, which the library decodes to broken bytes and we do not (docs/engine/text.md).
    letters = {t["id"] for t in file["added_tokens"] if len(t["content"]) == 1 and t["content"] in ALPHABET}
    top = max(t["id"] for t in file["added_tokens"]) + 3
    id_lists = [[i for i in (r.randrange(top) for _ in range(r.randrange(1, 12))) if i not in letters]
                for _ in range(options.ids)]
    # Real text cut anywhere: characters lose bytes at both ends.
    for ids in (library.encode(s, add_special_tokens=False).ids for s in strings[:options.ids]):
        ids = [i for i in ids if i not in letters]
        if ids:
            a = r.randrange(len(ids))
            id_lists.append(ids[a:a + r.randrange(1, 12)])

    wrong = 0
    got = answers(options.binary, path, [{"text": s} for s in strings])
    for key, which in (("encode", library), ("special", special), ("plain", plain)):
        for s, ours, theirs in zip(strings, got, which.encode_batch(strings, add_special_tokens=False)):
            if ours[key] != theirs.ids:
                wrong += 1
                if wrong <= 5:
                    print(f"{name}: {key}: {s!r}\n  ours    {ours[key]}\n  library {theirs.ids}")
    for ids, ours in zip(id_lists, answers(options.binary, path, [{"ids": ids} for ids in id_lists])):
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        chunks = [decoder.decode(token_bytes(library, i)) for i in ids]
        theirs = {"text": library.decode(ids, skip_special_tokens=False),
                  "skip_special": library.decode(ids, skip_special_tokens=True),
                  "chunks": chunks, "flush": decoder.decode(b"", True)}
        if ours != theirs:
            wrong += 1
            if wrong <= 5:
                print(f"{name}: decode: {ids}\n  ours    {ours}\n  library {theirs}")
    print(f"{name}: {len(strings)} strings in 3 modes, {len(id_lists)} lists of ids: {wrong} differences", flush=True)
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--strings", type=int, default=20000)
    parser.add_argument("--ids", type=int, default=2000)
    parser.add_argument("--binary", default=str(ROOT / "build/release/bin/tokenizer_answers"))
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    names = options.names or sorted(p.parent.name for p in FOLDER.glob("*/tokenizer.json"))
    if not names:
        sys.exit(f"error: compare_library.py: no tokenizers in {FOLDER} (scripts/fetch-tokenizers gets them)")
    sys.exit(1 if sum(compare(name, options) for name in names) else 0)


if __name__ == "__main__":
    main()
