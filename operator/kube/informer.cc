#include "operator/kube/informer.h"

#include <algorithm>
#include <utility>

#include "base/json_full.h"
#include "base/log.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::kube {
namespace {

constexpr absl::Duration kFirstBackoff = absl::Milliseconds(800);
constexpr absl::Duration kMostBackoff = absl::Seconds(30);
// A watch of a kind to which nothing happens ends without news: by a proxy that counts silence as
// death, by a server that sends no bookmarks, or after its time. Who went on watching for so long
// is not kept away by backoff.
constexpr absl::Duration kLongWatch = absl::Seconds(10);

}  // namespace

absl::Duration ListBackoff(int failures, double chance) {
  const int doublings = std::clamp(failures, 0, 16);
  return std::min(kMostBackoff, kFirstBackoff * (1 << doublings)) * (1.0 + chance);
}

Informer::Informer(Client client, InformerOptions options)
    : client_(std::move(client)), options_(std::move(options)), cache_(options_.cache) {}

void Informer::Put(const Json& object) {
  const ObjectCache::Change change = cache_.Put(object);
  if (!change.changed || !options_.on_change) return;
  if (change.moved_from != nullptr) options_.on_change(*change.moved_from);
  options_.on_change(object);
}

void Informer::BeginWatch() {
  if (options_.monotonic) watched_since_ = options_.monotonic();
}

bool Informer::WatchedForLong() const {
  return options_.monotonic && options_.monotonic() - watched_since_ >= kLongWatch;
}

void Informer::EndList(std::string_view version) {
  version_ = version;
  if (!version.empty()) BeginWatch();  // goes on in the same stream
  // Deletions that no watch told us about.
  const std::vector<Object> went = cache_.EndList(version);
  synced_.store(true);
  for (const Object& object : went) {
    if (options_.on_change) options_.on_change(*object);
  }
  const bool served = !options_.optional || !version.empty();
  if (served_.exchange(served) == served) return;
  log::Info(served ? "a kind is served now" : "a kind is not served: its CRD is not installed",
            {{"resource", options_.resource.plural}, {"group", options_.resource.group}});
  if (served && options_.on_served) options_.on_served();
}

absl::Status Informer::List() {
  ASSIGN_OR_RETURN(const kube::List list, client_.ListAll(options_.resource, options_.list));
  cache_.BeginList();
  for (const Object& object : list.items) Put(*object);
  EndList(list.resource_version);
  return absl::OkStatus();
}

bool Informer::IsKnown(const EventHead& head) {
  if (cache_.IsNews(KeyOf(head.ns, head.name), head.uid, ParseVersion(head.resource_version))) {
    return false;
  }
  if (!version_.empty()) version_ = head.resource_version;
  return true;
}

void Informer::OnEvent(const WatchEvent& event) {
  const auto meta = event.object->find("metadata");
  if (meta == event.object->end() || !meta->is_object()) return;
  std::string version = MetadataText(*event.object, "resourceVersion");
  if (event.initial_events_end) {
    EndList(version);
    return;
  }
  // Before the end of the initial events there is nothing that a later watch could go on from.
  if (!version_.empty() && !version.empty()) version_ = std::move(version);
  if (event.type == WatchEventType::kBookmark) return;
  if (event.type != WatchEventType::kDeleted) {
    Put(*event.object);
    return;
  }
  const Object last = cache_.Remove(*event.object);
  if (last != nullptr && options_.on_change) options_.on_change(*last);
}

absl::Status Informer::WatchList(const std::function<bool()>& stop) {
  cache_.BeginList();
  return client_.WatchList(
      options_.resource, options_.list, [this](const WatchEvent& event) { OnEvent(event); }, stop,
      [this](const EventHead& head) { return IsKnown(head); });
}

absl::Status Informer::RunOnce(const std::function<bool()>& stop) {
  watched_since_ = absl::InfiniteFuture();
  absl::Status end = ListAndWatch(stop);
  if (!options_.optional || !absl::IsNotFound(end)) return end;
  cache_.BeginList();
  EndList("");
  return absl::OkStatus();
}

absl::Status Informer::ListAndWatch(const std::function<bool()>& stop) {
  if (options_.monotonic) {
    if (options_.monotonic() - listed_at_ >= options_.relist) version_.clear();
    if (version_.empty()) listed_at_ = options_.monotonic();
  }
  if (version_.empty() && streams_) {
    absl::Status end = WatchList(stop);
    // Cut off before its end it is no list, and the next attempt begins anew.
    if (!absl::IsInvalidArgument(end)) {
      if (absl::IsOutOfRange(end)) version_.clear();
      return end;
    }
    log::Info(
        "the API server offers no streamed lists, so pages are read",
        {{"resource", options_.resource.plural}, {"answer", std::string(ToStd(end.message()))}});
    streams_ = false;
  }
  if (version_.empty()) RETURN_IF_ERROR(List());
  BeginWatch();
  absl::Status end = client_.Watch(
      options_.resource, options_.list, version_,
      [this](const WatchEvent& event) { OnEvent(event); }, stop,
      [this](const EventHead& head) { return IsKnown(head); });
  if (absl::IsOutOfRange(end)) version_.clear();
  return end;
}

absl::Status Informer::Pump() {
  int asked = 0;
  return RunOnce([&asked] { return asked++ > 0; });
}

void Informer::Run(const InformerWorld& world) {
  int failures = 0;
  while (!world.stop()) {
    const std::string before = version_;
    const absl::Status end = RunOnce(world.stop);
    if (world.stop()) return;
    const bool lived = WatchedForLong();
    if (end.ok()) {
      // The server ends watches every few minutes. One that ends at once without news must not
      // become a busy loop.
      failures = version_ == before && !lived ? failures + 1 : 0;
      if (failures > 1) world.sleep(ListBackoff(failures - 2, world.chance()));
      continue;
    }
    // Progress in between means that this is a new trouble.
    if (lived || (version_ != before && !absl::IsOutOfRange(end))) failures = 0;
    const absl::Duration delay = ListBackoff(failures++, world.chance());
    log::Warn(absl::IsOutOfRange(end) ? "watch is too far behind, listing again"
                                      : "list or watch failed, trying again",
              {{"resource", options_.resource.plural},
               {"namespace", options_.list.ns},
               {"error", std::string(ToStd(end.message()))},
               {"retry_in_seconds", absl::ToDoubleSeconds(delay)}});
    world.sleep(delay);
  }
}

Object Informer::Get(std::string_view ns, std::string_view name) const {
  return cache_.Get(KeyOf(ns, name));
}

void Informer::Saw(const Json& object) {
  cache_.Put(object);
}

void Informer::SawGone(std::string_view ns, std::string_view name, std::string_view uid) {
  cache_.Forget(KeyOf(ns, name), uid);
}

void Informer::SawAll(std::string_view index, const kube::List& list) {
  for (const Object& object : list.items) cache_.Put(*object);
  cache_.EndListOf(index, list.items, list.resource_version);
}

}  // namespace deepseek::kube
