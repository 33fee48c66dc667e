#include "operator/run.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <random>
#include <thread>

#include "absl/time/clock.h"
#include "base/clock.h"
#include "base/http/certificate_files.h"
#include "base/json_full.h"
#include "base/log.h"
#include "base/status.h"
#include "base/strings.h"
#include "base/version.h"
#include "operator/agent_probe.h"
#include "operator/decide/defaults.h"
#include "operator/kube/caches.h"
#include "operator/kube/client.h"
#include "operator/kube/controller.h"
#include "operator/probes.h"
#include "operator/reconcile/observe.h"
#include "operator/reconcile/reconciler.h"
#include "operator/telemetry/access.h"
#include "operator/telemetry/counting_transport.h"
#include "operator/telemetry/metrics_port.h"
#include "operator/telemetry/telemetry.h"

namespace deepseek {
namespace {

constexpr int kWorkers = 4;
// Of one call of a reconcile: short enough that a hanging API server does not outlast a graceful
// stop.
constexpr absl::Duration kCallTimeout = absl::Seconds(15);
// How soon a lost lease ends the process; nothing is written any more then.
constexpr absl::Duration kPoll = absl::Seconds(2);

std::function<double()> Chance() {
  struct Source {
    std::mutex mutex;
    std::mt19937_64 generator{std::random_device{}()};
  };
  return [source = std::make_shared<Source>()] {
    const std::lock_guard lock(source->mutex);
    return std::uniform_real_distribution<double>(0, 1)(source->generator);
  };
}

// The metrics port and what it stands on, in the order in which they may go.
class MetricsServer {
 public:
  MetricsServer(const RunOptions& options, const telemetry::Telemetry& telemetry,
                kube::Client client)
      : files_(options.metrics_cert, options.metrics_key),
        own_(options.metrics_cert.empty()),
        access_(std::move(client), MonotonicNow),
        port_(telemetry, [this](std::string_view authorization, std::string_view path) {
          return access_.Check(authorization, path);
        }) {}

  absl::Status Start(const RunOptions& options) {
    std::shared_ptr<http::ServerTls> tls;
    if (own_) {
      ASSIGN_OR_RETURN(const http::KeyPair pair,
                       http::SelfSigned(StrCat("deepseek-operator-metrics.", options.ns, ".svc")));
      ASSIGN_OR_RETURN(tls, http::ServerTls::Make(pair.cert_pem, pair.key_pem));
    } else {
      ASSIGN_OR_RETURN(tls, files_.Load());
    }
    ASSIGN_OR_RETURN(server_, telemetry::ServeMetrics(options.metrics_address, tls, port_));
    log::Info("metrics are served",
              {{"address", server_->addresses().front()}, {"own_certificate", own_}});
    return absl::OkStatus();
  }

  // A mounted Secret is replaced in place; cheap enough for every minute.
  void Refresh(absl::Time now) {
    if (own_ || now < refresh_at_) return;
    refresh_at_ = now + absl::Minutes(1);
    const absl::StatusOr<bool> changed = files_.Refresh(absl::Now());
    if (!changed.ok()) {
      log::Warn("the certificate of the metrics port cannot be read again; the last good one stays",
                {{"error", std::string(ToStd(changed.status().message()))}});
    } else if (*changed) {
      log::Info("the certificate of the metrics port is a new one", {});
    }
  }

