"""The operator's installation that all stories share: image names, Helm, and the operator's own pods."""
import json
import os
import ssl
import subprocess
import urllib.error
import urllib.request

from support import kube

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RUN = os.path.join(ROOT, ".run", "e2e")
NAMESPACE = "deepseek-system"
RELEASE = "deepseek-operator"
CHART = os.path.join(ROOT, "charts", "deepseek-operator")


def images():
    """Names of the images: agent and operator of this build, and agent_next and operator_next: the same programs under
    another tag and with another label, so other images."""
    with open(os.path.join(RUN, "images.json"), encoding="utf-8") as file:
        return json.load(file)


def helm(*args):
    done = subprocess.run([os.path.join(kube.BIN, "helm"), "--kubeconfig", kube.KUBECONFIG, *args],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        raise kube.Refused(done.stderr.strip() or done.stdout.strip())
    return done.stdout


def install(operator, agent, *more):
    """Installs or upgrades the release and waits until the operator's Deployment is complete. `more`: chart values."""
    repository, tag = operator.rsplit(":", 1)
    try:
        helm("upgrade", "--install", RELEASE, CHART, "--namespace", NAMESPACE, "--create-namespace",
             "--set", "replicas=1", "--set", f"image.repository={repository}", "--set", f"image.tag={tag}",
             "--set", f"agent.image={agent}", *(word for value in more for word in ("--set", value)),
             "--wait", "--timeout", "120s")
    except kube.Refused as error:
        raise AssertionError(f"the operator did not install: {error}\n{describe()}") from error
    kube.kubectl("label", "--overwrite", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=restricted")


def install_monitoring(*plurals):
    """CRDs of the Prometheus Operator, as it ships them: podmonitors, .."""
    paths = subprocess.run([os.path.join(ROOT, "e2e", "cluster", "crds"), *plurals], capture_output=True, text=True, check=True)
    for path in paths.stdout.split():
        kube.kubectl("apply", "--server-side", "--force-conflicts", "-f", path)
    for plural in plurals:
        kube.wait_until(f"{plural} are served", lambda plural=plural: kube.is_true(
            kube.get("crd", f"{plural}.monitoring.coreos.com"), "Established"), 30)


def remove_monitoring(*plurals):
    kube.kubectl("delete", "crd", *(f"{plural}.monitoring.coreos.com" for plural in plurals), "--ignore-not-found", "--timeout=60s")


def operator_pods():
    """Running operator pods, without those that are going away."""
    pods = kube.get("pods", namespace=NAMESPACE, selector="app.kubernetes.io/name=deepseek-operator")
    return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]


def scrape(token=None, path="/metrics"):
    """(status, text) of the metrics port of an operator pod."""
    pod = operator_pods()[0]
    request = urllib.request.Request(f"https://{pod['status']['podIP']}:8443{path}")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # its own certificate: nobody vouches for it
    try:
        with urllib.request.urlopen(request, timeout=10, context=context) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def describe():
    parts = []
    for args in (["get", "pods", "-o", "wide"], ["get", "events", "--sort-by=.lastTimestamp"],
                 ["logs", "-l", "app.kubernetes.io/name=deepseek-operator", "--tail=40"]):
        try:
            parts.append(kube.kubectl(*args, namespace=NAMESPACE))
        except kube.Refused as error:
            parts.append(str(error))
    return "\n".join(parts)
