"""Stories that bring operators of their own: that of the installation rests meanwhile."""
import time

from faults import end_state
from support import installation, kube
from support.story import Story

QUIET_SECONDS = 3


class RestingInstallation(Story):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.scale_operator(0)

    @classmethod
    def tearDownClass(cls):
        cls.scale_operator(1)
        super().tearDownClass()

    @staticmethod
    def scale_operator(replicas):
        kube.kubectl("scale", "deployment", installation.RELEASE, f"--replicas={replicas}", namespace=installation.NAMESPACE)
        kube.wait_until(f"{replicas} operators", lambda: sum(
            kube.is_true(pod, "Ready") for pod in installation.operator_pods()) == replicas, 60, installation.describe)

    def quiet(self, seconds=QUIET_SECONDS):
        """A check that holds once nothing in the namespace has changed for a while."""
        seen = {"versions": None, "since": 0.0}

        def check():
            versions = end_state.versions(self.namespace)
            if versions != seen["versions"]:
                seen.update(versions=versions, since=time.monotonic())
            return time.monotonic() - seen["since"] >= seconds

        return check
