"""PodMonitors and ServiceMonitors as Prometheus' scrape configurations: the Prometheus Operator's translation of what ours use.

After pkg/prometheus/promcfg.go of the Prometheus Operator 0.85 (generatePodMonitorConfig, generateServiceMonitorConfig). A field that
is not translated is refused, so that none is overlooked. The targets come from support/discovery.py.
"""
import re

ENDPOINT_FIELDS = {"port", "path", "interval", "scheme", "honorLabels", "bearerTokenFile", "tlsConfig"}
SPEC_FIELDS = {"selector", "podTargetLabels", "podMetricsEndpoints", "endpoints"}


def sanitized(name):
    """A Kubernetes label's name as part of a Prometheus label's."""
    return re.sub(r"[^a-zA-Z0-9_]", "_", name)


def _checked(thing, known, what):
    unknown = set(thing) - known
    if unknown:
        raise AssertionError(f"support/monitors.py does not translate {what} {sorted(unknown)}")


def _scrape(monitor, kind, number, endpoint, files, token):
    _checked(endpoint, ENDPOINT_FIELDS, f"{kind}'s fields")
    meta = monitor["metadata"]
    config = {"job_name": f"{kind}/{meta['namespace']}/{meta['name']}/{number}",
              "honor_labels": endpoint.get("honorLabels", False),
              "file_sd_configs": [{"files": files, "refresh_interval": "1s"}],
              "metrics_path": endpoint.get("path", "/metrics"), "scheme": endpoint.get("scheme", "http")}
    if "interval" in endpoint:
        config["scrape_interval"] = config["scrape_timeout"] = endpoint["interval"]
    if "bearerTokenFile" in endpoint:
        config["bearer_token_file"] = token
    if "tlsConfig" in endpoint:
        _checked(endpoint["tlsConfig"], {"insecureSkipVerify"}, "tlsConfig's fields")
        config["tls_config"] = {"insecure_skip_verify": endpoint["tlsConfig"]["insecureSkipVerify"]}
    return config


def _selected(monitor, prefix):
    """Relabellings that keep what the monitor selects, in its own namespace."""
    selector = monitor["spec"]["selector"]
    _checked(selector, {"matchLabels"}, "the selector's fields")
    if not selector.get("matchLabels"):
        raise AssertionError("a monitor without matchLabels would scrape its whole namespace")
    keep = [{"action": "keep", "source_labels": ["__meta_kubernetes_namespace"], "regex": re.escape(monitor["metadata"]["namespace"])}]
    for name, value in sorted(selector["matchLabels"].items()):
        label = sanitized(name)
        keep.append({"action": "keep", "regex": f"({value});true",
                     "source_labels": [f"__meta_kubernetes_{prefix}_label_{label}", f"__meta_kubernetes_{prefix}_labelpresent_{label}"]})
    return keep


def _named(**labels):
    return [{"source_labels": [f"__meta_kubernetes_{source}"], "target_label": target} for target, source in labels.items()]


def pod_monitor(monitor, files):
    """The scrape configurations of a PodMonitor, one for each endpoint."""
    _checked(monitor["spec"], SPEC_FIELDS, "a PodMonitor's fields")
    meta, configs = monitor["metadata"], []
    for number, endpoint in enumerate(monitor["spec"]["podMetricsEndpoints"]):
        config = _scrape(monitor, "podMonitor", number, endpoint, files, None)
        config["relabel_configs"] = [
            {"action": "drop", "source_labels": ["__meta_kubernetes_pod_phase"], "regex": "(Failed|Succeeded)"},
            *_selected(monitor, "pod"),
            {"action": "keep", "source_labels": ["__meta_kubernetes_pod_container_port_name"], "regex": endpoint["port"]},
            *_named(namespace="namespace", container="pod_container_name", pod="pod_name"),
            *({"source_labels": [f"__meta_kubernetes_pod_label_{sanitized(name)}"], "target_label": sanitized(name), "regex": "(.+)"}
              for name in monitor["spec"].get("podTargetLabels", [])),
            {"target_label": "job", "replacement": f"{meta['namespace']}/{meta['name']}"},
            {"target_label": "endpoint", "replacement": endpoint["port"]}]
        configs.append(config)
    return configs


def service_monitor(monitor, files, token):
    """The scrape configurations of a ServiceMonitor. token: a file in the place of Prometheus' own ServiceAccount token."""
    _checked(monitor["spec"], SPEC_FIELDS, "a ServiceMonitor's fields")
    configs = []
    for number, endpoint in enumerate(monitor["spec"]["endpoints"]):
        config = _scrape(monitor, "serviceMonitor", number, endpoint, files, token)
        config["relabel_configs"] = [
            *_selected(monitor, "service"),
            {"action": "keep", "source_labels": ["__meta_kubernetes_endpoint_port_name"], "regex": endpoint["port"]},
            *_named(namespace="namespace", service="service_name", pod="pod_name", container="pod_container_name"),
            {"action": "drop", "source_labels": ["__meta_kubernetes_pod_phase"], "regex": "(Failed|Succeeded)"},
            *_named(job="service_name"),
            {"target_label": "endpoint", "replacement": endpoint["port"]}]
        configs.append(config)
    return configs
