"""Changes of image, arguments and replicas reach the pods without one failed request; a revert brings the old back."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support.load import ConstantLoad  # noqa: E402
from support.story import REVISION, Story, deepseek  # noqa: E402


class Rolling(Story):
    def revisions(self):
        return {pod["metadata"]["labels"][REVISION] for pod in self.pods()}

    def container(self, pod):
        return next(c for c in pod["spec"]["containers"] if c["image"].startswith("deepseek-operator.local/agent"))

    def test_no_request_fails_while_everything_changes(self):
        # Given two pods under constant load
        self.apply(deepseek(replicas=2, engine={"image": self.images["agent"]}))
        first = self.until_ready()
        first_revisions = self.revisions()
        self.assertEqual(len(first_revisions), 1)
        with ConstantLoad(self.url()) as load:
            # When the image changes
            self.patch("demo", {"engine": {"image": self.images["agent_next"]}})
            # Then every pod runs the new image
            second = self.until_ready()
            self.assertEqual({self.container(pod)["image"] for pod in self.pods()}, {self.images["agent_next"]})
            self.assertNotEqual(second["status"]["stableRevision"], first["status"]["stableRevision"])

            # When an argument of the engine changes
            arguments = self.container(self.pods()[0])["args"]
            self.patch("demo", {"engine": {"maxBatch": 7}})
            # Then every pod runs with it
            self.until_ready()
            self.assertEqual(len(self.revisions()), 1)
            for pod in self.pods():
                self.assertNotEqual(self.container(pod)["args"], arguments)
                self.assertIn("7", " ".join(self.container(pod)["args"]))

            # When the number of replicas changes, up and down
            kept = {pod["metadata"]["uid"] for pod in self.pods()}
            self.patch("demo", {"replicas": 3})
            self.until_ready()
            # Then the old pods run on, and one more
            now = {pod["metadata"]["uid"] for pod in self.pods()}
            self.assertEqual(len(now), 3)
            self.assertLessEqual(kept, now)
            self.patch("demo", {"replicas": 2})
            self.until_ready()
            self.assertEqual(len(self.pods()), 2)

            # When the spec goes back to where it was
            self.patch("demo", {"engine": {"image": self.images["agent"], "maxBatch": None}})
            # Then the very first revision is back, not a copy of it
            back = self.until_ready()
            self.assertEqual(back["status"]["stableRevision"], first["status"]["stableRevision"])
            self.assertEqual(self.revisions(), first_revisions)
            self.assertEqual({self.container(pod)["image"] for pod in self.pods()}, {self.images["agent"]})

        # And no request failed in all that time
        self.assertEqual(load.failures[:10], [], f"{len(load.failures)} of {load.answered + len(load.failures)} failed")
        self.assertGreater(load.answered, 100)
        print(f"{load.answered} requests, 0 failed", file=sys.stderr)


if __name__ == "__main__":
    unittest.main()
