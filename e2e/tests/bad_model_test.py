"""A model that cannot be served is reported with the agent's own words, and is served as soon as it can be."""
import json
import shutil
import tempfile
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support import installation, kube  # noqa: E402
from support.story import Story, deepseek  # noqa: E402

DEMO = os.path.join(installation.ROOT, "models", "demo-v3")
FILES = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors")


class BadModel(Story):
    def setUp(self):
        super().setUp()
        self.folder = tempfile.mkdtemp(prefix="deepseek-e2e-")
        self.addCleanup(shutil.rmtree, self.folder)
        os.chmod(self.folder, 0o755)
        for model in ("good", "truncated", "garbled"):
            os.mkdir(os.path.join(self.folder, model))
            for name in FILES:
                shutil.copy(os.path.join(DEMO, name), os.path.join(self.folder, model, name))
        os.truncate(os.path.join(self.folder, "truncated", "model.safetensors"), 1_000_000)
        with open(os.path.join(self.folder, "garbled", "config.json"), "w", encoding="utf-8") as file:
            file.write('{"model_type": "deepseek_v3", "hidden_size": ')
        volume = f"{self.namespace}-weights"
        kube.apply({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": volume}, "spec": {
            "capacity": {"storage": "1Gi"}, "accessModes": ["ReadOnlyMany"], "storageClassName": "by-hand",
            "persistentVolumeReclaimPolicy": "Retain", "hostPath": {"path": self.folder},
            "claimRef": {"namespace": self.namespace, "name": "weights"}}})
        self.addCleanup(kube.kubectl, "delete", "pv", volume, "--wait=false")
        self.apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "weights"}, "spec": {
            "accessModes": ["ReadOnlyMany"], "storageClassName": "by-hand", "volumeName": volume,
            "resources": {"requests": {"storage": "1Gi"}}}})

    def model(self, path):
        return {"name": "demo-v3", "source": {"builtin": None, "persistentVolumeClaim": {"claimName": "weights", "path": path}}}

    def with_model(self, path):
        resource = deepseek()
        resource["spec"]["model"] = {"name": "demo-v3", "source": {"persistentVolumeClaim": {"claimName": "weights", "path": path}}}
        return resource

    def test_a_truncated_file_is_reported_and_its_cure_served(self):
        # Given weights that were cut off in the middle of a copy
        # When they are to be served
        self.apply(self.with_model("truncated"))
        # Then the condition carries the agent's own line about the file
        said = self.until_condition("ModelReady", "False", "ModelInvalid")
        self.assertIn("model.safetensors", said["message"])
        # And the resource is stalled, not endlessly in progress
        self.until_condition("Stalled", "True", "ModelInvalid")
        self.assertEqual(self.condition("Ready")["status"], "False")
        # When the spec points to whole weights
        self.patch("demo", {"model": self.model("good")})
        # Then they are served
        self.until_ready()
        self.assert_serves()

    def test_a_bad_change_leaves_the_old_model_serving(self):
        # Given whole weights being served
        self.apply(self.with_model("good"))
        self.until_ready()
        # When a change brings a model whose configuration is no JSON
        self.patch("demo", {"model": self.model("garbled")})
        # Then the condition says so
        said = self.until_condition("ModelReady", "False", "ModelInvalid")
        self.assertIn("config.json", said["message"])
        # And the old model goes on serving
        self.assert_serves()
        # When the change is taken back / Then all is well
        self.patch("demo", {"model": self.model("good")})
        self.until_ready()
        self.assertEqual(len(self.pods()), 1)

    def test_helm_waits_for_the_truth(self):
        # Given a chart of a user's with a model in it
        chart = os.path.join(self.folder, "chart")
        os.makedirs(os.path.join(chart, "templates"))
        with open(os.path.join(chart, "Chart.yaml"), "w", encoding="utf-8") as file:
            file.write("apiVersion: v2\nname: team\nversion: 0.0.1\n")
        resource = self.with_model("{{ .Values.path }}")
        with open(os.path.join(chart, "templates", "model.yaml"), "w", encoding="utf-8") as file:
            json.dump(resource, file)  # JSON is YAML

        def helm(verb, *more):
            return installation.helm(verb, "team", *more, "--namespace", self.namespace, "--wait", "--timeout", "60s")

        # When it is installed with --wait
        helm("install", chart, "--set", "path=good")
        # Then it serves as soon as Helm returns
        self.assertEqual(self.condition("Ready")["status"], "True")
        self.assert_serves()
        # When an upgrade brings weights that cannot be served / Then Helm says that it failed, and of what
        with self.assertRaises(kube.Refused) as refused:
            helm("upgrade", chart, "--set", "path=truncated")
        self.assertRegex(str(refused.exception), r"DeepSeekDeployment/(\S+/)?demo\b")
        self.assertEqual(self.condition("Stalled")["reason"], "ModelInvalid")
        self.assert_serves()
        # When it is rolled back / Then that is done when Helm returns
        helm("rollback", "1")
        self.assertEqual(self.condition("Ready")["status"], "True")
        self.assert_serves()


if __name__ == "__main__":
    unittest.main()
