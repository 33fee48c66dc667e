#!/usr/bin/env python3
"""`quickstart --down` removes what the quickstart made, from the cluster that it used, and nothing else."""
import os
import subprocess
import unittest

from quickstart_tree import QuickstartTree


class QuickstartDown(QuickstartTree):
    def setUp(self):
        super().setUp()
        for path in ("bin/kubectl", "bin/helm", "e2e/cluster/down"):
            self.replace(path, f'echo "{os.path.basename(path)} $*" >>{self.calls}')

    def down(self, *files, target=()):
        """Calls made by --down after a quickstart that left these files in .run/quickstart."""
        run = f"{self.tree}/.run/quickstart"
        os.makedirs(run)
        for name in files:
            with open(f"{run}/{name}", "w", encoding="utf-8") as f:
                f.write("".join(line + "\n" for line in target) if name == "target" else "")
        done = subprocess.run([f"{self.tree}/scripts/quickstart", "--down"], capture_output=True, text=True, check=False,
                              env=self.env)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertFalse(os.path.exists(run))
        return self.said().splitlines()

    def test_a_cluster_of_the_user_stays_up_and_so_does_a_local_one_of_somebody_else(self):
        calls = self.down("target", "crd-is-ours", target=("/home/me/config", "prod", "registry"))
        self.assertTrue(any("--context prod delete namespace deepseek-demo" in c for c in calls), calls)
        self.assertTrue(any(c.startswith("helm --kube-context prod uninstall") for c in calls), calls)
        self.assertTrue(any("delete crd" in c for c in calls), calls)
        self.assertFalse([c for c in calls if c.startswith("down")], calls)

    def test_a_definition_that_was_there_before_stays(self):
        calls = self.down("target", "crd-was-there", target=("/home/me/config", "prod", "registry"))
        self.assertFalse([c for c in calls if "delete crd" in c], calls)

    def test_its_own_cluster_goes_down(self):
        self.assertEqual(self.down("target", "local-cluster", target=("config", "deepseek-local", "local")), ["down "])

    def test_a_half_started_cluster_goes_down(self):
        self.assertEqual(self.down("local-cluster"), ["down "])

    def test_its_own_cluster_goes_down_also_after_a_run_on_another(self):
        calls = self.down("target", "local-cluster", target=("/home/me/config", "prod", "registry"))
        self.assertEqual(calls[-1], "down ")
        self.assertTrue(any("--context prod" in c for c in calls), calls)

    def test_without_a_quickstart_nothing_is_touched(self):
        self.assertEqual(self.down(), [])


unittest.main()
