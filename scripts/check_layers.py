#!/usr/bin/env python3
"""Checks that folders depend on each other only as scripts/layers.txt permits.

  check_layers.py ROOT                  every #include "..." of our own sources under ROOT
  check_layers.py --edges FILE ROOT     lines "folder target" that CMake wrote: the links between targets

Exit status 0: all arrows are permitted; 1: some are not, one line on stderr for each; 2: wrong use.
"""
import os
import re
import sys

ROOMS = ("base", "proto", "engine", "agent", "router", "operator")


def permitted(root):
    table = {}
    with open(os.path.join(root, "scripts", "layers.txt"), encoding="utf-8") as lines:
        for line in lines:
            line = line.split("#")[0].strip()
            if line:
                folder, _, may = line.partition(":")
                table[folder.strip()] = set(may.split())
    return table


def folder_of(path, table):
    """The longest folder of the table that holds path; None if there is none."""
    while path:
        if path in table:
            return path
        path = os.path.dirname(path)
    return None


def includes(root, table):
    """Yields (file, line number, including folder, included path)."""
    pattern = re.compile(r'\s*#\s*include\s+"([^"]+)"')
    for room in ROOMS:
        for base, _, files in os.walk(os.path.join(root, room)):
            for name in sorted(files):
                if not name.endswith((".h", ".cc", ".cu", ".cuh")):
                    continue
                file = os.path.relpath(os.path.join(base, name), root)
                with open(os.path.join(root, file), encoding="utf-8") as lines:
                    for number, line in enumerate(lines, 1):
                        match = pattern.match(line)
                        if match:
                            yield file, number, match.group(1)


def resolve(root, included):
    """The folder that an #include path means: engine/engine.h is the public API in engine/include/engine."""
    public = os.path.join("engine", "include", included)
    if os.path.exists(os.path.join(root, public)):
        return os.path.dirname(public)
    return os.path.dirname(included)


def main(argv):
    edges = None
    if len(argv) == 4 and argv[1] == "--edges":
        edges, root = argv[2], argv[3]
    elif len(argv) == 2:
        root = argv[1]
    else:
        print(__doc__, file=sys.stderr)
        return 2
    table = permitted(root)
    bad = []
    for folder, may in table.items():
        for other in may - set(table):
            bad.append(f"scripts/layers.txt: {folder} names {other}, which has no line of its own")
    if edges:
        names = {folder.replace("/", "_"): folder for folder in table}
        with open(edges, encoding="utf-8") as lines:
            for line in lines:
                folder, target = line.split()
                if folder not in table:
                    bad.append(f"{folder}/CMakeLists.txt: scripts/layers.txt has no line for this folder")
                elif names.get(target) not in table[folder] and target != "proto":
                    bad.append(f"{folder}/CMakeLists.txt: links {target}, which scripts/layers.txt does not permit")
    else:
        for file, number, included in includes(root, table):
            if included.split("/")[0] not in ROOMS:
                continue
            source = folder_of(os.path.dirname(file), table)
            target = folder_of(resolve(root, included), table)
            if source is None or target is None:
                bad.append(f"{file}:{number}: includes {included}: a folder without a line in scripts/layers.txt")
            elif source != target and target not in table[source]:
                bad.append(f"{file}:{number}: {source} must not include {included}: {target} is not among what "
                           f"scripts/layers.txt permits it (move the code down, or pass what is needed as an argument)")
    for line in bad:
        print("layering: " + line, file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
