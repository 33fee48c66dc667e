#!/usr/bin/env python3
"""The life of a release with Helm: install, upgrade, rollback, uninstall, and again under another name. No pods: objects only."""
import json
import os
import subprocess
import sys

from case import CRD, ROOT, ApiServerCase, main
from support import kube

sys.path.insert(0, str(ROOT / "tests" / "charts"))
import helm  # noqa: E402

NAMESPACE = "deepseek-system"
NO_CRD = ("--set", "crds.enabled=false")


class Release(ApiServerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.kubectl("delete", "crd", CRD)  # here the chart brings it

    def helm(self, *args):
        env = {"PATH": os.environ["PATH"], "HOME": self.server.folder, "KUBECONFIG": self.server.kubeconfig}
        done = subprocess.run([helm.program(), "--namespace", NAMESPACE, *args], capture_output=True, text=True, check=False, env=env)
        if done.returncode:
            raise kube.Refused(done.stderr.strip() or done.stdout.strip())
        return done.stdout

    def get(self, *what):
        return json.loads(self.server.kubectl("get", *what, "-o", "json"))

    def operator(self, name="deepseek-operator"):
        container = self.get("deployment", name, "-n", NAMESPACE)["spec"]["template"]["spec"]["containers"][0]
        return container["image"], container["args"]

    def ours(self):
        listed = self.server.kubectl("get", "deployments,services,serviceaccounts,clusterroles,clusterrolebindings,roles,rolebindings,"
                                     "poddisruptionbudgets,networkpolicies", "-A", "-l", "app.kubernetes.io/name=deepseek-operator", "-o", "name")
        return listed.split()

    def test_the_life_of_a_release(self):
        # Given an installation with values of the user's own
        notes = self.helm("install", "deepseek-operator", helm.CHART, "--create-namespace", "--set", "global.imageRegistry=r.example/a",
                          "--set", "networkPolicy.enabled=true")
        self.assertIn("kubectl apply", notes)
        self.assertIn("helm test deepseek-operator --namespace deepseek-system", notes)
        self.assertEqual(self.operator()[0], "r.example/a/operator:0.1.0")
        # When it is upgraded as the docs say
        self.helm("upgrade", "deepseek-operator", helm.CHART, "--reset-then-reuse-values", "--set", "image.tag=0.2.0")
        # Then the user's values are kept
        self.assertEqual(self.operator()[0], "r.example/a/operator:0.2.0")
        self.assertIn("networkpolicy.networking.k8s.io/deepseek-operator", self.ours())
        # And the way back is open
        self.helm("rollback", "deepseek-operator", "1")
        self.assertEqual(self.operator()[0], "r.example/a/operator:0.1.0")

        # Given a model, when the release is uninstalled
        self.server.wait_for_crds()
        self.server.kubectl("apply", "-f", str(ROOT / "e2e/samples/demo.yaml"))
        self.helm("uninstall", "deepseek-operator")
        # Then its objects go, and the model and its CRD stay
        self.assertEqual(self.ours(), [])
        self.assertEqual(self.get("dsd", "demo")["metadata"]["name"], "demo")

        # When a release of another name comes, Helm says whose the CRD is
        with self.assertRaises(kube.Refused) as refused:
            self.helm("install", "second", helm.CHART)
        self.assertIn("deepseek-operator", str(refused.exception))
        # Then it leaves the CRD alone,
        self.helm("install", "second", helm.CHART, "--set", "crds.enabled=false")
        self.helm("uninstall", "second")
        # or takes it over
        self.helm("install", "third", helm.CHART, "--take-ownership")
        self.addCleanup(self.helm, "uninstall", "third")
        self.assertEqual(self.get("crd", CRD)["metadata"]["annotations"]["meta.helm.sh/release-name"], "third")
        self.assertEqual(self.operator("third-deepseek-operator")[0], "deepseek-operator.local/operator:0.1.0")
        self.assertEqual(self.get("dsd", "demo")["metadata"]["name"], "demo")

    def test_leader_election_may_be_turned_off_and_on(self):
        def strategy():
            return self.get("deployment", "team-deepseek-operator", "-n", NAMESPACE)["spec"]["strategy"]["type"]
        self.helm("install", "team", helm.CHART, "--create-namespace", *NO_CRD)
        self.addCleanup(self.helm, "uninstall", "team")
        self.assertEqual(strategy(), "RollingUpdate")
        # Not beside the parameters of RollingUpdate, which the API server refuses.
        self.helm("upgrade", "team", helm.CHART, *NO_CRD, "--set", "leaderElection=false,replicas=1")
        self.assertEqual(strategy(), "Recreate")
        self.helm("upgrade", "team", helm.CHART, "--reset-values", *NO_CRD)
        self.assertEqual(strategy(), "RollingUpdate")

    def test_two_releases_in_a_namespace_do_not_share_a_lease(self):
        self.helm("install", "team-a", helm.CHART, "--create-namespace", *NO_CRD, "--set", "watchNamespaces={default}")
        self.addCleanup(self.helm, "uninstall", "team-a")
        second = ["install", "team-b", helm.CHART, *NO_CRD, "--set", "watchNamespaces={kube-public}"]
        with self.assertRaises(kube.Refused) as refused:
            self.helm(*second)
        self.assertIn("--set leaseName=team-b-deepseek-operator", str(refused.exception))
        self.helm(*second, "--set", "leaseName=team-b-deepseek-operator")
        self.helm("uninstall", "team-b")
        self.helm("upgrade", "team-a", helm.CHART, "--reuse-values")

    def test_a_release_that_does_not_keep_its_crd(self):
        self.helm("install", "gone", helm.CHART, "--create-namespace", "--set", "crds.keep=false", "--take-ownership")
        self.helm("uninstall", "gone")
        self.server.kubectl("wait", "--for=delete", f"crd/{CRD}", "--timeout=30s")


if __name__ == "__main__":
    main()
