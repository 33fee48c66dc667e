#include "operator/reconcile/warnings.h"

#include <algorithm>
#include <utility>

#include "base/json_full.h"
#include "base/log.h"
#include "base/status.h"
#include "base/strings.h"
#include "operator/decide/json_read.h"

namespace deepseek::reconcile {
namespace {

// With the 5 s after which an object is looked at again: conditions tell of a warning within 10 s.
constexpr absl::Duration kAge = absl::Seconds(4);
constexpr absl::Duration kMostAfterFailures = absl::Minutes(1);
// Of each page. Events may be kept in a store of their own, whose end must not hold up the rest.
constexpr absl::Duration kCallTimeout = absl::Seconds(5);
constexpr absl::Duration kForget = absl::Minutes(1);

// The wall clock may be set back.
bool IsOver(absl::Time since, absl::Duration wait, absl::Time now) {
  return now < since || now - since >= wait;
}

}  // namespace

Warnings::Warnings(const kube::Client& client, std::function<absl::Time()> now)
    : client_(client.WithTimeout(kCallTimeout)), now_(std::move(now)) {}

absl::StatusOr<Warnings::ByPod> Warnings::Read(const std::string& ns) {
  ASSIGN_OR_RETURN(
      const kube::List events,
      client_.ListAll(kube::resources::kEvent,
                      {.ns = ns, .label_selector = "", .field_selector = "type=Warning"}));
  ByPod out;
  for (const kube::Object& event : events.items) {
    const std::string uid = decide::TextAt(*event, "/regarding/uid");
    if (!uid.empty()) out[uid].push_back(event);
  }
  return out;
}

bool Warnings::IsDue(const Namespace& entry, absl::Time now) {
  const absl::Duration wait =
      std::min(kMostAfterFailures, kAge * (1 << std::clamp(entry.failures - 1, 0, 8)));
  return !entry.reading && IsOver(entry.read_at, wait, now);
}

std::shared_ptr<Warnings::Namespace> Warnings::Find(std::string_view ns, absl::Time now) {
  auto it = namespaces_.find(ns);
  if (it == namespaces_.end()) {
    it = namespaces_.emplace(std::string(ns), std::make_shared<Namespace>()).first;
  }
  it->second->asked_at = now;
  return it->second;
}

void Warnings::Forget(absl::Time now) {
  if (!IsOver(forgot_at_, kForget, now)) return;
  forgot_at_ = now;
  std::erase_if(namespaces_, [now](const auto& entry) {
    return !entry.second->reading && IsOver(entry.second->asked_at, kForget, now);
  });
}

std::vector<kube::Object> Warnings::About(const std::vector<kube::Object>& pods,
                                          std::string_view ns) {
  const absl::Time now = now_();
  std::unique_lock lock(mutex_);
  Forget(now);
  const std::shared_ptr<Namespace> entry = Find(ns, now);
  if (IsDue(*entry, now)) {
    const bool failed_before = entry->failures > 0;
    entry->reading = true;
    lock.unlock();
    absl::StatusOr<ByPod> read = Read(std::string(ns));
    const absl::Time end = now_();
    if (!read.ok() && !failed_before) {
      log::Warn("warnings about pods cannot be read; conditions are told without new ones",
                {{"namespace", ns}, {"error", std::string(ToStd(read.status().message()))}});
    }
    lock.lock();
    entry->reading = false;
    entry->read_at = end;
    entry->failures = read.ok() ? 0 : entry->failures + 1;
    if (read.ok()) entry->read = std::make_shared<const ByPod>(*std::move(read));
    changed_.notify_all();
  }
  // Nothing has ever been read, and somebody is at it.
  changed_.wait(lock, [&] { return !entry->reading || entry->read_at != absl::InfinitePast(); });
  const std::shared_ptr<const ByPod> all = entry->read;
  lock.unlock();

  std::vector<kube::Object> out;
  if (all == nullptr) return out;
  for (const kube::Object& pod : pods) {
    const auto it = all->find(decide::TextAt(*pod, "/metadata/uid"));
    if (it != all->end()) out.insert(out.end(), it->second.begin(), it->second.end());
  }
  return out;
}

size_t Warnings::size() const {
  const std::lock_guard lock(mutex_);
  return namespaces_.size();
}

}  // namespace deepseek::reconcile
