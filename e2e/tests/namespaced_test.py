"""An operator for chosen namespaces: with rights there only, it serves there and sees nothing else."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support import installation, kube  # noqa: E402
from support.story import Story, deepseek  # noqa: E402


class Namespaced(Story):
    def test_it_looks_after_its_namespaces_only(self):
        # Given an operator that watches one namespace
        elsewhere = self.new_namespace()
        self.addCleanup(installation.install, self.images["operator"], self.images["agent"])
        installation.install(self.images["operator"], self.images["agent"], f"watchNamespaces={{{self.namespace}}}")
        # Then it has no right on pods or DeepSeekDeployments anywhere else
        account = f"--as=system:serviceaccount:{installation.NAMESPACE}:{installation.RELEASE}"
        self.assertIsNone(kube.get("clusterrole", installation.RELEASE))
        with self.assertRaises(kube.Refused):
            kube.kubectl("auth", "can-i", "list", "pods", account, namespace=elsewhere)
        self.assertEqual(kube.kubectl("auth", "can-i", "list", "pods", account, namespace=self.namespace).strip(), "yes")
        # When a model is applied there and another one elsewhere
        self.apply(deepseek())
        kube.apply(deepseek("other"), elsewhere)
        # Then the one is served
        self.until_ready()
        self.assert_serves()
        # And nothing was made of the other
        self.assertEqual(kube.condition(kube.get("dsd", "other", elsewhere), "Ready")["reason"], "Pending")
        self.assertEqual(kube.get("deployments", namespace=elsewhere), [])


if __name__ == "__main__":
    unittest.main()
