"""kubectl, and waiting on conditions with a deadline."""
import json
import os
import subprocess
import time

CACHE = os.environ.get("CLUSTER_CACHE") or os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "deepseek-operator")
BIN = os.environ.get("CLUSTER_BIN") or os.path.join(CACHE, "bin")
STATE = os.environ.get("CLUSTER_STATE") or os.path.join(CACHE, "cluster")
KUBECONFIG = os.path.join(STATE, "kubeconfig")


class Refused(Exception):
    """kubectl ended with an error; its text is the message."""


def kubectl(*args, stdin=None, namespace=None):
    """Runs kubectl on the local cluster, never on the user's; returns its output."""
    command = [os.path.join(BIN, "kubectl"), "--kubeconfig", KUBECONFIG]
    if namespace:
        command += ["--namespace", namespace]
    done = subprocess.run(command + list(args), input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused(done.stderr.strip() or done.stdout.strip())
    return done.stdout


def apply(manifest, namespace=None):
    """Applies a dict or a list of dicts under kubectl's default, strict validation."""
    items = manifest if isinstance(manifest, list) else [manifest]
    return kubectl("apply", "-f", "-", stdin="\n---\n".join(json.dumps(item) for item in items), namespace=namespace)


def get(kind, name=None, namespace=None, selector=None, everywhere=False):
    """One object as a dict (None when it does not exist), or the list of all objects of a kind, of all namespaces if asked."""
    args = ["get", kind, "-o", "json"]
    if everywhere:
        args.append("--all-namespaces")
    if name:
        args.insert(2, name)
    if selector:
        args += ["-l", selector]
    try:
        found = json.loads(kubectl(*args, namespace=namespace))
    except Refused as error:
        if name and "NotFound" in str(error):
            return None
        raise
    return found if name else found["items"]


def wait_until(what, check, seconds=120, explain=None):
    """Polls check() until it gives something true, and returns that. explain() is added to the failure."""
    deadline = time.monotonic() + seconds
    while True:
        result = check()
        if result:
            return result
        if time.monotonic() >= deadline:
            more = f"\n{explain()}" if explain else ""
            raise AssertionError(f"not within {seconds} s: {what}{more}")
        time.sleep(0.2)


def condition(thing, kind):
    """The condition of that type of an object; an empty dict when it has none."""
    for item in (thing or {}).get("status", {}).get("conditions") or []:  # null in a CRD that has just been made
        if item["type"] == kind:
            return item
    return {}


def is_true(thing, kind):
    return condition(thing, kind).get("status") == "True"
