#!/usr/bin/env python3
"""Writes engine/tokenizer/nfc_opaque.cc: characters that the Python library's NFC does not know.

  make_nfc_opaque.py MODEL/tokenizer.json > engine/tokenizer/nfc_opaque.cc

The file's normalizer must be NFC (Qwen2.5). Needs `pip install tokenizers==0.23.3 unicodedata2==16.0.0`. The library's tables
are those of Unicode 9: marks that came later are not reordered and pairs that came later are not composed.
"""
import sys

import unicodedata2 as unicode
from tokenizers import Tokenizer

nfc = Tokenizer.from_file(sys.argv[1]).normalizer.normalize_str
opaque = set()
for point in list(range(0x300, 0xD800)) + list(range(0xE000, 0x110000)):
    c = chr(point)
    if unicode.combining(c):
        for probe in ("a" + c + "\u0316", "a\u0315" + c, "a\u0334" + c, "a" + c + "\u0334"):
            if nfc(probe) != unicode.normalize("NFC", probe):
                opaque.add(point)
    parts = unicode.decomposition(c).split()
    if len(parts) == 2 and not parts[0].startswith("<"):
        pair = "".join(chr(int(part, 16)) for part in parts)
        if unicode.normalize("NFC", pair) == c and nfc(pair) != c:
            opaque.add(int(parts[0], 16))
ranges = []
for point in sorted(opaque):
    if ranges and ranges[-1][1] == point - 1:
        ranges[-1][1] = point
    else:
        ranges.append([point, point])
rows = [f"{{0x{a:04X}, 0x{b:04X}}}," for a, b in ranges]
print("// Written by tests/golden/tokenizer/make_nfc_opaque.py; do not edit.")
print('#include "engine/tokenizer/normalize.h"\n')
print("namespace deepseek::engine {\n\n// clang-format off")
print("const std::vector<std::pair<uint32_t, uint32_t>>& NfcOpaqueRanges() {")
print("  static const std::vector<std::pair<uint32_t, uint32_t>> ranges = {")
for i in range(0, len(rows), 4):
    print("      " + " ".join(rows[i:i + 4]))
print("  };\n  return ranges;\n}\n// clang-format on\n\n}  // namespace deepseek::engine")
