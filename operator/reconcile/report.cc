#include "operator/reconcile/report.h"

#include "absl/strings/str_format.h"
#include "base/json_full.h"
#include "base/log.h"
#include "base/strings.h"
#include "operator/api/names.h"
#include "operator/decide/json_read.h"

namespace deepseek::reconcile {
namespace {

using decide::TextAt;

constexpr size_t kMaxNote = 1024;  // events.k8s.io/v1

Json EventObject(const Json& dsd, const decide::EventPlan& event, absl::Time now, size_t number) {
  const std::string name = TextAt(dsd, "/metadata/name"), ns = TextAt(dsd, "/metadata/namespace");
  return {{"apiVersion", "events.k8s.io/v1"},
          {"kind", "Event"},
          // As client-go names them: the object's name and the time, unique per emission.
          {"metadata",
           {{"name", absl::StrFormat("%s.%x.%d", name, absl::ToUnixNanos(now), number)},
            {"namespace", ns}}},
          {"eventTime", absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", now, absl::UTCTimeZone())},
          {"reportingController", api::kFieldManager},
          {"reportingInstance", api::kFieldManager},
          {"action", event.action},
          {"reason", event.reason},
          {"type", event.warning ? "Warning" : "Normal"},
          {"note", event.message.substr(0, kMaxNote)},
          {"regarding",
           {{"apiVersion", api::kApiVersion},
            {"kind", api::kKind},
            {"name", name},
            {"namespace", ns},
            {"uid", TextAt(dsd, "/metadata/uid")},
            {"resourceVersion", TextAt(dsd, "/metadata/resourceVersion")}}}};
}

}  // namespace

absl::Status WriteStatus(kube::Client& client, const Json& dsd, const decide::Plan& plan) {
  if (plan.status == nullptr) return absl::OkStatus();
  const Json* before = decide::Find(dsd, "/status");
  if (before != nullptr && *before == *plan.status) return absl::OkStatus();
  const std::string name = TextAt(dsd, "/metadata/name"), ns = TextAt(dsd, "/metadata/namespace");
  const Json object = {{"apiVersion", api::kApiVersion},
                       {"kind", api::kKind},
                       {"metadata",
                        {{"name", name},
                         {"namespace", ns},
                         {"resourceVersion", TextAt(dsd, "/metadata/resourceVersion")}}},
                       {"status", *plan.status}};
  return client
      .Apply(kube::resources::kDeepSeekDeployment, ns, name, object,
             {.field_manager = api::kFieldManager}, "status")
      .status();
}

void WriteEvents(kube::Client& client, const Json& dsd,
                 const std::vector<decide::EventPlan>& events, absl::Time now) {
  for (size_t i = 0; i < events.size(); ++i) {
    const Json object = EventObject(dsd, events[i], now, i);
    const absl::Status status =
        client
            .Create(kube::resources::kEvent, TextAt(dsd, "/metadata/namespace"), object,
                    api::kFieldManager)
            .status();
    if (!status.ok()) {
      log::Warn("event not written", {{"namespace", TextAt(dsd, "/metadata/namespace")},
                                      {"name", TextAt(dsd, "/metadata/name")},
                                      {"reason", events[i].reason},
                                      {"error", status.ToString()}});
    }
  }
}

}  // namespace deepseek::reconcile
