"""bench/serving compare: our server beside llama.cpp's under the same streams, taken in turn."""
import json
import os
import random
import statistics
import sys
import time

import compare
import servers
import streams

CROWDED = 0.1  # a larger share of the processors in other hands: no measurement
LATENCIES = [(kind, share) for kind in ("ttft_s", "itl_s", "tpot_s") for share in ("p50", "p99")]


def workload(text):
    """"1024/64+512": prompts of 1024 tokens, the first 512 of them the same in all; answers of 64 tokens."""
    lengths, _, shared = text.partition("+")
    prompt, _, output = lengths.partition("/")
    made = {"name": text, "prompt": int(prompt), "output": int(output), "shared": int(shared or 0)}
    if min(made["prompt"] - made["shared"], made["output"]) < 4:
        raise ValueError(f"{text}: at least 4 tokens of an answer and 4 of a prompt are not shared")
    return made


class Prompts:
    """Token ids. No two prompts of one object begin alike behind what they share: the serial number comes first."""

    def __init__(self, low, high, seed):
        self.low, self.high, self.draw, self.serial, self.heads = low, high, random.Random(seed), 0, {}

    def _ids(self, count):
        return [self.draw.randrange(self.low, self.high) for _ in range(count)]

    def head(self, load):
        if load["name"] not in self.heads:
            self.heads[load["name"]] = self._ids(load["shared"])
        return self.heads[load["name"]]

    def take(self, load, count):
        made = []
        for _ in range(count):
            span = self.high - self.low
            number = [self.low + self.serial % span, self.low + self.serial // span % span]
            self.serial += 1
            own = number + self._ids(load["prompt"] - load["shared"] - len(number))
            made.append(self.head(load) + own)
        return made


def schedule(workloads, counts, repeat, sides):
    """[(workload, streams, pair, sides in their order)]: who begins changes from pair to pair."""
    return [(load, count, pair, sides if pair % 2 == 0 else sides[::-1])
            for load in workloads for count in counts for pair in range(repeat)]


def body(prompt, tokens):
    return {"prompt": prompt, "max_tokens": tokens, "ignore_eos": True, "stream": True, "temperature": 0,
            "stream_options": {"include_usage": True}}


def measure(side, other, bodies, count):
    """Figures of one server under one load, and whose the processors were meanwhile."""
    cores = os.cpu_count()
    busy, mine = servers.busy_seconds(), side.cpu_seconds()
    idle = other.cpu_seconds() if other else 0.0
    answers, wall, client = streams.keep_busy(side.port, "/v1/completions", bodies, count)
    used, rest = side.cpu_seconds() - mine, (other.cpu_seconds() - idle) if other else 0.0
    busy = servers.busy_seconds() - busy
    out = streams.figures([streams.parse(a) for a in answers], wall, client, cores)
    out["failed"] += len(bodies) - len(answers)  # those that were never asked
    out["server_cpu_share"], out["idle_server_cpu_share"] = used / wall / cores, rest / wall / cores
    out["others_cpu_share"] = max(0.0, busy - used - client) / wall / cores
    out["rss_mb"] = side.rss_kb() / 1024
    return out


def summary(row):
    """Adds spreads and ratios to a row of pairs."""
    def spread(values):
        return compare.spread(values) if None not in values else None

    pairs = row["pairs"]
    for side in pairs[0]:
        row[side] = {"output_tokens_per_s": spread([p[side]["output_tokens_per_s"] for p in pairs])}
        for kind, share in LATENCIES:
            row[side][f"{kind[:-2]}_{share}_s"] = spread([p[side][kind][share] for p in pairs])
        for name in ("client", "server", "others"):
            row[side][f"{name}_cpu_share"] = statistics.median(p[side][f"{name}_cpu_share"] for p in pairs)
        row[side]["failed"] = sum(p[side]["failed"] for p in pairs)
        row[side]["cached_share"] = statistics.median(
            p[side]["cached_tokens"] / max(1, p[side]["prompt_tokens"]) for p in pairs)
    if "peer" in pairs[0]:
        row["ratio"] = spread([p["ours"]["output_tokens_per_s"] / p["peer"]["output_tokens_per_s"] for p in pairs
                               if p["peer"]["output_tokens_per_s"]] or [None])
    row["quiet"] = all(row[side]["others_cpu_share"] <= CROWDED for side in pairs[0])
    return row


def lines(row):
    """The row as text, a line for each side."""
    def triple(s, digits, scale=1):
        return "-" if s is None else " / ".join(f"{scale * s[key]:.{digits}f}" for key in ("min", "median", "max"))

    def middle(s):
        return "-" if s is None else f"{1000 * s['median']:.{1 if s['median'] < 0.1 else 0}f}"

    out = []
    for side in (s for s in ("ours", "peer") if s in row):
        one, head = row[side], f"{row['workload']:<14} {row['streams']:>3}" if side == "ours" else " " * 18
        text = (f"{head} {side:<5}{triple(one['output_tokens_per_s'], 1):>26} tok/s  ttft {middle(one['ttft_p50_s']):>6} "
                f"{middle(one['ttft_p99_s']):>6}  itl {middle(one['itl_p50_s']):>5} {middle(one['itl_p99_s']):>6}  "
                f"cached {one['cached_share']:.2f}  cpu {one['server_cpu_share']:.2f} client {one['client_cpu_share']:.3f} "
                f"others {one['others_cpu_share']:.2f}")
        text += f"  {one['failed']} FAILED" if one["failed"] else ""
        out.append(text)
    if row.get("ratio"):
        out[-1] += f"  ours / peer {triple(row['ratio'], 2)}"
    if not row["quiet"]:
        out[-1] += "  CROWDED: not a measurement"
    return out


def start(args, workloads):
    """{"ours": Agent, "peer": Llama} with room for the most streams of the longest workload."""
    most, context = max(args.streams), max(w["prompt"] + w["output"] for w in workloads) + 16
    flags = ["--threads", str(args.threads), "--max-batch", str(most), "--max-context", str(context), "--prefix-cache", "on"]
    sides = {"ours": servers.Agent(args.agent, args.model, args.weights, flags + args.flag)}
    if args.gguf:
        try:
            sides["peer"] = servers.Llama(args.llama_server, args.gguf, args.threads, most, context, args.peer_flag)
        except BaseException:
            sides["ours"].stop()
            raise
    return sides


def warm_up(sides, prompts, workloads, load, count):
    """Nothing of this is counted: pages come into memory, prices become known, and what the prompts of this workload
    share becomes known to every slot of the peer, as a system prompt is that was there yesterday."""
    for side in sides.values():
        asked = [body(p, 4) for p in prompts.take(workloads[0], 2)]
        if load["shared"]:
            asked += [body(p, 4) for p in prompts.take(dict(load, prompt=load["shared"] + 4), count)]
        answers = streams.keep_busy(side.port, "/v1/completions", asked, count)[0]
        wrong = [parsed["error"] for parsed in map(streams.parse, answers) if parsed["error"]]
        if wrong:
            sys.exit(f"warm-up: {wrong[0]}")


def run(args):
    workloads = [workload(text) for text in args.workload]
    low, high = args.ids
    prompts, rows, begin = Prompts(low, high, args.seed), [], time.monotonic()
    sides = start(args, workloads)
    try:
        print("tokens per second and ratio: min / median / max; ttft and itl: p50 and p99 in ms, medians; cpu: shares of "
              f"all {os.cpu_count()} processors", flush=True)
        warm = None
        for load, count, pair, order in schedule(workloads, args.streams, args.repeat, list(sides)):
            if warm != load["name"]:
                warm_up(sides, prompts, workloads, load, max(args.streams))
                warm = load["name"]
            if pair == 0:
                rows.append({"workload": load["name"], "streams": count, "pairs": []})
            bodies = [body(p, load["output"]) for p in prompts.take(load, max(args.requests, args.rounds * count))]
            rows[-1]["pairs"].append({side: measure(sides[side], next((s for n, s in sides.items() if n != side), None),
                                                    bodies, count) for side in order})
            if pair + 1 == args.repeat:
                print("\n".join(lines(summary(rows[-1]))), flush=True)
    finally:
        for side in sides.values():
            side.stop()
    out = {"commands": {name: side.command for name, side in sides.items()}, "rounds": args.rounds, "requests": args.requests, "threads": args.threads,
           "seconds": time.monotonic() - begin, "rows": rows}
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump(out, file, indent=1)
    return 1 if any(row[side]["failed"] for row in rows for side in sides) else 0
