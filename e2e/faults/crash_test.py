"""The operator dies after each single write of each change: its successor ends where an undisturbed operator does.

DEEPSEEK_FAULT_SHARE=N: every Nth write only.
"""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from faults import end_state  # noqa: E402
from faults.local_operator import LocalOperator  # noqa: E402
from faults.resting import RestingInstallation  # noqa: E402
from support import kube  # noqa: E402
from support.story import deepseek  # noqa: E402

ABSENT = "deepseek-operator.local/absent:1"


class Crash(RestingInstallation):
    # name: (what there is before, the change, when it is over)
    def served(self):
        self.apply(deepseek())
        self.until_ready()

    def badly_edited(self):
        self.served()
        self.bad_edit()
        self.until_refused()

    def create(self):
        self.apply(deepseek())

    def edit(self):
        self.patch("demo", {"engine": {"maxBatch": 4}})

    def scale(self):
        self.patch("demo", {"replicas": 2})

    def bad_edit(self):
        self.patch("demo", {"engine": {"image": ABSENT}})

    def revert(self):
        self.patch("demo", {"engine": {"image": None}})

    def delete(self):
        kube.kubectl("delete", "dsd", "demo", namespace=self.namespace)

    def until_refused(self):
        self.until_condition("Ready", "False", "ImagePullFailed")

    def until_gone(self):
        kube.wait_until("nothing is left", lambda: not self.owned("demo"), 60, self.describe)

    def run_story(self, before, change, over, point, calm=None):
        """(writes, end state, pods made) with a death after write `point`; 0: none. Waits for the end of `calm`."""
        self.namespace = self.new_namespace()
        with LocalOperator(self.namespace):
            if before:
                before()
        with LocalOperator(self.namespace, "--die-after-write", str(point)) as mortal:
            change()
            if point:
                # One progress report more or less is chance: the last writes may not come.
                quiet = self.quiet(15)
                kube.wait_until(f"death after write {point}, or the end", lambda: mortal.ended() or quiet(), 120, mortal.log)
            else:
                over()
                kube.wait_until("it is quiet", self.quiet(), 30)
            writes = mortal.writes()
        if point:
            with LocalOperator(self.namespace) as successor:
                over()
                kube.wait_until("the end is that of the undisturbed run", lambda: end_state.objects(self.namespace) == calm, 60,
                                lambda: end_state.difference(end_state.objects(self.namespace), calm) + successor.log())
        return writes, end_state.objects(self.namespace), end_state.pods_made(self.namespace)

    def every_write(self, before, change, over):
        writes, calm, calm_made = self.run_story(before, change, over, 0)
        self.assertTrue(writes)
        points = range(1, len(writes) + 1, int(os.environ.get("DEEPSEEK_FAULT_SHARE", "1")))
        for point in points:
            with self.subTest(f"death after write {point} of {len(writes)}: {writes[point - 1][1:]}"):
                _, _, made = self.run_story(before, change, over, point, calm)
                for revision, pods in made.items():
                    self.assertLessEqual(pods, calm_made.get(revision, 0), f"pods of revision {revision}")
                self.assertEqual(end_state.restarts(self.namespace), 0)
            kube.kubectl("delete", "namespace", self.namespace, "--wait=false")
        print(f"{len(points)} runs")

    def test_create(self):
        self.every_write(None, self.create, self.until_ready)

    def test_edit(self):
        self.every_write(self.served, self.edit, self.until_ready)

    def test_scale(self):
        self.every_write(self.served, self.scale, self.until_ready)

    def test_bad_edit(self):
        self.every_write(self.served, self.bad_edit, self.until_refused)

    def test_revert(self):
        self.every_write(self.badly_edited, self.revert, self.until_ready)

    def test_delete(self):
        # The cluster's garbage collector does it all: there is no write to die after, and no operator is needed.
        writes, calm, _ = self.run_story(self.served, self.delete, self.until_gone, 0)
        self.assertEqual((writes, calm), ([], {}))
        self.namespace = self.new_namespace()
        with LocalOperator(self.namespace):
            self.served()
        self.delete()
        self.until_gone()


if __name__ == "__main__":
    unittest.main()
