"""Every panel of the chart's dashboards shows something in a real Prometheus under real traffic, and every alert can be asked.

PANELS=DIR leaves there what the panels show, for scripts/draw-panels; ANSWERS=N makes each phase longer (make pictures).
"""
import json
import os
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support import dashboards, installation, kube, monitors, prometheus  # noqa: E402
from support.discovery import Discovery  # noqa: E402
from support.story import Story, deepseek  # noqa: E402
from support.traffic import Traffic  # noqa: E402

MODEL, INTERVAL = "demo-v3", 1
KINDS = ("podmonitors", "servicemonitors", "prometheusrules")
# panel/reference: why it may show nothing but 0 here. All others show more.
MAY_BE_ZERO = {
    "Preemptions per second/A": "the demo model's KV cache does not run short",
    "Rows with NaN or infinity/A": "nothing is damaged",
    "Errors and retries per second/A": "nothing is refused to the operator",
    "Errors and retries per second/B": "whether a race is lost is chance",
    "Keys that wait/A": "whether one waits while it is looked at is chance",
    "Requests in the engine/B": "likewise",
}


class Dashboards(Story):
    def setUp(self):
        if not prometheus.PROGRAM:
            self.skipTest("no Prometheus here (get it: scripts/fetch-prometheus)")
        super().setUp()
        self.answers = int(os.environ.get("ANSWERS", "40"))

    def monitored_installation(self):
        """The chart with all it has for Prometheus, which may read with the token in self.token."""
        self.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "prometheus"}})
        self.addCleanup(installation.remove_monitoring, *KINDS)
        installation.install_monitoring(*KINDS)
        self.addCleanup(installation.install, self.images["operator"], self.images["agent"])
        installation.install(self.images["operator"], self.images["agent"], "metrics.readers[0].name=prometheus",
                             f"metrics.readers[0].namespace={self.namespace}", "metrics.serviceMonitor.enabled=true",
                             f"metrics.serviceMonitor.interval={INTERVAL}s", "prometheusRule.enabled=true", "dashboards.enabled=true")

    def scrape_configs(self, discovery):
        token = os.path.join(os.path.dirname(discovery.pods), "token")
        with open(token, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(kube.kubectl("create", "token", "prometheus", "--duration=1h", namespace=self.namespace).strip())
        found = kube.get("podmonitors", namespace=self.namespace)
        configs = [config for one in found for config in monitors.pod_monitor(one, [discovery.pods])]
        found = kube.get("servicemonitors", namespace=installation.NAMESPACE)
        return configs + [config for one in found for config in monitors.service_monitor(one, [discovery.endpoints], token)]

    def until_scraped(self, server):
        def check():
            wanted = {pod["metadata"]["name"] for pod in [*self.pods(), *installation.operator_pods()]}
            up = {pod for pod, (health, _) in server.targets().items() if health == "up"}
            return wanted <= up
        kube.wait_until("every pod is scraped", check, 60, lambda: f"{server.targets()}\n{self.describe()}")

    def live(self):
        """What a model meets in its life, under traffic."""
        with Traffic(self.url(), MODEL) as traffic:
            traffic.until_answered(self.answers)
            self.patch("demo", {"engine": {"maxBatch": 3}})
            self.until_ready()
            traffic.until_answered(self.answers)
            # an image that nobody can pull, and the way back
            self.patch("demo", {"engine": {"image": "deepseek-operator.local/nothing:1"}})
            self.until_condition("Ready", "False", "ImagePullFailed")
            traffic.until_answered(self.answers)
            self.patch("demo", {"engine": {"image": None}})
            self.until_ready()
            self.patch("demo", {"replicas": 3})
            self.until_ready()
            traffic.until_answered(self.answers)
        self.assertEqual(traffic.failures(), [])
        self.assertGreater(min(traffic.streamed, traffic.cut), 0)
        self.assertEqual(traffic.refused - {429}, {400, 404})

    def problems(self, query, series):
        """What is wrong with what a panel shows, as sentences."""
        found = dashboards.numbers(series)
        if not found:
            return [f"{query.where}: shows nothing"]
        wrong = [] if any(found) or query.key in MAY_BE_ZERO else [f"{query.where}: shows only 0"]
        for labels, _ in series:
            missing = {label for label in query.legend_labels() if not labels.get(label)}
            if missing:
                wrong.append(f"{query.where}: the legend names {sorted(missing)}, which {labels} has not")
        return wrong

    def test_every_panel_shows_something_and_every_alert_can_be_asked(self):
        # Given an operator with all the chart has for Prometheus, and a model with a PodMonitor
        self.monitored_installation()
        self.apply(deepseek(replicas=2, engine={"maxBatch": 2}, observability={"podMonitor": {"interval": f"{INTERVAL}s"}}))
        self.until_condition("Monitored", "True", seconds=90)
        self.until_ready()
        rules = kube.get("prometheusrules", namespace=installation.NAMESPACE)
        self.assertEqual(len(rules), 1)

        # When Prometheus scrapes what the monitors select, and the model lives under traffic
        with tempfile.TemporaryDirectory() as folder, Discovery(folder) as discovery, \
                prometheus.Prometheus(self.scrape_configs(discovery), rules[0]["spec"], f"{INTERVAL}s") as server:
            self.until_scraped(server)
            begin = time.time()
            self.live()
            self.until_scraped(server)
            end = time.time()

            # Then each query of each panel has values
            boards = dashboards.boards(installation.NAMESPACE)
            self.assertEqual(len(boards), 2)
            wrong = [problem for board in boards for problem in self.wrong_panels(board, server, begin, end)]
            self.assertEqual(wrong, [])

            # And each alert is evaluated without an error, and none fires once the model is well
            states = server.rule_states()
            self.assertGreater(len(states), 8)
            self.assertEqual({name: health for name, (health, _) in states.items() if health != "ok"}, {})
            kube.wait_until("no alert fires", lambda: "firing" not in [state for _, state in server.rule_states().values()], 30,
                            lambda: str(server.rule_states()))

    def wrong_panels(self, board, server, begin, end):
        """Problems of a board, for the namespace and the model that its variables offer."""
        step = max(INTERVAL, int((end - begin) / 120))
        offered, variables = dashboards.choices(board, server, begin, end)
        for name, value in (("namespace", self.namespace), ("model", MODEL)):
            if name in offered:
                self.assertIn(value, offered[name], board["title"])
                variables[name] = value
        wrong, shown = [], []
        for query in dashboards.queries(board):
            series = server.range(query.expression(variables, step, INTERVAL), begin, end, step)
            wrong += self.problems(query, series)
            shown.append({"panel": query.panel["id"], "legend": query.target.get("legendFormat", ""), "series": series})
        self.keep(board, begin=begin, end=end, step=step, shown=shown)
        return wrong

    def keep(self, board, **what):
        if "PANELS" in os.environ:
            os.makedirs(os.environ["PANELS"], exist_ok=True)
            with open(os.path.join(os.environ["PANELS"], board["uid"] + ".json"), "w", encoding="utf-8") as file:
                json.dump({"board": board, **what}, file)


if __name__ == "__main__":
    unittest.main()
