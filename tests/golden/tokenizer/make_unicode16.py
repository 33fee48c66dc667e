#!/usr/bin/env python3
"""Writes engine/tokenizer/unicode16.cc: the general categories that Unicode 16 has and Unicode 14 has not.

  make_unicode16.py > engine/tokenizer/unicode16.cc

Needs Python 3.11 (its unicodedata is Unicode 14.0) and `pip install unicodedata2==16.0.0`.
"""
import sys
import unicodedata

import unicodedata2

if (unicodedata.unidata_version, unicodedata2.unidata_version) != ("14.0.0", "16.0.0"):
    sys.exit("error: make_unicode16.py: Unicode versions: need 14.0.0 and 16.0.0, found "
             f"{unicodedata.unidata_version} and {unicodedata2.unidata_version} (see the top of this file)")
ranges = []
for point in range(0x110000):
    new = unicodedata2.category(chr(point))
    if new == unicodedata.category(chr(point)):
        continue
    if ranges and ranges[-1][1] == point - 1 and ranges[-1][2] == new:
        ranges[-1][1] = point
    else:
        ranges.append([point, point, new])
rows = [f'{{0x{a:04X}, 0x{b:04X}, "{c}"}},' for a, b, c in ranges]
print('// Written by tests/golden/tokenizer/make_unicode16.py; do not edit.')
print('#include "engine/tokenizer/unicode16.h"\n')
print('namespace deepseek::engine {\nnamespace {\n')
print('// clang-format off')
print('constexpr CategoryRange kRanges[] = {')
for i in range(0, len(rows), 3):
    print('    ' + ' '.join(rows[i:i + 3]))
print('};\n// clang-format on\n\n}  // namespace\n')
print('absl::Span<const CategoryRange> NewInUnicode16() { return kRanges; }\n')
print('}  // namespace deepseek::engine')
