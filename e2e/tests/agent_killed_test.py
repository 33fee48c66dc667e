"""An agent that dies is restarted, and the object's Events and conditions tell of it."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support import kube, processes  # noqa: E402
from support.story import Story, deepseek  # noqa: E402


class AgentKilled(Story):
    def test_a_killed_agent_comes_back_and_events_tell(self):
        # Given a served model
        self.apply(deepseek())
        self.until_ready()
        pod = self.pods()[0]
        before = len(self.events())

        # When its process dies by SIGKILL
        self.assertEqual(processes.kill_in_pod(pod, "deepseek-agent"), 1)

        # Then the same pod restarts it
        def restarted():
            now = kube.get("pod", pod["metadata"]["name"], self.namespace)
            return now and processes.restarts(now) == 1 and kube.is_true(now, "Ready") and now

        now = kube.wait_until("the container was restarted once and is ready", restarted, 120, self.describe)
        self.assertEqual(now["metadata"]["uid"], pod["metadata"]["uid"])
        self.assertEqual(now["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"], 137)

        # And the model is Ready and answers again
        self.until_ready()
        self.assert_serves()

        # And Events tell of it, those of the resource included
        self.assertGreater(len(self.events()), before)
        told = kube.wait_until("an Event on the DeepSeekDeployment about the lost agent", lambda: [
            event for event in self.events("demo")
            if event[0] in ("MinimumReplicasUnavailable", "CrashLooping")], 30, self.describe)
        self.assertTrue(told[0][1])


if __name__ == "__main__":
    unittest.main()
