"""Metrics in PromQL, looked at with regular expressions: which are named, how they are used, by which labels."""
import re

PREFIXES = "vllm:|deepseek_|controller_runtime_|workqueue_|rest_client_|leader_election_"
NAME = re.compile(rf"(?<![\w\"])((?:{PREFIXES})[a-z0-9_]+)")
SUFFIX = re.compile(r"_(bucket|sum|count)$")


def documented(page):
    """{name: type} of docs/reference/metrics.md."""
    return dict(re.findall(rf"^- `((?:{PREFIXES})[a-z0-9_]+)` \((counter|gauge|histogram)\)", page, re.M))


def problems(expression, types, labels):
    """What is wrong with an expression, as sentences: unknown metrics and labels, counters that are not rated, .."""
    found = []
    bare = re.sub(r'"[^"]*"', '""', expression)
    for match in NAME.finditer(bare):
        name, base = match.group(1), SUFFIX.sub("", match.group(1))
        if name in types and types[name] != "histogram":
            kind = types[name]
        elif base != name and types.get(base) == "histogram":
            kind = "histogram"
        else:
            found.append(f"{name} is not a series in docs/reference/metrics.md")
            continue
        rated = re.search(r"\b(rate|increase)\($", bare[:match.start()])
        if kind in ("counter", "histogram") and not rated:
            found.append(f"{name} only grows: rate() or increase() belongs around it")
        if kind == "gauge" and rated:
            found.append(f"{name} is a gauge: no rate()")
    used = [word for group in re.findall(r"\bby \(([^)]*)\)", bare) for word in group.split(",")]
    used += re.findall(r"[{,]\s*(\w+)\s*(?:=~|!~|!=|=)", bare)
    found += [f"nothing carries the label {label.strip()}" for label in used if label.strip() not in labels]
    if not NAME.search(bare):
        found.append("no metric is named")
    return found
