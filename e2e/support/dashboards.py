"""Grafana's dashboards as far as queries go: panels, variables, and what Grafana puts in their place."""
import dataclasses
import json
import math
import re

from support import kube


@dataclasses.dataclass
class Query:
    board: str
    panel: dict
    target: dict

    @property
    def where(self):
        return f"{self.board}: {self.panel['title']}: {self.target['expr']}"

    @property
    def key(self):
        """A name for lists of exceptions: panel and reference, unique in a board."""
        return f"{self.panel['title']}/{self.target['refId']}"

    def expression(self, variables, step, interval):
        return filled(self.target["expr"], {**variables, "__rate_interval": f"{rate_interval(step, interval)}s"})

    def legend_labels(self):
        return set(re.findall(r"\{\{\s*(\w+)\s*\}\}", self.target.get("legendFormat", "")))


def rate_interval(step, interval):
    """Grafana's $__rate_interval, in seconds."""
    return max(step + interval, 4 * interval)


def filled(expression, variables):
    """The expression with $name and ${name} replaced; one that is unknown is refused."""
    return re.sub(r"\$\{?(\w+)\}?", lambda found: variables[found.group(1)], expression)


def boards(namespace):
    """The dashboards in the cluster, as Grafana's sidecar finds them."""
    found = kube.get("configmaps", namespace=namespace, selector="grafana_dashboard=1")
    return [json.loads(text) for one in found for name, text in sorted(one["data"].items()) if name.endswith(".json")]


def queries(board):
    return [Query(board["title"], panel, target) for panel in board["panels"] for target in panel.get("targets", [])]


def choices(board, prometheus, start, end):
    """{variable: its values} of a board's queried variables. Those that ask with others get All."""
    found, everything = {}, {}
    for variable in board["templating"]["list"]:
        if variable["type"] != "query":
            continue
        series, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"]).groups()
        found[variable["name"]] = prometheus.ask(f"label/{label}/values", **{"match[]": filled(series, everything), "start": start, "end": end})
        everything[variable["name"]] = variable["allValue"]
    return found, everything


def numbers(series):
    """All values of a range's answer that can be drawn."""
    return [value for _, points in series for _, value in points if math.isfinite(value)]
