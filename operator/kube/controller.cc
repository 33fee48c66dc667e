#include "operator/kube/controller.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "base/json_full.h"
#include "base/log.h"
#include "base/strings.h"

namespace deepseek::kube {
namespace {
constexpr absl::Duration kMostWhenAbsent = absl::Seconds(10);
}  // namespace

Controller::Controller(Client client, ControllerOptions options, Reconcile reconcile,
                       std::function<absl::Time()> monotonic, std::function<double()> chance)
    : options_(std::move(options)),
      reconcile_(std::move(reconcile)),
      monotonic_(std::move(monotonic)),
      chance_(std::move(chance)),
      queue_(monotonic_) {
  std::vector<std::string> namespaces = options_.namespaces;
  if (namespaces.empty()) namespaces.emplace_back();
  for (const Source& source : options_.sources) {
    for (const std::string& ns : namespaces) {
      InformerOptions informer;
      informer.resource = source.resource;
      informer.list.ns = ns;
      informer.list.label_selector = source.label_selector;
      informer.on_change = [this, key_of = source.key_of](const Object& object) {
        if (const std::string key = key_of(*object); !key.empty()) queue_.Add(key);
      };
      informers_.push_back(std::make_unique<Informer>(client, std::move(informer)));
    }
  }
}

Controller::~Controller() {
  Stop();
  for (std::thread& thread : threads_) thread.join();
}

bool Controller::stopped() const {
  const std::lock_guard lock(mutex_);
  return stopped_;
}

void Controller::Sleep(absl::Duration duration) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, absl::ToChronoMilliseconds(duration), [this] { return stopped_; });
}

void Controller::StartInformers() {
  const InformerWorld world{.stop = [this] { return stopped(); },
                            .sleep = [this](absl::Duration d) { Sleep(d); },
                            .chance = chance_};
  const std::lock_guard lock(mutex_);
  if (stopped_) return;
  for (const auto& informer : informers_) {
    ++running_;
    threads_.emplace_back([this, world, informer = informer.get()] {
      informer->Run(world);
      const std::lock_guard done(mutex_);
      --running_;
      changed_.notify_all();
    });
  }
}

void Controller::StartWorkers() {
  const std::lock_guard lock(mutex_);
  if (stopped_) return;
  for (int i = 0; i < options_.workers; ++i) {
    ++running_;
    threads_.emplace_back([this] {
      while (!stopped() && !Synced()) Sleep(absl::Milliseconds(20));
      Work();
      const std::lock_guard done(mutex_);
      --running_;
      changed_.notify_all();
    });
  }
}

bool Controller::Synced() const {
  return std::all_of(informers_.begin(), informers_.end(),
                     [](const auto& informer) { return informer->synced(); });
}

void Controller::Work() {
  while (auto key = queue_.Take()) {
    const size_t slash = key->find('/');
    const std::string ns = slash == std::string::npos ? "" : key->substr(0, slash);
    const std::string name = slash == std::string::npos ? *key : key->substr(slash + 1);
    const absl::StatusOr<absl::Duration> next = reconcile_(ns, name);
    if (!next.ok()) {
      // An absent API server says nothing about the object: when it is back, we are soon.
      const bool absent =
          absl::IsUnavailable(next.status()) || absl::IsDeadlineExceeded(next.status());
      const absl::Duration delay =
          queue_.AddAfterFailure(*key, absent ? kMostWhenAbsent : absl::InfiniteDuration());
      // A lost race is everyday life; anything else somebody should see.
      const log::Level level =
          absl::IsAborted(next.status()) ? log::Level::kDebug : log::Level::kWarn;
      log::Write(level, "reconcile failed, trying again",
                 {{"namespace", ns},
                  {"name", name},
                  {"error", std::string(ToStd(next.status().message()))},
                  {"retry_in_seconds", absl::ToDoubleSeconds(delay)}});
    } else {
      queue_.Forget(*key);
      // What is gone from the caches needs no resync, or deleted objects would stay in the queue
      // for ever.
      const absl::Duration again = Known(ns, name) ? std::min(*next, options_.resync) : *next;
      queue_.AddAt(*key, monotonic_() + again);
    }
    queue_.Done(*key);
  }
}

bool Controller::Known(const std::string& ns, const std::string& name) const {
  return std::any_of(informers_.begin(), informers_.end(), [&](const auto& informer) {
    return informer->resource().plural == options_.sources.front().resource.plural &&
           informer->Get(ns, name) != nullptr;
  });
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
