#!/usr/bin/env python3
"""What Helm makes of the chart, as golden files, and what it refuses.

UPDATE_GOLDEN=1 python3 tests/charts/template_test.py writes tests/golden/charts anew: read the diff.
"""
import os
import re
import unittest

import helm

GOLDEN = os.path.join(helm.ROOT, "tests", "golden", "charts")
NO_CRD = "crds.enabled=false"
EVERYTHING = [NO_CRD, "global.imageRegistry=registry.example.com/team", "global.imagePullSecrets[0].name=mirror",
              "imagePullSecrets[0].name=own", "imagePullSecrets[1].name=mirror", "metrics.certificateSecret=operator-tls",
              "metrics.readers[0].name=prometheus", "metrics.readers[0].namespace=monitoring",
              "metrics.serviceMonitor.enabled=true", "metrics.serviceMonitor.labels.release=kube-prometheus",
              "metrics.serviceMonitor.interval=15s", "prometheusRule.enabled=true", "prometheusRule.labels.release=kube-prometheus",
              "networkPolicy.enabled=true", "networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.team=monitoring",
              "serviceAccount.annotations.note=x", "podLabels.team=a", "podAnnotations.note=y", "nodeSelector.pool=system",
              "tolerations[0].key=system", "tolerations[0].operator=Exists", "priorityClassName=system-cluster-critical",
              "kubeApi.qps=50", "kubeApi.burst=1000000"]
VARIANTS = {
    "default": [NO_CRD],
    "everything": EVERYTHING,
    "namespaced": [NO_CRD, "watchNamespaces={models,team-b}", "aggregateRoles=false", "metrics.enabled=false"],
    "one_replica": [NO_CRD, "replicas=1", "leaderElection=false", "serviceAccount.create=false", "serviceAccount.name=mine",
                    "image.digest=sha256:" + "a" * 64, "affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0]"
                    ".topologyKey=kubernetes.io/hostname"],
}

# (values, words of the refusal)
WRONG = [
    (["replcas=2"], ["replcas"]),
    (["crds.install=true"], ["install"]),
    (["metrics.serviceMonitor.enable=true"], ["enable"]),
    (["resources.request.cpu=1"], ["request"]),
    (["tolerations[0].efect=NoSchedule"], ["efect"]),
    (["networkPolicy.metricsFrom[0].pods=x"], ["pods"]),
    (["image.pullPolicy=Sometimes"], ["pullPolicy"]),
    (["image.tag=a b"], ["tag"]),
    (["replicas=two"], ["replicas"]),
    (["replicas=2", "leaderElection=false"], ["replicas"]),
    (["watchNamespaces={Models}"], ["watchNamespaces"]),
    (["kubeApi.qps=0"], ["kubeApi"]),
    (["kubeApi.qsp=50"], ["qsp"]),
    (["metrics.readers[0].name=prometheus"], ["namespace"]),
    (["metrics.enabled=false", "metrics.serviceMonitor.enabled=true"], ["metrics.serviceMonitor.enabled needs metrics.enabled"]),
    (["metrics.serviceMonitor.interval=often"], ["interval"]),
    (["podLabels.app\\.kubernetes\\.io/name=x"], ["/podLabels/app.kubernetes.io~1name"]),
    (["podLabels.helm\\.sh/chart=x"], ["/podLabels/helm.sh~1chart"]),
    (["metrics.serviceMonitor.labels.app\\.kubernetes\\.io/instance=x"], ["serviceMonitor/labels/app.kubernetes.io~1instance"]),
    # null takes a default away: without one, two operators would run without a leader, or no CRD be kept.
    (["leaderElection=null"], ["leaderElection"]),
    (["crds.keep=null"], ["keep"]),
    (["serviceAccount.create=null"], ["create"]),
    *[([f"{section}=null"], [section]) for section in (
        "replicas", "image", "agent", "metrics", "prometheusRule", "dashboards", "networkPolicy", "crds", "serviceAccount",
        "aggregateRoles")],
    (["metrics.serviceMonitor=null"], ["serviceMonitor"]),
]


