"""Helm for the tests of the chart: the one on the PATH, else the one that e2e/cluster/build makes. None: status 77, skipped."""
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CHART = os.path.join(ROOT, "charts", "deepseek-operator")
_CACHE = os.environ.get("CLUSTER_CACHE") or os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "deepseek-operator")
BIN = os.environ.get("CLUSTER_BIN") or os.path.join(_CACHE, "bin")


def program():
    found = shutil.which("helm", path=os.pathsep.join([BIN, os.environ.get("PATH", "")]))
    if not found:
        print("skipped: helm is missing (make it: e2e/cluster/build helm)", file=sys.stderr)
        sys.exit(77)
    return found


def run(*args):
    # Nothing of the user's own Helm settings or clusters is read.
    env = {"PATH": os.environ.get("PATH", ""), "HOME": "/nonexistent", "KUBECONFIG": os.devnull}
    return subprocess.run([program(), *args], capture_output=True, text=True, check=False, env=env)


def template(*values, show=None, release="deepseek-operator", namespace="deepseek-system", json=()):
    """(what Helm makes of the chart, its errors). values: NAME=VALUE; show: templates to show, all if not given; json: NAME=JSON."""
    sets = [word for value in values for word in ("--set", value)]
    sets += [word for value in json for word in ("--set-json", value)]
    shown = [word for name in show or () for word in ("--show-only", f"templates/{name}.yaml")]
    done = run("template", release, CHART, "--namespace", namespace, *sets, *shown)
    return done.stdout, done.stderr
