"""A wrong DeepSeekDeployment is refused by the API server with a message that a person can act on."""
import copy
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from support import kube  # noqa: E402
from support.story import Story, deepseek  # noqa: E402


def changed(path, value, name="demo"):
    """The demo resource with the field at path ("spec.engine.device") set to value."""
    thing = copy.deepcopy(deepseek(name))
    at = thing
    *folders, last = path.split(".")
    for folder in folders:
        at = at.setdefault(folder, {})
    at[last] = value
    return thing


PVC = {"claimName": "weights", "path": "deepseek-v3"}

# (what is wrong, the resource, words that the refusal must hold)
WRONG = [
    ("a typo", changed("spec.replcas", 2), ["unknown field", "spec.replcas"]),
    ("a typo deep inside", changed("spec.model.source.persistentVolumeClaim", {"claimname": "w"}),
     ["unknown field", "claimname"]),
    ("a field of a later version", changed("spec.autoscaling", {"mode": "Builtin"}), ["unknown field", "spec.autoscaling"]),
    ("no source", changed("spec.model", {"name": "x"}), ["spec.model.source", "Required value"]),
    ("an empty source", changed("spec.model.source", {}), ["exactly one of builtin and persistentVolumeClaim"]),
    ("two sources", changed("spec.model.source", {"builtin": "demo-v3", "persistentVolumeClaim": PVC}),
     ["exactly one of builtin and persistentVolumeClaim"]),
    ("a model that does not ship", changed("spec.model.source", {"builtin": "demo-v9"}),
     ["spec.model.source.builtin", "Unsupported value", "demo-v3"]),
    ("a path out of the volume", changed("spec.model.source", {"persistentVolumeClaim": dict(PVC, path="../secrets")}),
     ["path is relative to the volume"]),
    ("an absolute path", changed("spec.model.source", {"persistentVolumeClaim": dict(PVC, path="/etc")}),
     ["path is relative to the volume"]),
    ("an unknown device", changed("spec.engine.device", "TPU"), ["spec.engine.device", "Unsupported value"]),
    ("an image with spaces", changed("spec.engine.image", "my image"), ["spec.engine.image"]),
    ("a batch of nothing", changed("spec.engine.maxBatch", 0), ["spec.engine.maxBatch", "greater than or equal to 1"]),
    ("a duration without a unit", changed("spec.engine.maxBatchDelay", "5"), ["spec.engine.maxBatchDelay"]),
    ("a quantity that is none", changed("spec.engine.kvCacheMemory", "lots"), ["spec.engine.kvCacheMemory"]),
    ("negative replicas", changed("spec.replicas", -1), ["spec.replicas", "greater than or equal to 0"]),
    ("replicas as text", changed("spec.replicas", "two"), ["spec.replicas", "integer"]),
    ("an unknown strategy", changed("spec.rollout", {"strategy": "Canary"}), ["spec.rollout.strategy", "Unsupported value"]),
    ("a rollout that can never move", changed("spec.rollout", {"maxSurge": 0, "maxUnavailable": 0}),
     ["maxSurge and maxUnavailable cannot both be 0"]),
    ("a peer that is two things",
     changed("spec.traffic", {"allowedFrom": [{"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}]}),
     ["a peer is either an ipBlock or selectors"]),
    ("a name that makes no Service", deepseek("9demo"), ["metadata.name must start with a letter"]),
    ("a name that is too long", deepseek("d" * 55), ["at most 54 characters"]),
    ("a name with a dot", deepseek("demo.v3"), ["metadata.name must start with a letter"]),
]


class Validation(Story):
    def test_wrong_resources_are_refused_with_a_reason(self):
        for what, resource, words in WRONG:
            with self.subTest(what):
                # When it is applied, under kubectl's default validation
                with self.assertRaises(kube.Refused) as refused:
                    self.apply(resource)
                # Then the refusal names the field or the rule
                for word in words:
                    self.assertIn(word, str(refused.exception))
        # And nothing was stored
        self.assertEqual(kube.get("dsd", namespace=self.namespace), [])

    def test_right_resources_are_not_refused(self):
        # Given resources at the edge of what is allowed
        right = [deepseek("a"), deepseek("d" * 54), changed("spec.replicas", 0, "zero"),
                 changed("spec.engine.kvCacheMemory", "1.5Gi", "kv"), changed("spec.engine.kvCacheMemory", 1048576, "kv-int"),
                 changed("spec.rollout", {"strategy": "Recreate", "maxSurge": 0}, "recreate")]
        # When they are applied without being stored / Then none is refused
        for resource in right:
            with self.subTest(resource["metadata"]["name"]):
                kube.kubectl("apply", "--dry-run=server", "-f", "-", stdin=json.dumps(resource),
                             namespace=self.namespace)

    def test_a_user_cannot_write_the_status(self):
        # Given a resource
        self.apply(deepseek(replicas=0))
        # When a user edits its status like any other field
        kube.kubectl("patch", "dsd", "demo", "--type=merge", "-p", '{"status": {"stableRevision": "forged"}}',
                     namespace=self.namespace)
        # Then it is not taken over
        self.assertNotEqual(self.dsd().get("status", {}).get("stableRevision"), "forged")


if __name__ == "__main__":
    unittest.main()
