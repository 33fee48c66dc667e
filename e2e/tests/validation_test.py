"""A wrong DeepSeekDeployment is refused by the API server with a message that a person can act on."""
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from support import kube  # noqa: E402
from support.story import Story, deepseek  # noqa: E402
from support.wrong_resources import RIGHT, WRONG  # noqa: E402


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
        # When they are applied without being stored / Then none is refused
        for resource in RIGHT:
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
