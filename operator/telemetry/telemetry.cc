#include "operator/telemetry/telemetry.h"

#include <array>

#include "base/json_full.h"
#include "base/strings.h"
#include "operator/decide/json_read.h"

namespace deepseek::telemetry {
namespace {

constexpr char kController[] = "deepseekdeployment";
constexpr std::array kResults = {"success", "error", "requeue", "requeue_after"};
constexpr std::array kPhases = {"Idle", "Progressing", "Paused", "Stalled"};

// Seconds; those of controller-runtime and client-go.
const std::vector<double> kReconcileTime = {
    0.005, 0.01, 0.025, 0.05, 0.1,  0.15, 0.2,  0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6,
    0.7,   0.8,  0.9,   1.0,  1.25, 1.5,  1.75, 2.0,  2.5, 3.0,  3.5, 4.0,  4.5, 5,
    6,     7,    8,     9,    10,   15,   20,   25,   30,  40,   50,  60};
const std::vector<double> kRequestTime = {0.005, 0.025, 0.1, 0.25, 0.5,  1.0,
                                          2.0,   4.0,   8.0, 15.0, 30.0, 60.0};

metrics::Labels Controller() {
  return {{"controller", kController}};
}

metrics::Labels Queue() {
  return {{"name", kController}};
}

// Label values are within quotes.
std::string Quoted(std::string_view value) {
  std::string out = "\"";
  for (const char c : value) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out += '"';
}

}  // namespace

Telemetry::Telemetry(std::string_view version)
    : waited_(
          registry_.AddHistogram("workqueue_queue_duration_seconds",
                                 "From when a key was added or became due until a worker took it.",
                                 kReconcileTime, Queue())) {
  // There from the beginning, so that a rate has a first value.
  for (const char* result : kResults) {
    metrics::Labels labels = Controller();
    labels["result"] = result;
    registry_.AddCounter("controller_runtime_reconcile_total", "Reconciles, by result.", labels);
  }
  registry_.AddCounter("controller_runtime_reconcile_errors_total", "Reconciles that failed.",
                       Controller());
  registry_.AddCounter("workqueue_retries_total", "Keys that came back after a failure.", Queue());
  registry_
      .AddGauge("deepseek_build_info", "Always 1; what is running, in the labels.",
                {{"version", std::string(version)}})
      .Set(1);
  AddQueueSeries();
}

void Telemetry::AddQueueSeries() {
  metrics::Counter adds =
      registry_.AddCounter("workqueue_adds_total", "Keys that came to wait.", Queue());
  metrics::Gauge depth =
      registry_.AddGauge("workqueue_depth", "Keys that are due and wait for a worker.", Queue());
  metrics::Gauge work =
      registry_.AddGauge("workqueue_unfinished_work_seconds",
                         "How long workers have had the keys that they have, together.", Queue());
  metrics::Gauge oldest = registry_.AddGauge(
      "workqueue_longest_running_processor_seconds",
      "How long the key that has been longest with a worker has been there.", Queue());
  registry_.BeforeScrape([this, adds, depth, work, oldest]() mutable {
    std::function<kube::QueueFigures()> queue;
    {
      const std::lock_guard lock(mutex_);
      queue = queue_;
    }
    if (!queue) return;
    const kube::QueueFigures figures = queue();
    adds.RaiseTo(static_cast<double>(figures.adds));
    depth.Set(static_cast<double>(figures.depth));
    work.Set(absl::ToDoubleSeconds(figures.work));
    oldest.Set(absl::ToDoubleSeconds(figures.oldest));
  });
}

void Telemetry::OnReconcile(const absl::Status& status, absl::Duration again, absl::Duration took) {
  const char* result = "success";
  if (absl::IsAborted(status)) {
    result = "requeue";  // a lost race is everyday life
  } else if (!status.ok()) {
    result = "error";
  } else if (again < absl::InfiniteDuration()) {
    result = "requeue_after";
  }
  metrics::Labels labels = Controller();
  labels["result"] = result;
  registry_.AddCounter("controller_runtime_reconcile_total", "Reconciles, by result.", labels)
      .Add();
  if (!status.ok()) {
    registry_.AddCounter("workqueue_retries_total", "Keys that came back after a failure.", Queue())
        .Add();
    if (!absl::IsAborted(status)) {
      registry_
          .AddCounter("controller_runtime_reconcile_errors_total", "Reconciles that failed.",
                      Controller())
          .Add();
    }
  }
  const double seconds = absl::ToDoubleSeconds(took);
  registry_
      .AddHistogram("controller_runtime_reconcile_time_seconds", "How long a reconcile took.",
                    kReconcileTime, Controller())
      .Observe(seconds);
  registry_
      .AddHistogram("workqueue_work_duration_seconds", "How long a worker had a key.",
                    kReconcileTime, Queue())
      .Observe(seconds);
}

void Telemetry::OnPlan(std::string_view ns, std::string_view name, const decide::Plan* plan) {
  const std::pair<std::string, std::string> key{ns, name};
  if (plan == nullptr) {
    const std::lock_guard lock(mutex_);
    deployments_.erase(key);
    return;
  }
  for (const decide::Decision& decision : plan->decisions) {
    registry_
        .AddCounter("deepseek_decisions_total", "Decisions, by action and reason.",
                    {{"kind", "DeepSeekDeployment"},
                     {"action", decision.action},
                     {"reason", decision.reason}})
        .Add();
  }
  if (plan->status == nullptr) return;
  const Json& status = *plan->status;
  Deployment figures;
  figures.replicas = decide::IntegerAt(status, "/replicas");
  figures.ready = decide::IntegerAt(status, "/readyReplicas");
  figures.desired = plan->dsd ? plan->dsd->replicas : 0;
  figures.phase = decide::TextAt(status, "/rollout/phase");
  const Json* revisions = decide::Find(status, "/revisions");
  if (revisions != nullptr && revisions->is_array()) {
    for (const Json& revision : *revisions)
      figures.weights[decide::TextAt(revision, "/name")] = decide::IntegerAt(revision, "/weight");
  }
  const std::lock_guard lock(mutex_);
  // A refused spec says nothing of what is wanted: the last word stays.
  if (!plan->dsd) figures.desired = deployments_[key].desired;
  deployments_[key] = std::move(figures);
}

Telemetry::Calls& Telemetry::CallsOf(std::string_view method, std::string_view host, int code) {
  const std::lock_guard lock(calls_mutex_);
  std::tuple key{std::string(method), std::string(host), code};
  if (const auto it = calls_.find(key); it != calls_.end()) return it->second;
  const metrics::Counter total =
      registry_.AddCounter("rest_client_requests_total", "Calls of the API server, by code.",
                           {{"code", code == 0 ? "<error>" : StrCat(code)},
                            {"method", std::string(method)},
                            {"host", std::string(host)}});
  Calls calls{total, std::nullopt};
  if (method != "WATCH") {
    calls.seconds = registry_.AddHistogram(
        "rest_client_request_duration_seconds", "Calls of the API server, watches apart.",
        kRequestTime, {{"verb", std::string(method)}, {"host", std::string(host)}});
  }
  return calls_.emplace(std::move(key), calls).first->second;
}

void Telemetry::OnRequest(std::string_view method, std::string_view host, int code,
                          absl::Duration took) {
  Calls& calls = CallsOf(method, host, code);
  calls.total.Add();
  if (calls.seconds) calls.seconds->Observe(absl::ToDoubleSeconds(took));
}

void Telemetry::SetLeader(std::string_view lease, bool leading) {
  registry_
      .AddGauge("leader_election_master_status", "1 while this process leads.",
                {{"name", std::string(lease)}})
      .Set(leading ? 1 : 0);
}

void Telemetry::OnTake(absl::Duration waited) {
  waited_.Observe(absl::ToDoubleSeconds(waited));
}

void Telemetry::SetQueue(std::function<kube::QueueFigures()> figures) {
  const std::lock_guard lock(mutex_);
  queue_ = std::move(figures);
}

std::string Telemetry::DeploymentsText() const {
  std::string replicas, ready, desired, phase, weight;
  const std::lock_guard lock(mutex_);
  for (const auto& [key, figures] : deployments_) {
    const std::string labels =
        StrCat("namespace=", Quoted(key.first), ",deployment=", Quoted(key.second));
    StrAppend(&replicas, "deepseek_deployment_replicas{", labels, "} ", figures.replicas, "\n");
    StrAppend(&ready, "deepseek_deployment_ready_replicas{", labels, "} ", figures.ready, "\n");
    StrAppend(&desired, "deepseek_deployment_desired_replicas{", labels, "} ", figures.desired,
              "\n");
    for (const char* name : kPhases) {
      StrAppend(&phase, "deepseek_deployment_rollout_phase{", labels, ",phase=\"", name, "\"} ",
                figures.phase == name ? 1 : 0, "\n");
    }
    for (const auto& [revision, share] : figures.weights) {
      StrAppend(&weight, "deepseek_deployment_revision_weight{", labels,
                ",revision=", Quoted(revision), "} ", share, "\n");
    }
  }
  const auto family = [](const char* name, const char* help, const std::string& lines) {
    return lines.empty() ? ""
                         : StrCat("# HELP ", name, " ", help, "\n# TYPE ", name, " gauge\n", lines);
  };
  return StrCat(
      family("deepseek_deployment_replicas", "Pods of all revisions.", replicas),
      family("deepseek_deployment_ready_replicas", "Ready pods of all revisions.", ready),
      family("deepseek_deployment_desired_replicas", "Wanted pods.", desired),
      family("deepseek_deployment_rollout_phase", "1 for the phase it is in.", phase),
      family("deepseek_deployment_revision_weight", "Share of the ready pods in percent.", weight));
}

std::string Telemetry::Text() const {
  return registry_.Text() + DeploymentsText();
}

}  // namespace deepseek::telemetry
