"""From kubectl apply to tokens, and to nothing again."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support import kube  # noqa: E402
from support.story import OWNED_KINDS, Story, deepseek  # noqa: E402

CHAT = {"model": "demo-v3", "messages": [{"role": "user", "content": "Name the capital of Portugal."}], "temperature": 0}


class Serving(Story):
    def test_apply_then_tokens_then_delete_leaves_nothing(self):
        # Given a namespace under Pod Security restricted that really refuses a careless pod
        with self.assertRaises(kube.Refused) as refused:
            self.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "careless"}, "spec": {
                "containers": [{"name": "c", "image": self.images["client"], "imagePullPolicy": "Never"}]}})
        self.assertIn('violates PodSecurity "restricted:latest"', str(refused.exception))
        before = {(thing["kind"], thing["metadata"]["name"]) for thing in kube.get(OWNED_KINDS, namespace=self.namespace)}

        # When the demo is applied
        self.apply(deepseek())

        # Then it becomes Ready, and kstatus sees a finished object
        ready = self.until_ready()
        self.assertFalse(kube.is_true(ready, "Stalled"), ready["status"])
        self.assertEqual(ready["status"]["ready"], "1/1")
        self.assertTrue(kube.is_true(ready, "ModelReady"), ready["status"])
        shown = kube.kubectl("get", "dsd", "demo", namespace=self.namespace)
        for column in ("MODEL", "READY", "REVISION", "ROLLOUT", "AGE", "demo-v3", "1/1"):
            self.assertIn(column, shown)

        # And it answers right through its Service
        self.assert_serves()
        self.assertEqual(self.ask("What is 23 + 45?"), "68")

        # And everything it made belongs to it
        owned = self.owned()
        for kind in ("ControllerRevision", "Deployment", "NetworkPolicy", "Pod", "PodDisruptionBudget", "Service", "ServiceAccount"):
            self.assertTrue(any(item.startswith(kind + "/") for item in owned), (kind, owned))

        # When it is deleted
        kube.kubectl("delete", "dsd", "demo", namespace=self.namespace)

        # Then nothing is left of it
        def gone():
            now = {(thing["kind"], thing["metadata"]["name"]) for thing in kube.get(OWNED_KINDS, namespace=self.namespace)}
            return now <= before

        kube.wait_until("all owned objects are gone", gone, 90, lambda: str(self.owned()) + self.describe())

    def test_bad_requests_get_errors_of_openais_shape_and_harm_nobody(self):
        # Given a served model
        self.apply(deepseek())
        self.until_ready()
        bad = [
            ("malformed JSON", b'{"model": "demo-v3", "messages": [', 400),
            ("no messages", {"model": "demo-v3"}, 400),
            ("an unknown model", dict(CHAT, model="gpt-4"), 404),
            ("negative max_tokens", dict(CHAT, max_tokens=-1), 400),
            ("a prompt beyond the context", dict(CHAT, messages=[{"role": "user", "content": "word " * 20000}]), 400),
        ]
        for what, body, wanted in bad:
            with self.subTest(what):
                # When somebody sends nonsense
                status, answer = self.post("/v1/chat/completions", body)
                # Then the answer is a 4xx that says why
                self.assertEqual(status, wanted, answer)
                self.assertTrue(answer["error"]["message"])
                self.assertIn("type", answer["error"])
                # And the next request is served
                self.assert_serves()
        # And no container restarted
        self.assertEqual([s["restartCount"] for pod in self.pods() for s in pod["status"]["containerStatuses"]], [0])


if __name__ == "__main__":
    unittest.main()
