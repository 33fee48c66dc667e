"""Names in the sources stand in their page, and the page names nothing that is not there."""
import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAME = (r"(?:vllm:|deepseek_|controller_runtime_|workqueue_|rest_client_|leader_election_)[a-z0-9_]+"
        r"|DCGM_FI_DEV_[A-Z_]+")


def text(*names):
    return "\n".join((ROOT / name).read_text(encoding="utf-8") for name in names)


def sources(folder):
    return text(*sorted(str(path.relative_to(ROOT)) for path in (ROOT / folder).glob("*.cc")))


class Metrics(unittest.TestCase):
    def setUp(self):
        self.code = "".join(map(sources, ("agent/gpu", "agent/telemetry", "operator/telemetry")))
        self.page = text("docs/reference/metrics.md")
        self.names = set(re.findall(rf'"({NAME})"', self.code))

    def test_the_sources_name_metrics(self):
        self.assertGreater(len(self.names), 20)
        self.assertIn("vllm:time_to_first_token_seconds", self.names)
        self.assertIn("DCGM_FI_DEV_XID_ERRORS", self.names)

    def test_each_has_a_row_and_each_row_a_metric(self):
        rows = set(re.findall(rf"^- `({NAME})` \(", self.page, re.MULTILINE))
        self.assertEqual(rows, self.names)

    def test_reasons_of_refusals(self):
        reasons = set(re.findall(r'^ +return "([a-z_]+)";', self.code.split("Name(Refusal", 1)[1].split("struct", 1)[0],
                                 re.MULTILINE))
        self.assertGreaterEqual(len(reasons), 7)
        for reason in reasons:
            self.assertIn(f"`{reason}`", self.page)


class Reasons(unittest.TestCase):
    def test_each_reason_has_a_row_and_each_row_a_reason(self):
        header, conditions = text("operator/decide/reasons.h").split("namespace deepseek::decide::condition", 1)
        reasons = set(re.findall(r'k\w+\[\] =\s*"(\w+)";', header))
        self.assertGreater(len(reasons), 25)
        page = text("docs/troubleshooting.md").split("## By reason", 1)[1].split("\n## ", 1)[0]
        self.assertEqual(set(re.findall(r"^- `([A-Z]\w+)`:", page, re.MULTILINE)), reasons)
        for condition in re.findall(r'k\w+\[\] =\s*"(\w+)";', conditions):
            self.assertIn(f"`{condition}`", text("docs/concepts.md"))


class Index(unittest.TestCase):
    def test_every_page_is_linked_from_the_index(self):
        index = text("docs/README.md")
        for page in sorted((ROOT / "docs").rglob("*.md")):
            name = page.relative_to(ROOT / "docs")
            if name.name != "README.md" and name.parts[0] != "adr":
                self.assertIn(f"]({name})", index, "docs/README.md leads to every page")


class Values(unittest.TestCase):
    def test_values_in_the_gitops_samples_are_the_charts(self):
        known = set(re.findall(r"^([A-Za-z]+):", text("charts/deepseek-operator/values.yaml"), re.MULTILINE))
        nested = set(re.findall(r"^  ([A-Za-z]+):", text("charts/deepseek-operator/values.yaml"), re.MULTILINE))
        blocks = re.findall(r"^( *)(?:values|valuesObject):\n((?:\1  +.*\n)+)", text("docs/gitops.md"), re.MULTILINE)
        self.assertEqual(len(blocks), 2)
        for _, block in blocks:
            for name, inner in re.findall(r"^ *(\w+): \{(\w+):", block, re.MULTILINE):
                self.assertIn(name, known)
                self.assertIn(inner, nested)

    def test_every_alert_has_a_row(self):
        alerts = set(re.findall(r"- alert: (\w+)", text("charts/deepseek-operator/files/alerts.yaml")))
        self.assertEqual(set(re.findall(r"^\| `(DeepSeek\w+)`", text("docs/monitoring.md"), re.MULTILINE)), alerts)


if __name__ == "__main__":
    unittest.main()
