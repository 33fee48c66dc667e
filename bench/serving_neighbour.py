"""bench/serving neighbour: our server alone and beside a process that keeps one processor busy, taken in turn."""
import contextlib
import json
import os
import subprocess
import sys

import compare
import serving_compare
import servers


@contextlib.contextmanager
def busy_process():
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def shares(alone, beside):
    """What is left of the throughput and of the processor time beside the neighbour, and of the work made of a second of
    that time: `per_cpu` near 1 is in proportion."""
    throughput = beside["output_tokens_per_s"] / alone["output_tokens_per_s"]
    least = 1e-6  # a server that did next to nothing
    cpu = max(beside["server_cpu_share"], least) / max(alone["server_cpu_share"], least)
    return {"throughput": throughput, "cpu": cpu, "per_cpu": throughput / cpu}


def run(args):
    load = serving_compare.workload(args.workload[0])
    prompts, pairs = serving_compare.Prompts(*args.ids, args.seed), []
    count = args.streams[0]
    with serving_compare.start(args, [load])["ours"] as server:
        serving_compare.warm_up({"ours": server}, prompts, [load], load, count)

        def measure(beside):
            bodies = [serving_compare.body(p, load["output"])
                      for p in prompts.take(load, max(args.requests, args.rounds * count))]
            with busy_process() if beside else contextlib.nullcontext():
                return serving_compare.measure(server, None, bodies, count)

        for pair in range(args.repeat):
            order = (False, True) if pair % 2 == 0 else (True, False)
            taken = {beside: measure(beside) for beside in order}
            pairs.append({"alone": taken[False], "beside": taken[True], **shares(taken[False], taken[True])})
    spreads = {key: compare.spread([p[key] for p in pairs]) for key in ("throughput", "cpu", "per_cpu")}
    failed = sum(p[side]["failed"] for p in pairs for side in ("alone", "beside"))
    itl = {side: [p[side]["itl_s"]["p99"] for p in pairs] for side in ("alone", "beside")}
    print(f"{load['name']}, {count} streams, one busy process beside {args.threads} threads on {os.cpu_count()} processors")
    for key, s in spreads.items():
        print(f"  {key:<10} {s['min']:.2f} / {s['median']:.2f} / {s['max']:.2f} of what it is alone")
    print(f"  itl p99    {min(itl['alone']):.3f} .. {max(itl['alone']):.3f} s alone, "
          f"{min(itl['beside']):.3f} .. {max(itl['beside']):.3f} s beside; {failed} failed")
    if max(p["alone"]["others_cpu_share"] for p in pairs) > serving_compare.CROWDED:
        print("  CROWDED: not a measurement")
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump({"pairs": pairs, "spreads": spreads}, file, indent=1)
    return 1 if failed else 0
