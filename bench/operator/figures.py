"""What bench/operator/cluster computes from its measurements. Pure."""
import statistics

import audit

SHARES = ("cpu_ms_per_write", "cpu_ms_per_write_but_events", "cpu_ms_per_write_of_changes", "cpu_ms_per_made",
          "memory_kb_per_object", "memory_growth_kb_per_object", "idle_percent_of_a_core", "create_cpu_s",
          "changes_cpu_s", "restart_cpu_s", "memory_mb")


def phase(name, cpu, requests):
    """The figures of one phase: processor time, and requests by what they were."""
    requests = {what: n for what, n in sorted(requests.items()) if n}
    return {f"{name}_cpu_s": cpu, f"{name}_writes": audit.count(requests, audit.WRITES),
            f"{name}_reads": audit.count(requests, audit.READS), f"{name}_requests": requests}


def derive(out):
    """Adds what is per write and per object. Growth is over the process that has just started."""
    if "restart_cpu_s" not in out:
        return out
    events = sum(n for what, n in out["create_requests"].items() if what.split(" ")[1] == "events")
    out["cpu_ms_per_write"] = 1000 * out["create_cpu_s"] / max(1, out["create_writes"])
    out["cpu_ms_per_write_but_events"] = 1000 * out["create_cpu_s"] / max(1, out["create_writes"] - events)
    out["cpu_ms_per_made"] = 1000 * out["create_cpu_s"] / out["made"]
    out["cpu_ms_per_write_of_changes"] = 1000 * out["changes_cpu_s"] / max(1, out["changes_writes"])
    out["memory_kb_per_object"] = 1024 * out["memory_mb"] / out["objects"]
    out["memory_growth_kb_per_object"] = 1024 * (out["memory_mb"] - out["memory_empty_mb"]) / out["objects"]
    return out


def ratios(out):
    """Ours as a share of each peer."""
    return {peer: {key: out["ours"][key] / figures[key] for key in SHARES if figures.get(key)}
            for peer, figures in out.items() if peer != "ours" and "ours" in out}


def text(out):
    """A table with a column for each; requests, which differ in kind, below it."""
    def cell(value):
        return "" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)

    shares = ratios(out)
    keys = [key for key in next(iter(out.values())) if not key.endswith("_requests")]
    lines = [f"{'':28}" + "".join(f"{name:>12}" for name in out) + "".join(f"{'ours / ' + peer:>16}" for peer in shares)]
    for key in keys:
        lines.append(f"{key:28}" + "".join(f"{cell(figures.get(key)):>12}" for figures in out.values()) +
                     "".join(f"{cell(share.get(key)):>16}" for share in shares.values()))
    for name, figures in out.items():
        for key in (k for k in figures if k.endswith("_requests")):
            lines.append(f"{name} {key}: " + ", ".join(f"{n} {what}" for what, n in figures[key].items()))
    return "\n".join(line.rstrip() for line in lines)


def spread(values):
    return f"{min(values):.3f} / {statistics.median(values):.3f} / {max(values):.3f}"


def turns_text(out):
    """min / median / max of {subject: {step: [ms per write in each turn]}}, and of ours / peer within a turn."""
    lines = [f"{'ms per write':16}" + "".join(f"{step:>26}" for step in next(iter(out.values())))]
    for name, steps in out.items():
        lines.append(f"{name:16}" + "".join(f"{spread(values):>26}" for values in steps.values()))
    for peer in (name for name in out if name != "ours" and "ours" in out):
        lines.append(f"{'ours / ' + peer:16}" + "".join(
            f"{spread([a / b for a, b in zip(out['ours'][step], out[peer][step])]):>26}" for step in out[peer]))
    return "\n".join(lines)
