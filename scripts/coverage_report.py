#!/usr/bin/env python3
"""Adds up what gcov says about the sources of some folders, over all object files of a build.

  scripts/coverage_report.py [--bar PERCENT] [--lines] BUILD FOLDER...

Prints lines, covered lines and test lines per source line for each folder; --lines lists what no test runs. Ends with 1
if a folder is below the bar.
"""
import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def below_root(name, directory):
    """The path below ROOT of a source that gcov names: absolute, from `directory`, or, through ccache, from ROOT."""
    if os.path.exists(os.path.join(ROOT, name)):
        return name
    return os.path.relpath(os.path.normpath(os.path.join(directory, name)), ROOT)


def counts(build):
    """{path below ROOT: {line: executions}} over every object file that ran."""
    notes = [os.path.join(folder, name) for folder, _, names in os.walk(build) for name in names if name.endswith(".gcda")]
    lines = {}
    with tempfile.TemporaryDirectory() as scratch:
        for note in notes:
            subprocess.run(["gcov", "--json-format", os.path.abspath(note)], cwd=scratch, check=True, capture_output=True)
            for name in os.listdir(scratch):
                with gzip.open(os.path.join(scratch, name), "rt", encoding="utf-8") as file:
                    report = json.load(file)
                os.remove(os.path.join(scratch, name))
                for entry in report["files"]:
                    into = lines.setdefault(below_root(entry["file"], report["current_working_directory"]), {})
                    for line in entry["lines"]:
                        number = line["line_number"]
                        into[number] = into.get(number, 0) + line["count"]
    return lines


def length(folder):
    total = 0
    for name in sorted(os.listdir(os.path.join(ROOT, folder))):
        if name.endswith((".cc", ".h")):
            with open(os.path.join(ROOT, folder, name), encoding="utf-8") as file:
                total += sum(1 for _ in file)
    return total


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bar", type=float, default=0)
    parser.add_argument("--lines", action="store_true")
    parser.add_argument("build")
    parser.add_argument("folders", nargs="+")
    args = parser.parse_args()
    found = counts(args.build)
    below = False
    for folder in args.folders:
        files = {path: lines for path, lines in found.items() if os.path.dirname(path) == folder}
        all_lines = sum(len(lines) for lines in files.values())
        covered = sum(1 for lines in files.values() for count in lines.values() if count)
        percent = 100 * covered / all_lines if all_lines else 0
        tests = os.path.join("tests", folder)
        ratio = length(tests) / length(folder)
        print(f"{folder}: {covered} of {all_lines} lines run, {percent:.1f} %; {ratio:.2f} test lines per source line")
        for path, lines in sorted(files.items()):
            missed = [number for number, count in sorted(lines.items()) if not count]
            if missed and args.lines:
                print(f"  {path}: {', '.join(map(str, missed))}")
        below = below or percent < args.bar
    return 1 if below else 0


if __name__ == "__main__":
    sys.exit(main())
