"""What bench/run computes from its measurements: spreads, ratios, shares of the machine. Pure: no processes here."""
import re
import statistics

CASES = {  # what one case asks of each side; batched decode starts from 32 tokens, as llama-batched-bench does
    "pp512": {"prompt": 512, "generate": 0, "batch": 1},
    "tg64": {"prompt": 1, "generate": 64, "batch": 1},
    "batch8": {"prompt": 32, "generate": 32, "batch": 8},
    "batch32": {"prompt": 32, "generate": 32, "batch": 32},
}
PEER_TYPES = {"native": ("BF16",), "int8": ("Q8_0",), "int4": ("Q4_0", "Q4_K_M")}  # of the same class of precision
QUIET = 0.9  # below this share of the processors a figure is no measurement
STEADY = 0.8  # below this ratio of the readings around a run the memory's speed changed meanwhile


def phase(case):
    return "prefill" if case.startswith("pp") else "decode"


def spread(values):
    return {"min": min(values), "median": statistics.median(values), "max": max(values), "n": len(values)}


def parse_membw(text):
    """Last line of membw: GB/s of the best case, its best pass and its median one."""
    match = re.findall(r"best with \d+ threads?: ([\d.]+) GB/s \(median of that case ([\d.]+)\)", text)
    best, median = match[-1]
    return {"best": float(best), "median": float(median)}


def parse_vnni(text, threads):
    """Best Gop/s of all threads by kind ("int8", "bf16", "fp32"); kinds that the CPU lacks are absent."""
    peaks = {}
    for kind, count, best in re.findall(r"^(\S+) .*?threads (\d+)\s+best\s+([\d.]+)", text, re.M):
        if int(count) == threads:
            peaks[kind] = max(peaks.get(kind, 0), float(best))
    return peaks


def between(before, after):
    """The bandwidth of a run: the mean of the readings just before and just after it, and whether they agree."""
    medians = sorted((before["median"], after["median"]))
    return {**{key: (before[key] + after[key]) / 2 for key in ("best", "median")},
            "steady": medians[0] >= STEADY * medians[1]}


def shares(case, ours, bandwidth, peaks):
    """What one of our runs is of the machine. The definitions are those of docs/engine/performance.md."""
    rate = ours[f"{phase(case)}_tokens_per_s"]["median"]
    peak = peaks.get(ours["compute"], peaks["fp32"]) * 1e9
    if phase(case) == "prefill":
        return {"prefill_share": 2 * ours["active_parameters"] * rate / peak,
                "prefill_share_computed": ours["prefill_flops_per_token"] * rate / peak}
    moved = ours["weight_bytes_per_token"] + ours["kv_bytes_read_per_token"]
    bus = bandwidth["median"] * 1e9 / moved  # tokens/s that the bus allows
    compute = peak / ours["decode_flops_per_token"]
    return {"bandwidth_share": rate / bus, "bandwidth_share_of_best": rate * moved / (bandwidth["best"] * 1e9),
            "bound_share": rate / min(bus, compute), "bound": "memory" if bus < compute else "compute"}


def summary(row):
    """Adds spreads, ratio and medians of the shares to a row of pairs.

    Shares are those of the pairs around which the memory's speed stayed; with none, of all."""
    pairs = row["pairs"]
    steady = [p for p in pairs if p["membw"]["steady"]]
    row["steady"] = len(steady)
    row["membw"] = spread([p["membw"]["median"] for p in pairs])
    row["ours"] = spread([p["ours"]["tokens_per_s"] for p in pairs])
    row["cpu_ours"] = min(p["ours"]["cpu_share"] for p in pairs)
    row["load"] = max(p["load"] for p in pairs)
    for key in pairs[0]["shares"]:
        if key != "bound":
            row[key] = statistics.median(p["shares"][key] for p in steady or pairs)
    if "bound" in pairs[0]["shares"]:
        bounds = [p["shares"]["bound"] for p in steady or pairs]
        row["bound"] = max(sorted(set(bounds)), key=bounds.count)
    row["peers"] = {}
    for kind in pairs[0]["peers"]:
        theirs = [p["peers"][kind] for p in pairs]
        row["peers"][kind] = {
            "tokens_per_s": spread([t["tokens_per_s"] for t in theirs]),
            "ratio": spread([p["ours"]["tokens_per_s"] / t["tokens_per_s"] for p, t in zip(pairs, theirs)]),
            "cpu": min(t["cpu_share"] for t in theirs)}
    row["quiet"] = row["cpu_ours"] >= QUIET
    return row