class Template(unittest.TestCase):
    maxDiff = None

    def made(self, *values, **options):
        text, error = helm.template(*values, **options)
        self.assertEqual(error, "")
        return text

    def test_variants(self):
        for name, values in VARIANTS.items():
            with self.subTest(name):
                text = self.made(*values)
                path = os.path.join(GOLDEN, name + ".yaml")
                if os.environ.get("UPDATE_GOLDEN"):
                    with open(path, "w", encoding="utf-8") as file:
                        file.write(text)
                with open(path, encoding="utf-8") as file:
                    self.assertEqual(text, file.read(), f"{path} is stale: see the top of this test")

    def test_wrong_values_are_refused_by_name(self):
        for values, words in WRONG:
            with self.subTest(values):
                text, error = helm.template(*values)
                self.assertEqual(text, "")
                for word in words:
                    self.assertIn(word, error)

    def test_null_is_the_default_where_nothing_depends_on_it(self):
        for section in ("global", "kubeApi", "resources", "affinity", "tolerations", "podLabels", "watchNamespaces",
                        "imagePullSecrets", "priorityClassName", "serviceAccount.annotations"):
            with self.subTest(section):
                self.made(f"{section}=null", NO_CRD)

    def test_no_name_is_longer_than_its_kind_allows(self):
        for length in (17, 37, 38, 44, 45, 46, 53):
            release = "r" * length
            text = self.made(*EVERYTHING, "dashboards.enabled=true", release=release)
            for document in text.split("\n---\n"):
                kind = re.search(r"^kind: (\S+)", document, re.M)
                name = re.search(r"^metadata:\n  name: (\S+)", document, re.M)
                if kind and name:
                    self.assertLessEqual(len(name.group(1)), 253 if "Role" in kind.group(1) else 63, (kind.group(1), name.group(1)))
            service = re.search(r"kind: Service\nmetadata:\n  name: (\S+)", text).group(1)
            self.assertTrue(service.startswith(release))
            self.assertIn(f"serverName: {service}.deepseek-system.svc", text)

    def test_two_namespaces_may_have_the_same_release(self):
        names = []
        for namespace in ("a", "b"):
            text = self.made(NO_CRD, "watchNamespaces={x}", "metrics.readers[0].name=p", "metrics.readers[0].namespace=m",
                             namespace=namespace)
            made = re.findall(r"^kind: ClusterRole\S*\nmetadata:\n  name: (\S+)", text, re.M)
            self.assertEqual(len(made), 6)
            for role in re.findall(r"kind: ClusterRole, name: ([^\s}]+)", text):
                self.assertIn(role, made)
            names.append(set(made))
        self.assertFalse(names[0] & names[1])

    def test_the_lease_has_the_name_that_the_values_say(self):
        self.assertNotIn("--lease-name", self.made(NO_CRD, release="team-a"), "it is the default, and an older image knows no such flag")
        self.assertIn("--lease-name=team-a-deepseek-operator\n", self.made(NO_CRD, "leaseName=team-a-deepseek-operator"))
        self.assertNotIn("--lease-name", self.made(NO_CRD, "replicas=1", "leaderElection=false"))

    def test_names_that_look_like_numbers_stay_text(self):
        text = self.made(NO_CRD, "serviceAccount.create=true", "metrics.serviceMonitor.enabled=true", release="7", namespace="8",
                         json=['watchNamespaces=["123","on"]', 'metrics.certificateSecret="124"', 'serviceAccount.name="125"',
                               'priorityClassName="126"', 'metrics.readers=[{"name":"127","namespace":"128"}]'])
        for word in ("7", "8", "123", "124", "125", "126", "127", "128", "on"):
            self.assertRegex(text, rf'[ :]"{word}"[,}}\s]')
            self.assertNotRegex(text, rf"(?m)(: |- ){word}[,}}\s]")

    def test_a_parent_charts_globals_are_let_through(self):
        self.made("global.storageClass=fast", NO_CRD)

    def test_the_crd_comes_with_the_chart_and_stays(self):
        kept = self.made(show=["crd"])
        self.assertIn("kind: CustomResourceDefinition", kept)
        self.assertIn("helm.sh/resource-policy: keep", kept)
        self.assertNotIn("resource-policy", self.made("crds.keep=false", show=["crd"]))
        self.assertNotIn("CustomResourceDefinition", self.made(NO_CRD))

    def test_a_mirror_carries_every_image(self):
        for mirror in ("mirror.example.com", "mirror.example.com:5000/deep/path/"):
            images = re.findall(r"(?:image: |--agent-image=)(\S+)", self.made(f"global.imageRegistry={mirror}", NO_CRD))
            self.assertEqual(len(images), 3)
            for image in images:
                self.assertRegex(image, "^" + re.escape(mirror.rstrip("/")) + "/(agent|operator):")
        text = self.made("global.imageRegistry=m.example", "image.repository=team/op", "agent.image=localhost/x/agent:1", NO_CRD)
        self.assertIn("image: m.example/team/op:", text)
        self.assertIn("--agent-image=m.example/x/agent:1", text)

    def test_dashboards_are_carried_word_by_word(self):
        text = self.made("dashboards.enabled=true", "dashboards.annotations.grafana_folder=DeepSeek", show=["dashboards"])
        folder = os.path.join(helm.CHART, "files", "dashboards")
        names = sorted(name for name in os.listdir(folder) if name.endswith(".json"))
        self.assertEqual(text.count("kind: ConfigMap"), len(names))
        self.assertEqual(text.count('grafana_dashboard: "1"'), len(names))
        self.assertEqual(text.count("grafana_folder: DeepSeek"), len(names))
        for name in names:
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                self.assertIn("".join(f"    {line}" for line in file).rstrip(), text)

    def test_the_test_hook_runs_where_the_operator_looks(self):
        for values, namespace in (([], "deepseek-system"), (["watchNamespaces={a,b}"], "a"),
                                  (["watchNamespaces={a,deepseek-system}"], "deepseek-system")):
            text = self.made(*values, show=["test"])
            self.assertEqual(set(re.findall(r"^  namespace: (\S+)", text, re.M)), {namespace})
        # Names stay within what a DeepSeekDeployment may be called, however long the release's is.
        name = re.search(r"^  name: (\S+)", self.made(show=["test"], release="9" * 53), re.M).group(1)
        self.assertRegex(name, r"^[a-z][-a-z0-9]{0,52}[a-z0-9]$")

    def test_no_template_is_left_out_by_helm(self):
        """Every page that is no template is in .helmignore, or Helm would render it."""
        with open(os.path.join(helm.CHART, ".helmignore"), encoding="utf-8") as file:
            self.assertIn("templates/README.md", file.read().split())

    def test_lint(self):
        done = helm.run("lint", "--strict", helm.CHART)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    helm.program()
    unittest.main()
