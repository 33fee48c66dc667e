#include "operator/reconcile/event_recorder.h"

#include "absl/strings/str_format.h"
#include "base/json_full.h"
#include "base/log.h"
#include "base/status.h"
#include "base/utf8.h"
#include "operator/api/names.h"
#include "operator/decide/json_read.h"

namespace deepseek::reconcile {
namespace {

using decide::TextAt;
using kube::resources::kEvent;

constexpr size_t kMaxNote = 1024;  // events.k8s.io/v1
// As client-go: after so long without a repetition a series has ended.
constexpr absl::Duration kSeriesEnds = absl::Minutes(6);
// A count is written when it has doubled, or when it has not been written for so long.
constexpr absl::Duration kWriteCount = absl::Minutes(1);
constexpr size_t kMostSeries = 4096;
constexpr absl::Duration kDropEvery = absl::Minutes(1);

std::string MicroTime(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", time, absl::UTCTimeZone());
}

Json EventObject(const Json& dsd, const decide::EventPlan& event, const std::string& event_name,
                 absl::Time now) {
  const std::string name = TextAt(dsd, "/metadata/name"), ns = TextAt(dsd, "/metadata/namespace");
  return {{"apiVersion", kEvent.ApiVersion()},
          {"kind", kEvent.kind},
          {"metadata", {{"name", event_name}, {"namespace", ns}}},
          {"eventTime", MicroTime(now)},
          {"reportingController", api::kFieldManager},
          {"reportingInstance", api::kFieldManager},
          {"action", event.action},
          {"reason", event.reason},
          {"type", event.warning ? "Warning" : "Normal"},
          {"note", std::string(Clip(event.message, kMaxNote))},
          {"regarding",
           {{"apiVersion", api::kApiVersion},
            {"kind", api::kKind},
            {"name", name},
            {"namespace", ns},
            {"uid", TextAt(dsd, "/metadata/uid")},
            {"resourceVersion", TextAt(dsd, "/metadata/resourceVersion")}}}};
}

bool HasEnded(absl::Time last, absl::Time now) {
  return now - last > kSeriesEnds || last > now;
}

bool IsPowerOfTwo(int n) {
  return (n & (n - 1)) == 0;
}

}  // namespace

void EventRecorder::Drop(absl::Time now) {
  const bool early = now >= dropped_at_ && now - dropped_at_ < kDropEvery;
  if (early && series_.size() < kMostSeries) return;
  dropped_at_ = now;
  std::erase_if(series_, [now](const auto& entry) { return HasEnded(entry.second.last, now); });
  if (series_.size() >= kMostSeries) series_.clear();
}

void EventRecorder::Record(const Json& dsd, const decide::EventPlan& event, absl::Time now,
                           size_t number) {
  const Key key{TextAt(dsd, "/metadata/uid"), event.warning, event.action, event.reason,
                event.message};
  const std::string ns = TextAt(dsd, "/metadata/namespace");
  Series series;
  {
    const std::lock_guard lock(mutex_);
    Drop(now);
    const auto it = series_.find(key);
    if (it != series_.end() && !HasEnded(it->second.last, now)) {
      ++it->second.count;
      it->second.last = now;
      if (!IsPowerOfTwo(it->second.count) && now - it->second.written < kWriteCount) return;
      it->second.written = now;
      series = it->second;
    }
  }
  absl::Status status;
  if (series.count > 1) {
    const Json patch{
        {"series", {{"count", series.count}, {"lastObservedTime", MicroTime(series.last)}}}};
    status = client_.MergePatch(kEvent, ns, series.name, patch, api::kFieldManager).status();
  }
  if (series.count == 1 || absl::IsNotFound(status)) {  // or it has expired meanwhile
    // As client-go names them: the object's name and the time, unique per emission.
    series = {
        absl::StrFormat("%s.%x.%d", TextAt(dsd, "/metadata/name"), absl::ToUnixNanos(now), number),
        1, now, now};
    status = client_.CreateUnread(kEvent, ns, EventObject(dsd, event, series.name, now),
                                  api::kFieldManager);
    if (status.ok()) {
      const std::lock_guard lock(mutex_);
      series_[key] = series;
    }
  }
  if (!status.ok()) {
    log::Warn("event not written", {{"namespace", ns},
                                    {"name", TextAt(dsd, "/metadata/name")},
                                    {"reason", event.reason},
                                    {"error", status.ToString()}});
  }
}

}  // namespace deepseek::reconcile
