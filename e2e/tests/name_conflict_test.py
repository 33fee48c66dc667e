"""Objects of somebody else that happen to have our names are never touched."""
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support import kube  # noqa: E402
from support.story import Story, deepseek  # noqa: E402

FOREIGN = {
    "service": {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "demo", "labels": {"team": "other"}},
                "spec": {"selector": {"app": "other"}, "ports": [{"name": "web", "port": 80}]}},
    "serviceaccount": {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "demo-agent", "labels": {"team": "other"}}},
}


class NameConflict(Story):
    def test_foreign_objects_stay_as_they_are(self):
        for kind, foreign in FOREIGN.items():
            with self.subTest(kind):
                self.namespace = self.new_namespace()
                # Given an object of another team with the name that ours would get
                self.apply(foreign)
                name = foreign["metadata"]["name"]
                before = kube.get(kind, name, self.namespace)
                # When a resource is applied that would need the name
                self.apply(deepseek())
                # Then its condition names the object that is in the way
                said = self.until_condition("Ready", "False", "NameConflict")
                self.assertIn(name, said["message"])
                # And the foreign object is bit for bit what it was
                self.assertEqual(json.dumps(kube.get(kind, name, self.namespace)), json.dumps(before))
                # When our resource goes / Then the foreign object does not
                kube.kubectl("delete", "dsd", "demo", namespace=self.namespace)
                kube.wait_until("our objects are gone", lambda: not self.owned(), 60, self.describe)
                self.assertEqual(json.dumps(kube.get(kind, name, self.namespace)), json.dumps(before))

    def test_when_the_foreign_object_goes_ours_takes_its_place(self):
        # Given a resource that a foreign Service keeps from being served
        self.apply(FOREIGN["service"])
        self.apply(deepseek())
        self.until_condition("Ready", "False", "NameConflict")
        # When the foreign Service is removed, and the resource is changed so that it is looked at anew
        kube.kubectl("delete", "service", "demo", namespace=self.namespace)
        self.patch("demo", {"engine": {"maxBatch": 5}})
        # Then it is served
        self.until_ready()
        self.assert_serves()


if __name__ == "__main__":
    unittest.main()
