#include "operator/kube/controller.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "base/log.h"
#include "base/strings.h"

namespace deepseek::kube {
namespace {
constexpr absl::Duration kMostWhenAbsent = absl::Seconds(10);
}  // namespace

Controller::Controller(Caches& caches, ControllerOptions options, Reconcile reconcile,
                       std::function<absl::Time()> monotonic, std::function<double()> chance)
    : caches_(caches),
      options_(std::move(options)),
      reconcile_(std::move(reconcile)),
      monotonic_(std::move(monotonic)),
      chance_(std::move(chance)),
      queue_(monotonic_, {}, options_.on_take) {
  caches_.set_on_change([this](const std::string& key) { queue_.Add(key); });
}

Controller::~Controller() {
  Stop();
  for (std::thread& thread : threads_) thread.join();
  caches_.set_on_change(nullptr);
}

bool Controller::stopped() const {
  const std::lock_guard lock(mutex_);
  return stopped_;
}

void Controller::Sleep(absl::Duration duration) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, absl::ToChronoMilliseconds(duration), [this] { return stopped_; });
}

void Controller::StartThread(std::function<void()> body) {
  ++running_;
  threads_.emplace_back([this, body = std::move(body)] {
    body();
    const std::lock_guard done(mutex_);
    --running_;
    changed_.notify_all();
  });
}

void Controller::StartInformers() {
  const InformerWorld world{.stop = [this] { return stopped(); },
                            .sleep = [this](absl::Duration d) { Sleep(d); },
                            .chance = chance_};
  const std::lock_guard lock(mutex_);
  if (stopped_) return;
  for (const auto& informer : caches_.informers()) {
    StartThread([world, informer = informer.get()] { informer->Run(world); });
  }
}

void Controller::StartWorkers() {
  const std::lock_guard lock(mutex_);
  if (stopped_) return;
  for (int i = 0; i < options_.workers; ++i) {
    StartThread([this] {
      while (!stopped() && !Synced()) Sleep(absl::Milliseconds(20));
      while (const auto key = queue_.Take()) Process(*key);
    });
  }
}

bool Controller::ProcessOne() {
  const auto key = queue_.TryTake();
  if (!key) return false;
  Process(*key);
  return true;
}

void Controller::Process(const std::string& key) {
  const size_t slash = key.find('/');
  const std::string ns = slash == std::string::npos ? "" : key.substr(0, slash);
  const std::string name = slash == std::string::npos ? key : key.substr(slash + 1);
  const absl::StatusOr<absl::Duration> next = reconcile_(ns, name);
  if (!next.ok()) {
    // An absent API server says nothing about the object: when it is back, we are soon.
    const bool absent =
        absl::IsUnavailable(next.status()) || absl::IsDeadlineExceeded(next.status());
    const absl::Duration delay =
        queue_.AddAfterFailure(key, absent ? kMostWhenAbsent : absl::InfiniteDuration());
    // A lost race is everyday life; anything else somebody should see.
    const log::Level level =
        absl::IsAborted(next.status()) ? log::Level::kDebug : log::Level::kWarn;
    log::Write(level, "reconcile failed, trying again",
               {{"namespace", ns},
                {"name", name},
                {"error", std::string(ToStd(next.status().message()))},
                {"retry_in_seconds", absl::ToDoubleSeconds(delay)}});
  } else {
    queue_.Forget(key);
    // What is gone from the caches needs no resync, or deleted objects would stay in the queue for
    // ever.
    const absl::Duration resync = options_.resync * (1.0 + 0.1 * chance_());
    const absl::Duration again = caches_.Known(ns, name) ? std::min(*next, resync) : *next;
    queue_.AddAt(key, monotonic_() + again);
  }
  queue_.Done(key);
}

void Controller::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    changed_.notify_all();
  }
  queue_.Stop();
}

bool Controller::Join(absl::Time deadline) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, absl::ToChronoMilliseconds(deadline - absl::Now()),
                           [this] { return running_ == 0; });
}

}  // namespace deepseek::kube
