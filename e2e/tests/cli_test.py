"""`kubectl deepseek` as people use it: a plan before a change, pictures during it, the reasons and the way back after."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support import installation, kube  # noqa: E402
from support.story import Story, deepseek  # noqa: E402

PROGRAMS = os.path.join(installation.ROOT, "build", "release", "bin")


class Cli(Story):
    def deepseek(self, *args, stdin=None, kubeconfig=kube.KUBECONFIG):
        """Runs `kubectl deepseek ...` as a plugin in the story's namespace."""
        env = dict(os.environ, PATH=PROGRAMS + os.pathsep + os.environ["PATH"], KUBECONFIG=kubeconfig)
        done = subprocess.run([os.path.join(kube.BIN, "kubectl"), "deepseek", "-n", self.namespace, *args], input=stdin,
                              capture_output=True, text=True, check=False, env=env, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        return done.stdout

    def test_the_life_of_a_model_at_the_command_line(self):
        # Given a manifest that nobody has applied
        manifest = json.dumps(deepseek())
        # When it is planned / Then the plan says what would be made, and nothing is made
        plan = json.loads(self.deepseek("plan", "-f", "-", "-o", "json", stdin=manifest))[0]
        self.assertEqual((plan["refused"], plan["revision"]["action"], len(plan["newPods"])), ("", "create", 1))
        self.assertEqual(plan["revision"]["image"], self.images["agent"])
        self.assertEqual(self.owned(), [])

        # When it is applied / Then the operator makes the revision of the plan
        self.apply(deepseek())
        self.until_ready()
        tree = json.loads(self.deepseek("get", "demo", "-o", "json"))[0]
        self.assertEqual(tree["revisions"][0]["name"], plan["revision"]["name"])
        self.assertEqual(tree["revisions"][0]["pods"][0]["state"], "Ready")
        self.assertIn("AllReplicasReady", self.deepseek("get"))
        # And a plan of the same finds nothing to do
        again = self.deepseek("plan", "-f", "-", stdin=manifest)
        self.assertIn("no pod is made or stopped", again)
        for sign in ("+ ", "~ ", "- "):
            self.assertNotIn("\n  " + sign, again)

        # And the model answers through the API server, and its agent's log can be read
        self.assertEqual(self.deepseek("chat", "demo", "--temperature", "0", "I forgot the capital of Portugal. What is it?").strip(), "Lisbon")
        self.assertIn('"serving"', self.deepseek("logs", "demo"))

        # When a change replaces the pod / Then the plan had said so, and why tells it afterwards
        changed = deepseek(engine={"maxBatch": 7})
        told = self.deepseek("plan", "-f", "-", stdin=json.dumps(changed))
        self.assertIn("1 made, 1 stopped", told)
        self.apply(changed)
        self.until_ready()
        why = json.loads(self.deepseek("why", "demo", "-o", "json"))
        scaled = [item for item in why["decisions"] if item["action"] == "ScaleDown"]
        self.assertIn("maxSurge 1", scaled[0]["inputs"])

        # When it is undone / Then the first revision is back
        self.assertIn(plan["revision"]["name"], self.deepseek("undo", "demo"))
        self.until_ready()
        self.assertEqual(self.dsd()["status"]["stableRevision"], plan["revision"]["name"])
        self.assertNotIn("engine", self.dsd()["spec"])


    def test_the_role_edit_of_the_namespace_is_enough(self):
        # Given a model, and somebody with no more than the cluster's role "edit" in its namespace
        self.apply(deepseek())
        self.until_ready()
        self.apply(deepseek(engine={"maxBatch": 7}))
        self.until_ready()
        kube.kubectl("create", "serviceaccount", "developer", namespace=self.namespace)
        kube.kubectl("create", "rolebinding", "developer", "--clusterrole=edit",
                     f"--serviceaccount={self.namespace}:developer", namespace=self.namespace)
        config = json.loads(kube.kubectl("config", "view", "--raw", "--minify", "-o", "json"))
        config["users"][0]["user"] = {"token": kube.kubectl("create", "token", "developer", namespace=self.namespace).strip()}
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(config, file)
            file.flush()
            # When they look, plan and undo / Then nothing is refused, and the decisions are told
            mine = {"kubeconfig": file.name}
            self.assertIn("AllReplicasReady", self.deepseek("get", "demo", **mine))
            told = self.deepseek("plan", "-f", "-", stdin=json.dumps(deepseek(engine={"maxBatch": 7})), **mine)
            self.assertIn("no pod is made or stopped", told)
            self.assertNotIn("\n  ~ ", told)
            self.assertGreater(len(json.loads(self.deepseek("why", "demo", "-o", "json", **mine))["decisions"]), 2)
            self.assertIn('"serving"', self.deepseek("logs", "demo", **mine))
            self.assertIn("is put back", self.deepseek("undo", "demo", **mine))
        self.until_ready()


if __name__ == "__main__":
    unittest.main()