def share_text(row):
    if "prefill_share" in row:
        return f"{100 * row['prefill_share']:.0f} % of peak ({100 * row['prefill_share_computed']:.0f} % computed)"
    text = f"{100 * row['bandwidth_share']:.0f} % of bus"
    if row["bound"] != "memory":
        text += f", {100 * row['bound_share']:.0f} % of compute bound"
    if row["steady"] < len(row["pairs"]):
        text += f" ({row['steady']} of {len(row['pairs'])} pairs: else the memory's speed changed)"
    return text


def lines(row):
    """The row as text: ours, then one line for each peer file."""
    def triple(s, digits):
        return f"{s['min']:.{digits}f} / {s['median']:.{digits}f} / {s['max']:.{digits}f}"

    crowded = "" if row["quiet"] else "  CROWDED: not a measurement"
    out = [f"{row['model']:<10} {row['weights']:<6} {row['case']:<8} {triple(row['ours'], 1):>24} tok/s  "
           f"{share_text(row):<42} memory {triple(row['membw'], 0)} GB/s  cpu {row['cpu_ours']:.2f}  "
           f"load {row['load']:.1f}{crowded}"]
    for kind, peer in row["peers"].items():
        out.append(f"{'':<10} {kind:<6} {'':<8} {triple(peer['tokens_per_s'], 1):>24} tok/s  "
                   f"{'ours / peer ' + triple(peer['ratio'], 2):<42} cpu {peer['cpu']:.2f}")
    return out


def markdown(machine, rows):
    """A table for docs/engine/performance.md, and the profiles if there are any."""
    out = [f"{machine['time']}, {machine['cpu']}, {machine['threads']} threads, revision {machine['revision']}. Read "
           f"bandwidth {machine['membw']['best']:.1f} GB/s before and {machine['membw_after']['best']:.1f} after (medians "
           f"{machine['membw']['median']:.1f} and {machine['membw_after']['median']:.1f}), peaks " +
           ", ".join(f"{kind} {peak:.0f} Gop/s" for kind, peak in machine["peaks"].items()) + ".", "",
           "| model | weights | case | ours, tokens/s | peer | peer, tokens/s | ours / peer | share | memory, GB/s | cpu "
           "ours, peer |", "|---|---|---|---|---|---|---|---|---|---|"]

    def triple(s, digits=1):
        return f"{s['min']:.{digits}f} / **{s['median']:.{digits}f}** / {s['max']:.{digits}f}"

    for row in rows:
        crowded = "" if row["quiet"] else " crowded"
        head = f"| {row['model']} | {row['weights']} | {row['case']} | {triple(row['ours'])} |"
        if not row["peers"]:
            out.append(f"{head} | | | {share_text(row)} | {triple(row['membw'], 0)} | {row['cpu_ours']:.2f}{crowded} |")
        for kind, peer in row["peers"].items():
            out.append(f"{head} {kind} | {triple(peer['tokens_per_s'])} | {triple(peer['ratio'], 2)} | {share_text(row)} | "
                       f"{triple(row['membw'], 0)} | {row['cpu_ours']:.2f}, {peer['cpu']:.2f}{crowded} |")
    for row in rows:
        if "profile" in row["agent"]:
            out += ["", f"{row['model']} {row['weights']} {row['case']}:", "", "```text", profile_table(row), "```"]
    return "\n".join(out) + "\n"


def profile_table(row):
    """Where the last run of a row spent its time, per step."""
    profile = row["agent"]["profile"][phase(row["case"])]
    out = [f"{'operation':<10} {'calls':>6} {'ms':>9} {'share':>7} {'cpu':>5} {'cpu ms':>9} {'MB':>9} {'GB/s':>6} "
           f"{'GFLOP/s':>8} {'per cpu s':>9}"]
    for op in profile["operations"] + [profile["total"]]:
        out.append(f"{op['name']:<10} {op['calls']:6.1f} {op['milliseconds']:9.3f} {100 * op['share']:6.1f}% "
                   f"{op['cpu_share']:5.2f} {op['cpu_milliseconds']:9.3f} {op['bytes'] / 1e6:9.2f} {op['gb_per_s']:6.1f} "
                   f"{op['gflop_per_s']:8.1f} {op['gflop_per_cpu_s']:9.1f}")
    return "\n".join(out)
