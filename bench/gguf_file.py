"""Writes GGUF version 3 files: the form that llama.cpp reads.

Layout (ggml's docs/gguf.md): magic, version, counts of tensors and of key-value pairs; the pairs; per tensor its name,
dimensions (fastest first), type and offset; then the data, each tensor at a multiple of 32 bytes. Little-endian.
"""
import struct

ALIGNMENT = 32
F32, BF16 = 0, 30  # ggml_type
TYPES = {"u32": (4, "<I"), "i32": (5, "<i"), "f32": (6, "<f"), "bool": (7, "<?"), "str": (8, None)}


def packed_string(text):
    raw = text.encode("utf-8", "surrogateescape")
    return struct.pack("<Q", len(raw)) + raw


def packed_value(kind, value):
    return packed_string(value) if kind == "str" else struct.pack(TYPES[kind][1], value)


class GgufFile:
    """Collects pairs and tensors, then writes all; tensors are made one at a time, when their turn comes."""

    def __init__(self, architecture):
        self.architecture = architecture
        self.pairs = []
        self.tensors = []  # (name, shape, type, make)
        self.put("general.architecture", "str", architecture)

    def put(self, key, kind, value):
        """One value; a key that starts with a dot belongs to the architecture."""
        key = self.architecture + key if key.startswith(".") else key
        self.pairs.append(packed_string(key) + struct.pack("<I", TYPES[kind][0]) + packed_value(kind, value))

    def put_list(self, key, kind, values):
        head = struct.pack("<IIQ", 9, TYPES[kind][0], len(values))
        self.pairs.append(packed_string(key) + head + b"".join(packed_value(kind, v) for v in values))

    def tensor(self, name, shape, make, kind=BF16):
        """make() gives the array: float32 for F32, bit patterns (uint16) for BF16; shape is numpy's, slowest first."""
        self.tensors.append((name, tuple(shape), kind, make))

    @staticmethod
    def size(shape, kind):
        count = 1
        for n in shape:
            count *= n
        return count * (4 if kind == F32 else 2)

    def write(self, path):
        offset, infos = 0, []
        for name, shape, kind, _ in self.tensors:
            infos.append(packed_string(name) + struct.pack("<I", len(shape)) +
                         struct.pack(f"<{len(shape)}Q", *reversed(shape)) + struct.pack("<IQ", kind, offset))
            offset += (self.size(shape, kind) + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT
        head = struct.pack("<4sIQQ", b"GGUF", 3, len(self.tensors), len(self.pairs))
        head += b"".join(self.pairs) + b"".join(infos)
        with open(path, "wb") as out:
            out.write(head + b"\0" * (-len(head) % ALIGNMENT))
            for name, shape, kind, make in self.tensors:
                data = make()
                if data.shape != shape or data.itemsize != (4 if kind == F32 else 2):
                    raise ValueError(f"{name}: made {data.shape} {data.dtype}, announced {shape}")
                data = data.tobytes()
                out.write(data + b"\0" * (-len(data) % ALIGNMENT))
