// What the operator costs: its controller, caches and client with real threads against the
// in-memory API server, whose own cost is taken off.
//   operator_bench [DEPLOYMENTS [EVENTS]]   default 1000; each has 8 objects in the caches; 3600
//   events of churn
// are those of an hour with one a second

#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "base/json_full.h"
#include "base/log.h"
#include "base/strings.h"
#include "bench/operator/metered_transport.h"
#include "operator/kube/caches.h"
#include "operator/kube/controller.h"
#include "operator/kube/throttle.h"
#include "operator/reconcile/observe.h"
#include "operator/reconcile/reconciler.h"
#include "tests/support/fake_api_server.h"
#include "tests/support/fake_workloads.h"

namespace deepseek::bench {
namespace {

using kube::resources::kDeepSeekDeployment;

constexpr int kPerNamespace = 50;

std::string NamespaceOf(int i) {
  return StrCat("team-", i / kPerNamespace);
}

/// One process of the operator, without election and rate limit.
class Process {
 public:
  explicit Process(const std::shared_ptr<MeteredTransport>& transport)
      : client_(transport),
        caches_(client_, reconcile::Sources(), {}, [] { return absl::Now(); }),
        reconciler_(client_, caches_, {.agent_image = "agent:1", .version = "0.1.0"},
                    [] { return absl::Now(); },
                    {.ask_agent = nullptr,
                     .on_plan = nullptr,
                     .busy = [transport] { return transport->WouldQueue(); }}),
        controller_(
            caches_, {.workers = 4},
            [this](std::string_view ns, std::string_view name) { return Timed(ns, name); },
            [] { return absl::Now(); }, [] { return 0.5; }) {}
  ~Process() {
    controller_.Stop();
    controller_.Join(absl::Now() + absl::Minutes(1));
  }
  void StartInformers() {
    controller_.StartInformers();
    while (!controller_.Synced()) absl::SleepFor(absl::Milliseconds(1));
  }
  void StartWorkers() { controller_.StartWorkers(); }
  const kube::Caches& caches() const { return caches_; }
  int passes() const { return passes_.load(); }
  std::vector<absl::Duration> TakeTimes() {
    const std::lock_guard lock(mutex_);
    return std::exchange(times_, {});
  }

 private:
  absl::StatusOr<absl::Duration> Timed(std::string_view ns, std::string_view name) {
    const absl::Time begin = absl::Now();
    const absl::Duration before = MeteredTransport::ThreadInServer();
    auto next = reconciler_.Reconcile(ns, name);
    const absl::Duration own = absl::Now() - begin - (MeteredTransport::ThreadInServer() - before);
    ++passes_;
    const std::lock_guard lock(mutex_);
    times_.push_back(own);
    return next;
  }
  kube::Client client_;
  kube::Caches caches_;
  reconcile::Reconciler reconciler_;
  kube::Controller controller_;
  std::atomic<int> passes_{0};
  std::mutex mutex_;
  std::vector<absl::Duration> times_;
};

/// The cluster and what is measured on it.
class Bench {
 public:
  Bench(int deployments, int events) : deployments_(deployments), events_(events) {}

  void Run() {
    for (int i = 0; i < deployments_; ++i) Put(i, {{"replicas", 0}});
    auto first = std::make_unique<Process>(metered_);
    first->StartInformers();
    Measure("create", *first, [&] { first->StartWorkers(); });
    Measure("100 template changes", *first, [&] {
      for (int i = 0; i < std::min(100, deployments_); ++i) {
        Put(i, {{"replicas", 0}, {"engine", {{"maxBatch", 4}}}});
      }
    });
    Idle();
    first.reset();

    const size_t before = Heap();
    auto second = std::make_unique<Process>(metered_);
    Measure("fill the caches of a standby", *second, [&] { second->StartInformers(); });
    const size_t objects = second->caches().size();
    std::printf("%-28s %zu objects, %zu bytes of heap each, %zu of them packed\n", "caches",
                objects, (Heap() - before) / objects, second->caches().bytes() / objects);
    Measure("restart: every key once", *second, [&] { second->StartWorkers(); });
    Churn(*second);
  }

 private:
  static size_t Heap() { return mallinfo2().uordblks; }

  void Put(int i, const Json& more) {
    const std::string ns = NamespaceOf(i), name = StrCat("model-", i);
    const auto old = server_->Find(kDeepSeekDeployment, ns, name);
    Json object = old != nullptr ? *old
                                 : Json{{"apiVersion", kDeepSeekDeployment.ApiVersion()},
                                        {"kind", kDeepSeekDeployment.kind},
                                        {"metadata", {{"name", name}, {"namespace", ns}}}};
    object["spec"] = {{"model", {{"source", {{"builtin", "demo-v3"}}}}}};
    object["spec"].merge_patch(more);
    const auto response =
        server_->SendAsController({.method = old ? "PUT" : "POST",
                                   .path = old ? kube::ObjectPath(kDeepSeekDeployment, ns, name)
                                               : kube::CollectionPath(kDeepSeekDeployment, ns),
                                   .headers = {{"Content-Type", "application/json"}},
                                   .body = object.dump()});
    if (response.code >= 300) std::fprintf(stderr, "error: %s\n", response.body.c_str());
  }

