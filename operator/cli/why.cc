#include "operator/cli/why.h"

#include <algorithm>

#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"
#include "operator/api/names.h"
#include "operator/decide/json_read.h"

namespace deepseek::cli {
namespace {

using decide::TextAt;

constexpr size_t kMost = 20;

absl::Time TimeOf(const Json& event) {
  for (const char* field : {"/series/lastObservedTime", "/eventTime", "/deprecatedLastTimestamp"}) {
    if (const auto time = decide::TimeAt(event, field)) return *time;
  }
  return decide::TimeAt(event, "/metadata/creationTimestamp").value_or(absl::InfinitePast());
}

std::string Clock(absl::Time time) {
  return time == absl::InfinitePast()
             ? "?"
             : absl::FormatTime("%Y-%m-%d %H:%M:%S", time, absl::UTCTimeZone());
}

// The operator puts its figures behind the words: "from 0 to 1 replicas [replicas 3, ...]".
void SplitInputs(Told* told) {
  const size_t open = told->message.rfind(" [");
  if (open == std::string::npos || !told->message.ends_with(']')) return;
  told->inputs = told->message.substr(open + 2, told->message.size() - open - 3);
  told->message.resize(open);
}

}  // namespace

std::vector<Told> DecisionsOf(const std::vector<kube::Object>& events, const std::string& uid,
                              size_t most) {
  std::vector<Told> out;
  for (const kube::Object& event : events) {
    if (TextAt(*event, "/regarding/uid") != uid ||
        TextAt(*event, "/reportingController") != api::kFieldManager)
      continue;
    Told told{TimeOf(*event),
              TextAt(*event, "/action"),
              TextAt(*event, "/reason"),
              TextAt(*event, "/note"),
              "",
              TextAt(*event, "/type") == "Warning"};
    SplitInputs(&told);
    out.push_back(std::move(told));
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const Told& a, const Told& b) { return a.at < b.at; });
  if (out.size() > most) out.erase(out.begin(), out.end() - static_cast<std::ptrdiff_t>(most));
  return out;
}

absl::Status Why(Session& session, const std::string& name) {
  ASSIGN_OR_RETURN(const kube::Object dsd,
                   session.client().Get(kube::resources::kDeepSeekDeployment, session.ns, name));
  const absl::StatusOr<kube::List> events = session.client().ListAll(
      kube::resources::kEvent, {.ns = session.ns, .label_selector = "", .field_selector = ""});
  const bool denied = absl::IsPermissionDenied(events.status());
  if (!events.ok() && !denied) return events.status();
  const std::vector<Told> decisions =
      events.ok() ? DecisionsOf(events->items, TextAt(*dsd, "/metadata/uid"), kMost)
                  : std::vector<Told>();
  const Json* conditions = decide::Find(*dsd, "/status/conditions");
  if (session.json) {
    Json list = Json::array();
    for (const Told& told : decisions) {
      list.push_back({{"at", Clock(told.at)},
                      {"action", told.action},
                      {"reason", told.reason},
                      {"message", told.message},
                      {"inputs", told.inputs},
                      {"warning", told.warning}});
    }
    session.out << PrettyJson({{"name", name},
                               {"conditions", conditions == nullptr ? Json::array() : *conditions},
                               {"eventsDenied", denied},
                               {"decisions", list}})
                << "\n";
    return absl::OkStatus();
  }
  if (conditions == nullptr || !conditions->is_array()) {
    session.out << "no operator has looked at it yet (does one run and watch namespace "
                << session.ns << "?)\n";
  } else {
    for (const Json& c : *conditions) {
      session.out << TextAt(c, "/type") << "=" << TextAt(c, "/status") << "  "
                  << TextAt(c, "/reason");
      if (!TextAt(c, "/message").empty()) session.out << "  " << TextAt(c, "/message");
      session.out << "\n";
    }
  }
  for (const Told& told : decisions) {
    const std::string reason = told.warning ? session.style.Bad(told.reason) : told.reason;
    session.out << Clock(told.at) << "  " << told.action << "  " << reason << "  " << told.message
                << "\n";
    if (!told.inputs.empty()) session.out << "    " << session.style.Dim(told.inputs) << "\n";
  }
  if (denied) {
    session.out << "decisions are not shown: " << std::string(ToStd(events.status().message()))
                << " (they need get, list and watch of events in events.k8s.io)\n";
  } else if (decisions.empty()) {
    session.out << "no decision is recorded any more (Events live an hour as a rule)\n";
  }
  return absl::OkStatus();
}

}  // namespace deepseek::cli
