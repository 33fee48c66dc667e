#!/usr/bin/env python3
"""Every sample, and every whole DeepSeekDeployment in the docs, is taken by the API server under strict validation."""
import re

from case import ROOT, ApiServerCase, main
from support import kube

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def resources_in(page):
    """Fenced YAML that holds a whole DeepSeekDeployment."""
    blocks = re.findall(r"^```yaml\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    return [block for block in blocks if re.search(r"^kind: DeepSeekDeployment$", block, re.M)]


class Samples(ApiServerCase):
    def make_namespaces(self, text):
        for name in set(re.findall(r"^  namespace: (\S+)", text, re.M)):
            self.server.kubectl("apply", "-f", "-", stdin=f'{{"apiVersion":"v1","kind":"Namespace","metadata":{{"name":"{name}"}}}}')

    def test_samples(self):
        samples = sorted((ROOT / "e2e/samples").glob("*.yaml"))
        self.assertGreaterEqual(len(samples), 8)
        for sample in samples:
            with self.subTest(sample.name):
                text = sample.read_text(encoding="utf-8")
                self.make_namespaces(text)
                said = self.dry_run(text)
                self.assertIn("deepseekdeployment.serving.deepseek-operator.io/", said)
                self.assertNotIn("Warning", said)

    def test_resources_in_the_docs(self):
        found = 0
        for page in PAGES:
            for block in resources_in(page):
                with self.subTest(str(page.relative_to(ROOT))):
                    self.make_namespaces(block)
                    self.dry_run(block)
                found += 1
        self.assertGreaterEqual(found, 1)

    def test_a_wrong_sample_would_be_seen(self):
        text = (ROOT / "e2e/samples/demo.yaml").read_text(encoding="utf-8")
        with self.assertRaises(kube.Refused):
            self.dry_run(text.replace("replicas:", "replcas:"))


if __name__ == "__main__":
    main()
