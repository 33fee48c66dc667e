"""The first hour of a new user: the very commands of docs/first-hour.md, each with its wall time; then nothing is left.

It needs the cluster to itself: the shared installation is removed first and comes back at the end.
"""
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "e2e"))
from support import installation, kube  # noqa: E402

PAGE = os.path.join(ROOT, "docs", "first-hour.md")
BIN = os.environ.get("DEEPSEEK_BIN") or os.path.join(ROOT, "build", "release", "bin")
REGISTRY = "deepseek-operator.local"
CRD = "deepseekdeployments.serving.deepseek-operator.io"
# Of these kinds nothing with "deepseek" in its name or labels may be left.
KINDS = ("namespaces,customresourcedefinitions,clusterroles,clusterrolebindings,deployments,controllerrevisions,replicasets,pods,services,serviceaccounts,"
         "configmaps,roles,rolebindings,leases,poddisruptionbudgets,networkpolicies,jobs")


def steps():
    """(heading, commands) of every block that the page gives to this test, in order."""
    with open(PAGE, encoding="utf-8") as file:
        text = file.read()
    found, heading = [], ""
    for match in re.finditer(r"^## ([^\n]+)$|^<!-- run: first-hour -->\n```sh\n(.*?)^```$", text, re.M | re.S):
        heading = match.group(1) or heading
        if match.group(2):
            found.append((heading, match.group(2)))
    return found


def ours():
    """kind/name of whatever of ours the cluster holds, apart from the namespaces of other stories."""
    found = []
    for thing in json.loads(kube.kubectl("get", KINDS, "--all-namespaces", "-o", "json"))["items"]:
        meta = thing["metadata"]
        words = " ".join([meta["name"], *meta.get("labels", {}).values()])
        words = re.sub("deepseek-(local|node)", "", words)  # the test cluster's own
        if "deepseek" in words and not meta.get("namespace", meta["name"]).startswith("e2e-"):
            found.append(f"{thing['kind']}/{meta['name']}")
    return sorted(found)


def remove_installation():
    """The shared release, its CRD and its namespace."""
    try:
        installation.helm("uninstall", installation.RELEASE, "--namespace", installation.NAMESPACE, "--wait", "--ignore-not-found")
    finally:
        kube.kubectl("delete", "crd", CRD, "--ignore-not-found", "--timeout=120s")
        kube.kubectl("delete", "namespace", installation.NAMESPACE, "models", "--ignore-not-found", "--timeout=120s")


class FirstHour(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not os.path.exists(os.path.join(installation.RUN, "images.json")):
            raise AssertionError("no cluster to test on: run `e2e/fixture up` first (ctest -L e2e does)")
        images = installation.images()
        cls.addClassCleanup(lambda: installation.install(images["operator"], images["agent"]))
        cls.addClassCleanup(remove_installation)
        # Given images under the version's own tag, and a cluster without any of ours
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([os.path.join(ROOT, "scripts", "image"), "--bin", BIN, "--out", folder], check=True, capture_output=True)
            archives = [os.path.join(folder, name) for name in os.listdir(folder)]
            subprocess.run([os.path.join(ROOT, "e2e", "cluster", "load-image"), *archives], check=True, capture_output=True)
        remove_installation()
        cls.before = ours()

    def test_the_page_from_install_to_uninstall(self):
        self.assertEqual(self.before, [])
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        env = {**os.environ, "PATH": f"{BIN}:{kube.BIN}:{os.environ['PATH']}", "KUBECONFIG": kube.KUBECONFIG, "REGISTRY": REGISTRY,
               "NEW": "e2e-next", "TMP": folder.name, "HOME": folder.name, "NO_COLOR": "1"}
        took, said = {}, {}
        for heading, commands in steps():
            start = time.monotonic()
            # When the commands of the page are typed
            done = subprocess.run(["bash", "-euo", "pipefail", "-c", commands], cwd=ROOT, env=env, capture_output=True, text=True,
                                  check=False, timeout=300, stdin=subprocess.DEVNULL)
            took[heading] = took.get(heading, 0) + time.monotonic() - start
            said[heading] = said.get(heading, "") + done.stdout
            print(f"---- {heading}: {time.monotonic() - start:.1f} s\n{commands}{done.stdout}{done.stderr}", flush=True)
            # Then each does what the page says
            self.assertEqual(done.returncode, 0, f"{heading}\n{commands}\n{done.stdout}\n{done.stderr}\n{installation.describe()}")
        print("\n| step | seconds |\n|---|---|\n" + "\n".join(f"| {heading} | {seconds:.1f} |" for heading, seconds in took.items())
              + f"\n| all | {sum(took.values()):.1f} |")
        # And the model answers, before and while it is broken
        for heading in ("Chat", "Read the condition"):
            self.assertIn("Lisbon", said[heading])
        self.assertIn("ImagePullFailed", said["Read the condition"])
        self.assertIn("3/3", said["Scale to three"])
        # And when it is uninstalled nothing is left
        kube.wait_until("nothing of ours is left", lambda: ours() == self.before, 60, lambda: "\n".join(ours()))

    def test_another_release_takes_over_the_crd_that_stayed(self):
        # Given a release that was uninstalled and left its CRD, as it does unless told otherwise
        values = ["--namespace", installation.NAMESPACE, "--create-namespace", "--set", f"global.imageRegistry={REGISTRY}", "--set", "replicas=1",
                  "--wait", "--timeout", "120s"]
        installation.helm("install", "first", installation.CHART, *values)
        installation.helm("uninstall", "first", "--namespace", installation.NAMESPACE, "--wait")
        self.addCleanup(remove_installation)
        self.assertIsNotNone(kube.get("crd", CRD))
        # When one of another name is installed, Helm says whose the CRD is
        with self.assertRaises(kube.Refused) as refused:
            installation.helm("install", "second", installation.CHART, *values)
        self.assertIn("first", str(refused.exception))
        # Then it can be taken over
        installation.helm("install", "second", installation.CHART, *values, "--take-ownership")
        owner = kube.get("crd", CRD)["metadata"]["annotations"]["meta.helm.sh/release-name"]
        self.assertEqual(owner, "second")
        installation.helm("uninstall", "second", "--namespace", installation.NAMESPACE, "--wait")


if __name__ == "__main__":
    unittest.main()
