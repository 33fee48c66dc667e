#!/usr/bin/env python3
"""Copies ctest's output unchanged and puts the table of lanes in front of ctest's own summary.

  ctest ... | lane_table.py RESULTS_DIR

RESULTS_DIR holds LANE.rc and LANE.seconds of the lanes that ran before ctest. The lanes unit and e2e are what ctest
runs, so their minutes are the sums of what it reports for each test.
"""
import os
import re
import sys

ORDER = ("deps", "cluster", "build", "asan", "lint")
TEST = re.compile(r"\s*\d+/\d+ Test\s+#\d+: (\S+) [.\s]*(Passed|\*{3}\S+(?: \S+)*?)\s+([\d.]+) sec")
SUMMARY = re.compile(r"\d+% tests passed, ")


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read().strip()


def finished_lanes(folder):
    rows = []
    for lane in ORDER:
        if os.path.exists(os.path.join(folder, lane + ".seconds")):
            status = read(os.path.join(folder, lane + ".rc"))
            rows.append((lane, float(read(os.path.join(folder, lane + ".seconds"))),
                         "ok" if status == "0" else f"FAILED (status {status})"))
    return rows


def lane_of(test):
    if test.startswith("lane_"):
        return None  # the outcome of a lane that has a row of its own
    return "e2e" if test.startswith("e2e") else "unit"


def tested_lanes(results):
    """Rows of unit and e2e from [(test, outcome, seconds)]."""
    rows = []
    for lane in ("unit", "e2e"):
        mine = [result for result in results if lane_of(result[0]) == lane]
        if mine:
            failed = [test for test, outcome, _ in mine if outcome not in ("Passed", "***Skipped")]
            skipped = sum(outcome == "***Skipped" for _, outcome, _ in mine)
            said = f"FAILED: {' '.join(failed)}" if failed else "ok"
            if skipped:
                said += f" ({skipped} skipped)"
            rows.append((lane, sum(seconds for _, _, seconds in mine), f"{said} [{len(mine)} tests]"))
    return rows


def table(rows):
    lines = ["", f"{'lane':<10}{'minutes':>8}  result"]
    lines += [f"{lane:<10}{seconds / 60:>8.1f}  {said}" for lane, seconds, said in rows]
    lines.append(f"{'sum':<10}{sum(row[1] for row in rows) / 60:>8.1f}")
    return "\n".join(lines) + "\n"


def main():
    folder = sys.argv[1]
    results, printed = [], False
    for line in sys.stdin:
        if found := TEST.match(line):
            results.append((found.group(1), found.group(2), float(found.group(3))))
        if SUMMARY.match(line) and not printed:
            print(table(finished_lanes(folder) + tested_lanes(results)), flush=True)
            printed = True
        print(line, end="", flush=True)
    if not printed:
        print(table(finished_lanes(folder) + tested_lanes(results)), flush=True)


if __name__ == "__main__":
    main()