  // Until nothing is reconciled and no controller of the cluster has anything to do.
  void WaitForRest(const Process& process) {
    for (int quiet = 0; quiet < 10;) {
      const int before = process.passes();
      const bool moved = workloads_.Step();
      absl::SleepFor(absl::Milliseconds(20));
      quiet = moved || process.passes() != before ? 0 : quiet + 1;
    }
  }

  // Deployments whose status their controller touches. Nothing of it is kept, so memory stays.
  void Churn(const Process& process) {
    constexpr int kTenths = 10;
    std::mt19937 chance(1);
    std::vector<size_t> heap;
    for (int tenth = 0; tenth < kTenths; ++tenth) {
      for (int i = 0; i < events_ / kTenths; ++i) {
        const int which = static_cast<int>(chance() % static_cast<unsigned>(deployments_));
        Touch(which, i);
        if (i % 200 == 0) absl::SleepFor(absl::Milliseconds(20));
      }
      WaitForRest(process);
      server_->ForgetCalls();
      server_->Compact();  // what the fake itself keeps of the past
      malloc_trim(0);
      heap.push_back(Heap());
    }
    std::printf("%-28s %d events, heap after each tenth in MB:", "churn", events_);
    for (const size_t bytes : heap) std::printf(" %.1f", static_cast<double>(bytes) / 1e6);
    std::printf("\n");
  }

  void Touch(int i, int round) {
    const std::string ns = NamespaceOf(i), name = StrCat("model-", i);
    const auto dsd = server_->Find(kDeepSeekDeployment, ns, name);
    const auto response = server_->SendAsController(
        {.method = "PATCH",
         .path = StrCat(kube::ObjectPath(kube::resources::kDeployment, ns,
                                         (*dsd)["status"]["stableRevision"].get<std::string>()),
                        "/status"),
         .headers = {{"Content-Type", "application/merge-patch+json"}},
         .body = StrCat(R"({"status":{"collisionCount":)", round, "}}")});
    if (response.code >= 300) std::fprintf(stderr, "error: %s\n", response.body.c_str());
  }

  template <typename F>
  void Measure(const char* what, Process& process, F change) {
    server_->ForgetCalls();
    metered_->Begin();
    process.TakeTimes();
    const absl::Time begin = absl::Now();
    const absl::Duration cpu = ProcessCpu(), server = metered_->server_cpu();
    const absl::Duration here = ThreadCpu();
    change();
    WaitForRest(process);
    const absl::Duration wall = absl::Now() - begin;
    // This thread is the cluster's other controllers.
    const absl::Duration ours =
        ProcessCpu() - cpu - (metered_->server_cpu() - server) - (ThreadCpu() - here);
    const size_t writes = server_->Calls().size();
    const size_t requests = server_->Calls(/*reads=*/true).size();
    std::vector<absl::Duration> times = process.TakeTimes();
    std::sort(times.begin(), times.end());
    const auto at = [&](double share) {
      return times.empty()
                 ? 0.0
                 : absl::ToDoubleMilliseconds(
                       times[static_cast<size_t>(share * static_cast<double>(times.size() - 1))]);
    };
    std::printf(
        "%-28s %zu passes (p50 %.2f ms, p99 %.2f ms of our own), %zu requests, %zu writes, %.2f "
        "CPU-s of ours, %.2f ms per write, %.1f s here, %.0f s at the rate limit\n",
        what, times.size(), at(0.5), at(0.99), requests, writes, absl::ToDoubleSeconds(ours),
        writes == 0 ? 0.0 : absl::ToDoubleMilliseconds(ours) / static_cast<double>(writes),
        absl::ToDoubleSeconds(wall),
        static_cast<double>(requests) / kube::ThrottleOptions{}.requests_per_second);
    std::fflush(stdout);
  }

  void Idle() {
    const absl::Duration cpu = ProcessCpu(), server = metered_->server_cpu();
    constexpr absl::Duration kIdle = absl::Seconds(5);
    absl::SleepFor(kIdle);
    const absl::Duration ours = ProcessCpu() - cpu - (metered_->server_cpu() - server);
    std::printf("%-28s %.2f %% of a core\n", "idle", 100 * absl::FDivDuration(ours, kIdle));
  }

  const int deployments_, events_;
  std::shared_ptr<kube::FakeApiServer> server_ = std::make_shared<kube::FakeApiServer>();
  std::shared_ptr<MeteredTransport> metered_ = std::make_shared<MeteredTransport>(server_);
  kube::FakeWorkloads workloads_{server_.get()};
};

}  // namespace
}  // namespace deepseek::bench

int main(int argc, char** argv) {
  const int deployments = argc > 1 ? std::atoi(argv[1]) : 1000;
  const int events = argc > 2 ? std::atoi(argv[2]) : 3600;
  if (deployments < 1 || events < 1) {
    std::fprintf(stderr, "error: operator_bench [DEPLOYMENTS [EVENTS]]: positive numbers\n");
    return 1;
  }
  (void)deepseek::log::SetLevelByName("error");
  deepseek::bench::Bench(deployments, events).Run();
  return 0;
}
