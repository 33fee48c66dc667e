#!/usr/bin/env python3
"""What Helm makes of the chart is taken by the API server under strict validation; so is what `make manifests` writes."""
import re
import subprocess
import sys
import tempfile

from case import ROOT, ApiServerCase, main

sys.path.insert(0, str(ROOT / "tests" / "charts"))
import helm  # noqa: E402
from template_test import VARIANTS  # noqa: E402

ELSEWHERE = ("servicemonitors", "prometheusrules")  # kinds that the Prometheus Operator brings


class Chart(ApiServerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name in ("deepseek-system", "models", "team-b"):
            cls.server.kubectl("create", "namespace", name)
        found = subprocess.run([str(ROOT / "e2e/cluster/crds"), *ELSEWHERE], capture_output=True, text=True, check=False)
        if found.returncode:
            raise AssertionError(f"no CRDs of the Prometheus Operator: {found.stderr}")
        for path in found.stdout.split():
            cls.server.kubectl("apply", "--server-side", "-f", path)
        cls.server.wait_for_crds()

    def test_variants(self):
        for name, values in [*VARIANTS.items(), ("dashboards", ["dashboards.enabled=true"])]:
            with self.subTest(name):
                text, error = helm.template(*values)
                self.assertEqual(error, "")
                said = self.dry_run(text)
                self.assertGreater(len(said.splitlines()), 8)
                self.assertNotIn("Warning", said)

    def test_manifests_without_helm(self):
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run([str(ROOT / "scripts/manifests"), "--out", folder, "--namespace", "team-b", "--registry", "r.example/x"],
                                  capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
            with open(f"{folder}/deepseek-operator.yaml", encoding="utf-8") as file:
                text = file.read()
        self.assertNotIn("helm", text.lower().replace("without helm", ""))
        self.assertEqual(set(re.findall(r"image: (\S+)", text)), {"r.example/x/operator:0.1.0"})
        self.assertEqual(set(re.findall(r"^  namespace: (\S+)", text, re.M)), {"team-b"})
        said = self.dry_run(text)
        for kind in ("namespace/", "customresourcedefinition", "deployment.apps/", "clusterrole.", "poddisruptionbudget"):
            self.assertIn(kind, said)


if __name__ == "__main__":
    main()
