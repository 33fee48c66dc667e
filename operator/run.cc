#include "operator/run.h"

#include <time.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <random>
#include <thread>

#include "absl/time/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "base/strings.h"
#include "base/version.h"
#include "operator/decide/defaults.h"
#include "operator/kube/caches.h"
#include "operator/kube/client.h"
#include "operator/kube/controller.h"
#include "operator/kube/throttle.h"
#include "operator/probes.h"
#include "operator/reconcile/observe.h"
#include "operator/reconcile/reconciler.h"

namespace deepseek {
namespace {

constexpr char kLeaseName[] = "deepseek-operator";
constexpr int kWorkers = 4;
// Of one call of a reconcile: short enough that a hanging API server does not outlast a graceful
// stop.
constexpr absl::Duration kCallTimeout = absl::Seconds(15);
// How soon a signal or a lost lease is noticed.
constexpr absl::Duration kPoll = absl::Milliseconds(50);

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

// Sleeps in slices, so that `stop` is noticed.
void SleepUnless(const std::function<bool()>& stop, absl::Duration duration) {
  const absl::Time until = MonotonicNow() + duration;
  while (!stop() && MonotonicNow() < until) {
    absl::SleepFor(std::min(kPoll, until - MonotonicNow()));
  }
}

}  // namespace

absl::Time MonotonicNow() {
  timespec t{};
  clock_gettime(CLOCK_BOOTTIME, &t);
  return absl::UnixEpoch() + absl::DurationFromTimespec(t);
}

absl::Status RunOperator(const RunOptions& options, std::shared_ptr<kube::Transport> transport,
                         const std::function<bool()>& stop) {
  const std::function<double()> chance = Chance();
  std::atomic<bool> ending{false};
  const auto stopping = [&] { return ending.load() || stop(); };

  kube::LeaderElectionOptions lease = options.election;
  lease.ns = options.ns;
  lease.name = kLeaseName;
  lease.identity = options.identity;
  // The lease is renewed until the workers have ended, so it does not listen to `stop`.
  kube::LeaderElection election(
      kube::Client(transport), lease,
      {.monotonic = MonotonicNow,
       .wall = [] { return absl::Now(); },
       .sleep = [&](absl::Duration d) { SleepUnless([&] { return ending.load(); }, d); },
       .stop = [&] { return ending.load(); },
       .chance = chance});
  std::shared_ptr<kube::Transport> fenced = transport;
  if (options.leader_elect) {
    fenced =
        std::make_shared<kube::FencedTransport>(transport, [&] { return election.WriteTime(); });
  }
  // Outside of the fence, which must judge when a request is sent, not when it begins to wait.
  const auto throttled = std::make_shared<kube::ThrottledTransport>(
      fenced, kube::ThrottleOptions{},
      kube::ThrottleWorld{.monotonic = MonotonicNow, .sleep = [&](absl::Duration d) {
                            SleepUnless([&] { return ending.load(); }, d);
                          }});
  kube::Client client(throttled, kCallTimeout);
  kube::Caches caches(client, reconcile::Sources(), options.watch_namespaces, MonotonicNow);
  reconcile::Reconciler reconciler(
      client, caches, decide::Defaults{.agent_image = options.agent_image, .version = kVersion},
      [] { return absl::Now(); });
  kube::Controller controller(
      caches, {.workers = kWorkers},
      [&](std::string_view ns, std::string_view name) { return reconciler.Reconcile(ns, name); },
      MonotonicNow, chance);

  Probes probes([&] { return controller.Synced(); });
  ASSIGN_OR_RETURN(const std::unique_ptr<http::Server> server,
                   ServeProbes(options.health_address, probes));
  log::Info("probes are served", {{"address", server->addresses().front()}});

  controller.StartInformers();
  absl::Status end;
  std::atomic<bool> lost{false};
  std::thread holder;
  if (options.leader_elect) {
    holder = std::thread([&] {
      if (!election.Acquire().ok()) return;
      log::Info("leading",
                {{"lease", StrCat(lease.ns, "/", lease.name)}, {"identity", lease.identity}});
      controller.StartWorkers();
      if (const absl::Status held = election.Hold(); !held.ok()) {
        log::Error("leadership is lost, nothing is written any more",
                   {{"error", std::string(ToStd(held.message()))}});
        lost.store(true);
      }
    });
  } else {
    controller.StartWorkers();
  }

  while (!stopping() && !lost.load()) absl::SleepFor(kPoll);
  log::Info("stopping", {{"within_seconds", absl::ToDoubleSeconds(options.stop_within)}});
  const absl::Time deadline = absl::Now() + options.stop_within;
  controller.Stop();
  if (!controller.Join(deadline)) {
    end = absl::DeadlineExceededError("stop: a reconcile did not end in time, it is cut off");
  }
  ending.store(true);
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
