"""A real Prometheus on loopback with a folder of its own, and questions to it."""
import json
import os
import re
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.parse
import urllib.request

from support import kube

PROGRAM = shutil.which("prometheus", path=os.pathsep.join([kube.BIN, os.environ.get("PATH", "")]))


class Prometheus:
    """`with Prometheus(scrape_configs, groups, interval) as server: server.range(..)`. groups: a PrometheusRule's spec."""

    def __init__(self, scrape_configs, rules, interval="1s"):
        self.config = {"global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
                       "rule_files": ["rules.yml"], "scrape_configs": scrape_configs}  # JSON is YAML
        self.rules = rules

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="prometheus-")
        for name, content in (("prometheus.yml", self.config), ("rules.yml", self.rules)):
            with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
                json.dump(content, file)
        self.log = os.path.join(self.folder, "log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [PROGRAM, f"--config.file={self.folder}/prometheus.yml", f"--storage.tsdb.path={self.folder}/data",
                 "--web.listen-address=127.0.0.1:0"], stdout=log, stderr=subprocess.STDOUT)
        try:
            self.url = kube.wait_until("Prometheus listens", self._address, 30, self._words)
            kube.wait_until("Prometheus is ready", self._ready, 30, self._words)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _words(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()[-3000:]

    def _address(self):
        if self.process.poll() is not None:
            raise AssertionError(f"Prometheus ended with {self.process.returncode}: {self._words()}")
        found = re.search(r'msg="Listening on" address=(127\.0\.0\.1:\d+)', self._words())
        return found and f"http://{found.group(1)}"

    def _ready(self):
        try:
            with urllib.request.urlopen(self.url + "/-/ready", timeout=5):
                return True
        except (urllib.error.URLError, TimeoutError):
            return False

    def ask(self, path, **parameters):
        """The data of Prometheus' answer; raises AssertionError with its words."""
        query = urllib.parse.urlencode(parameters, doseq=True)
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}", timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path} {parameters}: {error.read().decode()}") from error

    def range(self, expression, start, end, step):
        """[(labels, [(time, value)])] of a query over a time, in seconds."""
        found = self.ask("query_range", query=expression, start=start, end=end, step=step)["result"]
        return [(one["metric"], [(at, float(value)) for at, value in one["values"]]) for one in found]

    def instant(self, expression, at):
        """[(labels, value)] of a query at one time."""
        found = self.ask("query", query=expression, time=at)["result"]
        return [(one["metric"], float(one["value"][1])) for one in found]

    def targets(self):
        """{pod: (health, words)} of what is scraped."""
        active = self.ask("targets", state="active")["activeTargets"]
        return {one["labels"]["pod"]: (one["health"], one["lastError"]) for one in active}

    def rule_states(self):
        """{alert: (health, state)}."""
        groups = self.ask("rules")["groups"]
        return {rule["name"]: (rule["health"], rule["state"]) for group in groups for rule in group["rules"]}
