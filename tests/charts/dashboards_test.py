#!/usr/bin/env python3
"""Dashboards and alerts show only metrics that exist, used as their type asks for. Needs neither Helm nor Prometheus."""
import glob
import json
import os
import re
import unittest

from metric_names import documented, problems

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FILES = os.path.join(ROOT, "charts", "deepseek-operator", "files")
# What a scrape adds: the target's namespace and pod; le is the buckets' own.
SCRAPED = {"namespace", "pod", "le"}


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


def labels_of_the_sources():
    """Label names that the telemetry of operator and agent writes."""
    code = "".join(read(path) for folder in ("operator", "agent") for path in glob.glob(os.path.join(ROOT, folder, "telemetry", "*telemetry.cc")))
    labels = set(re.findall(r'\{\s*"([a-z_]+)",\s', code)) | set(re.findall(r'(?:labels|with_reason|config)\["([a-z_]+)"\]', code))
    return labels | set(re.findall(r'"?,?([a-z]+)=(?:\\)?"', code))


TYPES = documented(read(ROOT, "docs", "reference", "metrics.md"))
LABELS = SCRAPED | labels_of_the_sources()
BOARDS = sorted(glob.glob(os.path.join(FILES, "dashboards", "*.json")))


class Rules(unittest.TestCase):
    """The checker sees what it is for."""

    def test_good_and_bad(self):
        good = ['sum by (le) (rate(vllm:time_to_first_token_seconds_bucket{model_name=~"$model"}[5m]))', "deepseek_tokens_in_flight > 0"]
        bad = ["vllm:no_such_thing", "vllm:time_to_first_token_seconds", "vllm:num_requests_running_sum", "vllm:prompt_tokens_total",
               "rate(vllm:num_requests_running[5m])", 'vllm:num_requests_running{model="x"}', "sum by (tenant) (deepseek_tokens_in_flight)",
               "up == 0"]
        for expression in good:
            self.assertEqual(problems(expression, TYPES, LABELS), [], expression)
        for expression in bad:
            self.assertNotEqual(problems(expression, TYPES, LABELS), [], expression)

    def test_the_sources_were_read(self):
        self.assertGreater(len(TYPES), 30)
        for label in ("model_name", "finished_reason", "reason", "action", "revision", "phase", "deployment", "device", "verb", "code"):
            self.assertIn(label, LABELS)


class Dashboards(unittest.TestCase):
    def test_there_are_some(self):
        self.assertEqual([os.path.basename(path) for path in BOARDS], ["models.json", "operator.json"])

    def test_every_panel_asks_for_what_exists(self):
        for path in BOARDS:
            board = json.loads(read(path))
            variables = {variable["name"] for variable in board["templating"]["list"]} | {"__rate_interval"}
            for panel in board["panels"]:
                if panel["type"] == "row":
                    continue
                self.assertTrue(panel["targets"], panel["title"])
                for target in panel["targets"]:
                    where = f"{os.path.basename(path)}: {panel['title']}: {target['expr']}"
                    self.assertEqual(problems(target["expr"], TYPES, LABELS), [], where)
                    self.assertEqual(set(re.findall(r"\$(\w+)", target["expr"])) - variables, set(), where)
                    self.assertEqual(target["datasource"]["uid"], "${datasource}", where)

    def test_variables_choose_in_every_panel(self):
        for path, metrics, chosen in ((BOARDS[0], r"(?:vllm:|deepseek_)\w+", {"namespace", "model_name"}),
                                      (BOARDS[1], r"deepseek_deployment_\w+", {"namespace"})):
            found = re.findall(rf"({metrics})(\{{[^}}]*\}})?", json.dumps([panel.get("targets") for panel in json.loads(read(path))["panels"]]))
            self.assertGreater(len(found), 4)
            for name, selector in found:
                named = set(re.findall(r"(\w+)=~", selector))
                self.assertEqual(named, chosen - {"model_name"} if name == "deepseek_build_info" else chosen, name)

    def test_variables_ask_for_what_exists(self):
        for path in BOARDS:
            for variable in json.loads(read(path))["templating"]["list"]:
                if variable["type"] == "query":
                    series, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"]).groups()
                    self.assertEqual(problems(series, TYPES, LABELS), [])
                    self.assertIn(label, LABELS)

    def test_panels_have_their_own_place_and_number(self):
        for path in BOARDS:
            panels = json.loads(read(path))["panels"]
            self.assertEqual(len({panel["id"] for panel in panels}), len(panels))
            taken = set()
            for panel in panels:
                at = panel["gridPos"]
                self.assertLessEqual(at["x"] + at["w"], 24)
                cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
                self.assertFalse(cells & taken, f"{path}: {panel['title']} lies on another panel")
                taken |= cells


class Alerts(unittest.TestCase):
    def setUp(self):
        self.rules = re.split(r"^  - alert: ", read(FILES, "alerts.yaml"), flags=re.M)[1:]

    def test_every_rule_asks_for_what_exists_and_says_what_to_do(self):
        self.assertGreater(len(self.rules), 5)
        for rule in self.rules:
            name = rule.split("\n", 1)[0]
            self.assertRegex(name, r"^DeepSeek[A-Z]\w+$")
            expression = re.search(r"^    expr:(?: \|\n((?:      .*\n)+)| (.*)\n)", rule, re.M)
            self.assertEqual(problems(expression.group(1) or expression.group(2), TYPES, LABELS), [], name)
            for word in ("severity: ", "summary: ", "description: "):
                self.assertIn(word, rule, name)

    def test_labels_in_the_texts_are_those_of_the_result(self):
        for rule in self.rules:
            expression, texts = rule.split("annotations:", 1)
            result = {word.strip() for group in re.findall(r"by \(([^)]*)\)", expression) for word in group.split(",")}
            self.assertLessEqual(set(re.findall(r"\$labels\.(\w+)", texts)), result, rule)


if __name__ == "__main__":
    unittest.main()
