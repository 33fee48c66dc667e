"""`kubectl deepseek` as people use it: a plan before a change, pictures during it, the reasons and the way back after."""
import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support import installation, kube  # noqa: E402
from support.story import Story, deepseek  # noqa: E402

PROGRAMS = os.path.join(installation.ROOT, "build", "release", "bin")


class Cli(Story):
    def deepseek(self, *args, stdin=None):
        """Runs `kubectl deepseek ...` as a plugin in the story's namespace."""
        env = dict(os.environ, PATH=PROGRAMS + os.pathsep + os.environ["PATH"], KUBECONFIG=kube.KUBECONFIG)
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
        self.assertIn("no pod is made or stopped", self.deepseek("plan", "-f", "-", stdin=manifest))

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


if __name__ == "__main__":
    unittest.main()
