"""The API server is away for two minutes while the leader dies, is slow, or is cut again and again in the middle of a
change: another operator takes over within 20 s of its return, and the change is completed.

No client notices, with one exception that is Kubernetes' own: a pod that was told to stop just before the API server went
stops, and kube-proxy hears of it only when the API server is back. So where it is away, no pod is stopping."""
import os
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from faults.local_operator import LocalOperator  # noqa: E402
from faults.resting import RestingInstallation  # noqa: E402
from support import installation, kube  # noqa: E402
from support.load import ConstantLoad  # noqa: E402
from support.processes import restarts  # noqa: E402
from support.story import deepseek  # noqa: E402

RESTART = os.path.join(installation.ROOT, "e2e", "cluster", "restart")


def api_server_pid():
    with open(os.path.join(kube.STATE, "run", "kube-apiserver.pid"), encoding="utf-8") as file:
        return int(file.read().split()[0])


def restart_api_server():
    subprocess.run([RESTART, "--kill", "kube-apiserver"], check=True, capture_output=True)


class ApiServer(RestingInstallation):
    def leader(self):
        try:
            lease = kube.get("lease", "deepseek-operator", self.namespace)
        except kube.Refused:
            return None  # it does not answer
        return (lease or {}).get("spec", {}).get("holderIdentity")

    def elected(self, name):
        return LocalOperator(self.namespace, "--leader-elect", "--identity", name)

    def disturbed(self, engine, disturb):
        """`engine` is the change of a served model under load, with two operators. disturb(first) runs in the middle of it
        and leaves maxBatch 11. Returns the failures that clients saw."""
        self.namespace = self.new_namespace()
        with self.elected("first") as first:
            kube.wait_until("the first one leads", lambda: self.leader() == "first", 30, first.log)
            self.apply(deepseek(replicas=2))
            self.until_ready()
            old = {pod["metadata"]["name"] for pod in self.pods()}
            with self.elected("second"), ConstantLoad(self.url(), clients=2) as load:
                self.patch("demo", {"engine": engine})
                kube.wait_until("the change is under way", lambda: {
                    pod["metadata"]["name"] for pod in self.pods()} - old, 60, self.describe)
                disturb(first)
                self.until_ready(seconds=240)
            pods = self.pods()
            self.assertEqual(len(pods), 2)
            for pod in pods:
                self.assertIn("11", pod["spec"]["containers"][0]["args"])
                self.assertEqual(restarts(pod), 0)
            self.assertTrue(old.isdisjoint(pod["metadata"]["name"] for pod in pods))
            print(f"{load.answered} answers, {len(load.failures)} failed; the leader is {self.leader()}")
            return load.failures

    def test_away_for_two_minutes_while_the_leader_dies(self):
        def disturb(first):
            os.kill(api_server_pid(), signal.SIGKILL)
            time.sleep(10)
            first.kill()
            time.sleep(110)
            restart_api_server()
            back = time.monotonic()
            kube.wait_until("the second one leads", lambda: self.leader() == "second", 30)
            takeover = time.monotonic() - back
            print(f"takeover {takeover:.1f} s after the return of the API server")
            self.assertLess(takeover, 20)
            self.patch("demo", {"engine": {"image": None, "maxBatch": 11}})

        self.assertEqual(self.disturbed({"image": "deepseek-operator.local/absent:1"}, disturb), [])

    def test_slow(self):
        def disturb(_):
            pid, end = api_server_pid(), time.monotonic() + 60
            try:
                while time.monotonic() < end:
                    os.kill(pid, signal.SIGSTOP)
                    time.sleep(2)
                    os.kill(pid, signal.SIGCONT)
                    time.sleep(0.5)
            finally:
                os.kill(pid, signal.SIGCONT)

        self.assertEqual(self.disturbed({"maxBatch": 11}, disturb), [])

    def test_cut_three_times(self):
        def disturb(_):
            for _ in range(3):
                restart_api_server()
                time.sleep(2)

        self.disturbed({"maxBatch": 11}, disturb)


if __name__ == "__main__":
    unittest.main()
