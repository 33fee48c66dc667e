"""A revision stands for the weights that its first pod found: others at the same path are refused, not served."""
import os
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support import installation, kube  # noqa: E402
from support.story import Story, deepseek  # noqa: E402

DEMO = os.path.join(installation.ROOT, "models", "demo-v3")
FILES = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors")


class WeightsOverwritten(Story):
    def setUp(self):
        super().setUp()
        self.folder = tempfile.mkdtemp(prefix="deepseek-e2e-")
        self.addCleanup(shutil.rmtree, self.folder)
        os.chmod(self.folder, 0o755)
        for name in FILES:
            shutil.copy(os.path.join(DEMO, name), os.path.join(self.folder, name))
        volume = f"{self.namespace}-weights"
        kube.apply({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": volume}, "spec": {
            "capacity": {"storage": "1Gi"}, "accessModes": ["ReadOnlyMany"], "storageClassName": "by-hand",
            "persistentVolumeReclaimPolicy": "Retain", "hostPath": {"path": self.folder},
            "claimRef": {"namespace": self.namespace, "name": "weights"}}})
        self.addCleanup(kube.kubectl, "delete", "pv", volume, "--wait=false")
        self.apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "weights"}, "spec": {
            "accessModes": ["ReadOnlyMany"], "storageClassName": "by-hand", "volumeName": volume,
            "resources": {"requests": {"storage": "1Gi"}}}})

    def overwrite(self):
        """One bit of the last weight: still a valid file, another model."""
        path = os.path.join(self.folder, "model.safetensors")
        copy = path + ".new"
        shutil.copy(path, copy)
        with open(copy, "r+b") as file:
            file.seek(-2, os.SEEK_END)
            byte = file.read(1)
            file.seek(-2, os.SEEK_END)
            file.write(bytes([byte[0] ^ 1]))
        os.rename(copy, path)  # the running agent keeps the file that it has open

    def test_a_later_pod_refuses_other_weights(self):
        # Given a model served from a volume, its weights recorded
        resource = deepseek()
        resource["spec"]["model"] = {"name": "demo-v3", "source": {"persistentVolumeClaim": {"claimName": "weights"}}}
        self.apply(resource)
        self.until_ready()
        status = kube.wait_until("the digest is recorded", lambda: next(
            (self.dsd()["status"] for revision in self.dsd()["status"]["revisions"] if revision.get("modelDigest")), None),
            30, self.describe)
        digest = status["revisions"][0]["modelDigest"]
        self.assertTrue(digest.startswith("sha256:"), digest)
        self.assertEqual(status["model"]["family"], "deepseek_v3")
        self.assertGreater(status["model"]["parameters"], 0)

        # When somebody overwrites the weights and a second pod starts
        self.overwrite()
        self.patch("demo", {"replicas": 2})
        # Then that pod says which weights it found and which it should have found, and does not serve
        said = kube.wait_until("a pod refuses the weights", lambda: self.condition("Ready").get("reason") == "ModelInvalid"
                               and self.condition("Ready"), 90, self.describe)
        self.assertIn(digest, said["message"])
        # And the first one serves on
        self.assert_serves()
        # When the spec says that other weights are meant (a change makes a new revision)
        self.patch("demo", {"replicas": 1, "engine": {"maxBatch": 9}})
        # Then they are served, under a digest of their own
        self.until_ready()
        self.assert_serves()
        now = kube.wait_until("the new digest is recorded", lambda: next(
            (revision["modelDigest"] for revision in self.dsd()["status"]["revisions"] if revision.get("modelDigest")), None),
            30, self.describe)
        self.assertNotEqual(now, digest)


if __name__ == "__main__":
    unittest.main()
