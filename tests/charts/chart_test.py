#!/usr/bin/env python3
"""The chart agrees with what it is made from: the CRD, the operator's list of rights, the project's version.

Plain text comparisons: needs neither Helm nor a cluster. What Helm makes of the chart is tested on the real cluster.
"""
import json
import os
import re
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CHART = os.path.join(ROOT, "charts", "deepseek-operator")


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


def rights_of_readme():
    """{(group, resource, verb)} of the table in operator/README.md."""
    rights = set()
    for group, resources, verbs in re.findall(r"^\| (\S+) \| ([a-z/, ]+?)(?: \([^)]*\))? \| ([a-z, ]+) \|", read(ROOT, "operator", "README.md"), re.M):
        if group == "group":
            continue
        for resource in resources.split(", "):
            rights |= {(group.strip('"'), resource, verb) for verb in verbs.split(", ")}
    return rights


def rights_of_chart():
    """The same of the ClusterRole and the Role that the operator gets, not of the roles for users."""
    text = read(CHART, "templates", "rbac.yaml").split("# ---- for people and programs")[0]
    rights = set()
    for groups, resources, verbs in re.findall(r"- \{apiGroups: \[(.*?)\], resources: \[(.*?)\], verbs: \[(.*?)\]\}", text):
        for group in groups.split(", "):
            for resource in resources.split(", "):
                rights |= {(group.strip('"'), resource, verb) for verb in verbs.split(", ")}
    return rights


class ChartTest(unittest.TestCase):
    def test_crd_is_the_generated_one(self):
        self.assertEqual(read(CHART, "files", "deepseekdeployments.yaml"),
                         read(ROOT, "crds", "serving.deepseek-operator.io_deepseekdeployments.yaml"),
                         "copy crds/ into charts/deepseek-operator/files (make crd)")

    def test_rights_granted_are_the_rights_used(self):
        self.assertGreater(len(rights_of_readme()), 30)
        self.assertEqual(rights_of_chart(), rights_of_readme())

    def test_no_wildcards_and_no_secrets(self):
        for group, resource, verb in rights_of_chart():
            self.assertNotIn("*", group + resource + verb)
            self.assertNotIn("secret", resource)

    def test_version_is_the_projects(self):
        version = re.search(r"project\([^)]*VERSION\s+([0-9.]+)", read(ROOT, "CMakeLists.txt")).group(1)
        chart = read(CHART, "Chart.yaml")
        self.assertIn(f"\nversion: {version}\n", chart)
        self.assertIn(f"\nappVersion: {version}\n", chart)

    def test_every_value_has_a_schema(self):
        schema = json.loads(read(CHART, "values.schema.json"))["properties"]
        values = set(re.findall(r"^([A-Za-z]+):", read(CHART, "values.yaml"), re.M))
        self.assertEqual(values, set(schema))

    def test_every_value_is_used(self):
        templates = "".join(read(CHART, "templates", name) for name in os.listdir(os.path.join(CHART, "templates")))
        for value in re.findall(r"^([A-Za-z]+):", read(CHART, "values.yaml"), re.M):
            self.assertIn(".Values." + value, templates)
        for value in re.findall(r"^  ([A-Za-z]+):", read(CHART, "values.yaml"), re.M):
            self.assertIn("." + value, templates + "Values.resources.requests .limits")  # passed on as they are

    def test_every_value_stands_in_the_readme(self):
        page = read(CHART, "README.md")
        for value in re.findall(r"^([A-Za-z]+):", read(CHART, "values.yaml"), re.M):
            self.assertRegex(page, rf"`{value}[`.]")


if __name__ == "__main__":
    unittest.main()
