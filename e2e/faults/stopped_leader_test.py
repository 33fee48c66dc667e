"""A leader is stopped (SIGSTOP) past its fence in the middle of a change; another one finishes; then it goes on."""
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from faults import end_state  # noqa: E402
from faults.local_operator import LocalOperator  # noqa: E402
from faults.resting import RestingInstallation  # noqa: E402
from support import kube  # noqa: E402
from support.story import deepseek  # noqa: E402


class StoppedLeader(RestingInstallation):
    def leader(self):
        lease = kube.get("lease", "deepseek-operator", self.namespace)
        return (lease or {}).get("spec", {}).get("holderIdentity")

    def elected(self, name, *faults):
        return LocalOperator(self.namespace, "--leader-elect", "--identity", name, *faults)

    def stopped_before_write(self, number):
        self.namespace = self.new_namespace()
        # Given a served model, a leader and one that waits
        with LocalOperator(self.namespace):
            self.apply(deepseek())
            self.until_ready()
        with self.elected("first", "--stop-before-write", str(number)) as first:
            kube.wait_until("the first one leads", lambda: self.leader() == "first", 30, first.log)
            with self.elected("second") as second:
                # When the leader is stopped in the middle of a change, for half a minute at least
                self.patch("demo", {"engine": {"maxBatch": 4}})
                kube.wait_until("the leader is stopped", lambda: first.said("stopped"), 60, first.log)
                stopped = time.monotonic()
                # Then the other one takes over and finishes
                kube.wait_until("the second one leads", lambda: self.leader() == "second", 40, second.log)
                takeover = time.monotonic() - stopped
                self.until_ready()
                while time.monotonic() < stopped + 30:
                    time.sleep(0.5)
                kube.wait_until("it is quiet", self.quiet(), 30)
                versions = end_state.versions(self.namespace)
                # And when the first one goes on, nothing that it writes is accepted, and it ends
                first.resume()
                kube.wait_until("the first one ends", first.ended, 30, first.log)
                after = first.writes()[number - 1:]
                self.assertLessEqual(len(after), 1, after)
                self.assertEqual(end_state.versions(self.namespace), versions, after)
                self.assertLess(takeover, 20)
                print(f"stopped before write {number}: takeover after {takeover:.1f} s, then {after}")

    def test_nothing_stale_is_accepted(self):
        for number in (1, 2, 3, 5, 8):
            with self.subTest(number):
                self.stopped_before_write(number)


if __name__ == "__main__":
    unittest.main()