 private:
  http::CertificateFiles files_;
  const bool own_;
  absl::Time refresh_at_ = absl::InfinitePast();
  telemetry::Access access_;
  telemetry::MetricsPort port_;
  std::unique_ptr<http::Server> server_;
};

// In slices: the clock of poll(2) does not run while the machine is suspended.
void SleepUnlessSet(const StopSignal& ending, absl::Duration duration) {
  const absl::Time until = MonotonicNow() + duration;
  for (absl::Duration left = duration; left > absl::ZeroDuration(); left = until - MonotonicNow()) {
    if (ending.Wait(std::min(left, absl::Seconds(2)))) return;
  }
}

}  // namespace

absl::Status RunOperator(const RunOptions& options, std::shared_ptr<kube::Transport> uncounted,
                         const StopSignal& stop) {
  telemetry::Telemetry telemetry(kVersion);
  const auto transport = std::make_shared<telemetry::CountingTransport>(
      std::move(uncounted), telemetry, options.server_host, MonotonicNow);
  const std::function<double()> chance = Chance();
  StopSignal ending;  // nothing is to be waited for any more
  const auto sleep = [&](absl::Duration d) { SleepUnlessSet(ending, d); };

  kube::LeaderElectionOptions lease = options.election;
  lease.ns = options.ns;
  lease.name = options.lease_name;
  lease.identity = options.identity;
  // The lease is renewed until the workers have ended, so it does not listen to `stop`.
  kube::LeaderElection election(kube::Client(transport), lease,
                                {.monotonic = MonotonicNow,
                                 .wall = [] { return absl::Now(); },
                                 .sleep = sleep,
                                 .stop = [&] { return ending.IsSet(); },
                                 .chance = chance});
  std::shared_ptr<kube::Transport> fenced = transport;
  if (options.leader_elect) {
    fenced =
        std::make_shared<kube::FencedTransport>(transport, [&] { return election.WriteTime(); });
  }
  // Outside of the fence, which must judge when a request is sent, not when it begins to wait.
  const auto throttled = std::make_shared<kube::ThrottledTransport>(
      fenced, options.throttle,
      kube::ThrottleWorld{
          .monotonic = MonotonicNow, .wall = [] { return absl::Now(); }, .sleep = sleep});
  kube::Client client(throttled, kCallTimeout);
  kube::Caches caches(client, reconcile::Sources(), options.watch_namespaces, MonotonicNow);
  reconcile::Reconciler reconciler(
      client, caches,
      decide::Defaults{.agent_image = options.agent_image,
                       .version = kVersion,
                       .operator_namespace = options.pod_namespace},
      [] { return absl::Now(); },
      reconcile::Hooks{
          .ask_agent = AskAgent,
          .on_plan = [&telemetry](std::string_view ns, std::string_view name,
                                  const decide::Plan* plan) { telemetry.OnPlan(ns, name, plan); },
          .busy = [&throttled] { return throttled->Busy(); }});
  kube::Controller controller(
      caches,
      {.workers = kWorkers, .on_take = [&](absl::Duration waited) { telemetry.OnTake(waited); }},
      [&](std::string_view ns, std::string_view name) {
        const absl::Time begin = MonotonicNow();
        absl::StatusOr<absl::Duration> again = reconciler.Reconcile(ns, name);
        telemetry.OnReconcile(again.status(), again.value_or(absl::ZeroDuration()),
                              MonotonicNow() - begin);
        return again;
      },
      MonotonicNow, chance);

  Probes probes([&] { return controller.Synced(); });
  ASSIGN_OR_RETURN(const std::unique_ptr<http::Server> server,
                   ServeProbes(options.health_address, probes));
  log::Info("probes are served", {{"address", server->addresses().front()}});

  telemetry.SetQueue([&controller] { return controller.figures(); });
  // After the controller, whose queue it reads.
  MetricsServer metrics(options, telemetry, kube::Client(transport, kCallTimeout));
  if (!options.metrics_address.empty()) RETURN_IF_ERROR(metrics.Start(options));
  if (options.leader_elect) telemetry.SetLeader(options.lease_name, false);

  controller.StartInformers();
  absl::Status end;
  std::atomic<bool> lost{false};
  std::thread holder;
  if (options.leader_elect) {
    holder = std::thread([&] {
      if (!election.Acquire().ok()) return;
      telemetry.SetLeader(options.lease_name, true);
      log::Info("leading",
                {{"lease", StrCat(lease.ns, "/", lease.name)}, {"identity", lease.identity}});
      controller.StartWorkers();
      if (const absl::Status held = election.Hold(); !held.ok()) {
        telemetry.SetLeader(options.lease_name, false);
        log::Error("leadership is lost, nothing is written any more",
                   {{"error", std::string(ToStd(held.message()))}});
        lost.store(true);
      }
    });
  } else {
    controller.StartWorkers();
  }

  while (!stop.Wait(kPoll) && !lost.load()) metrics.Refresh(MonotonicNow());
  log::Info("stopping", {{"within_seconds", absl::ToDoubleSeconds(options.stop_within)}});
  const absl::Time deadline = absl::Now() + options.stop_within;
  controller.Stop();
  if (options.streams_end != nullptr) options.streams_end->Set();
  if (!controller.Join(deadline)) {
    end = absl::DeadlineExceededError("stop: a reconcile did not end in time, it is cut off");
  }
  ending.Set();
  if (holder.joinable()) holder.join();
  if (lost.load()) {
    end = absl::AbortedError("leadership lost: the process ends, to start anew as a standby");
  } else if (options.leader_elect && end.ok()) {
    if (const absl::Status released = election.Release(); !released.ok()) {
      log::Warn("the lease could not be given back, the next leader waits for its end",
                {{"error", std::string(ToStd(released.message()))}});
    }
  }
  server->Stop(absl::Now());
  return end;
}

}  // namespace deepseek
