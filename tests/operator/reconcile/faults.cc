#include "tests/operator/reconcile/faults.h"

#include <algorithm>
#include <cstdlib>
#include <set>

#include "base/strings.h"

namespace deepseek::reconcile {
namespace {

using kube::EventFate;
using kube::FakeApiServer;
using kube::FakeCall;
using kube::HttpResponse;
using kube::StoredEvent;
using Answer = std::optional<absl::StatusOr<HttpResponse>>;

bool IsList(const FakeCall& call) {
  return call.verb == "list" || call.initial_events;
}

HttpResponse Refusal(std::string_view answer) {
  if (answer == "429") {
    HttpResponse response = FakeApiServer::Refusal(429, "TooManyRequests", "slow down");
    response.headers["retry-after"] = "1";
    return response;
  }
  if (answer == "409") return FakeApiServer::Refusal(409, "Conflict", "the object was modified");
  if (answer == "500") return FakeApiServer::Refusal(500, "InternalError", "etcd has no leader");
  return FakeApiServer::Refusal(503, "ServiceUnavailable", "shutting down");
}

void FailCall(const Fault& fault, Harness* h, std::shared_ptr<bool> happened) {
  auto count = std::make_shared<int>(0);
  const std::string answer = fault.answer;
  const int point = fault.point;
  if (answer == "lost") {
    h->server->set_after([=](const FakeCall& call, const HttpResponse&) -> Answer {
      if (call.verb == "watch" || ++*count != point) return std::nullopt;
      *happened = true;
      return absl::DeadlineExceededError("no answer within the deadline");
    });
    return;
  }
  h->server->set_before([=](const FakeCall& call) -> Answer {
    if (call.verb == "watch" || ++*count != point) return std::nullopt;
    *happened = true;
    if (answer == "timeout") return absl::DeadlineExceededError("no answer within the deadline");
    return Refusal(answer);
  });
}

void DisturbEvents(const Fault& fault, Harness* h, std::shared_ptr<bool> happened) {
  // Events are numbered by the fake from the start of the world.
  auto seen = std::make_shared<std::set<int64_t>>();
  auto hit = std::make_shared<int64_t>(0);
  auto held = std::make_shared<int>(0);
  kube::FakeApiServer* server = h->server.get();
  h->server->set_event_fate([=](int, const StoredEvent& event) {
    if (seen->insert(event.version).second && static_cast<int>(seen->size()) == fault.point) {
      *hit = event.version;
      *happened = true;
    }
    if (event.version != *hit) return EventFate::kDeliver;
    if (fault.kind == Fault::Kind::kDropEvent) return EventFate::kDrop;
    return (*held)++ < fault.rounds ? EventFate::kEndStream : EventFate::kDeliver;
  });
  if (fault.kind != Fault::Kind::kCutWatchAndCompact) return;
  // The watch that follows the cut finds its version forgotten.
  h->server->set_before([=](const FakeCall& call) -> Answer {
    if (*held == 1 && call.verb == "watch") {
      ++*held;
      server->Compact();
    }
    return std::nullopt;
  });
}

}  // namespace

int FaultShare() {
  const char* share = std::getenv("DEEPSEEK_FAULT_SHARE");
  return share == nullptr ? 1 : std::max(1, std::atoi(share));
}

const std::vector<const char*>& Answers() {
  static const auto* const answers =
      new std::vector<const char*>{"429", "409", "500", "503", "timeout", "lost"};
  return *answers;
}

std::string Fault::ToString() const {
  switch (kind) {
    case Kind::kCrashAfterWrite:
      return StrCat("crash after write ", point);
    case Kind::kCrashThenStaleLists:
      return StrCat("crash after write ", point, ", then stale lists");
    case Kind::kDropEvent:
      return StrCat("event ", point, " lost");
    case Kind::kDelayEvent:
      return StrCat("event ", point, " delayed by ", rounds, " rounds");
    case Kind::kCutWatchAndCompact:
      return StrCat("watch cut before event ", point, ", then 410");
    case Kind::kStaleList:
      return StrCat("list ", point, " stale");
    case Kind::kFailCall:
      return StrCat("call ", point, " answered with ", answer);
  }
  return "";
}

PointCounter::PointCounter(Harness* h) {
  h->server->set_before([points = points_](const FakeCall& call) -> Answer {
    if (call.verb != "watch") ++points->calls;
    if (call.write_number > 0) ++points->writes;
    if (IsList(call)) ++points->lists;
    return std::nullopt;
  });
  auto seen = std::make_shared<std::set<int64_t>>();
  h->server->set_event_fate([points = points_, seen](int, const StoredEvent& event) {
    seen->insert(event.version);
    points->events = static_cast<int>(seen->size());
    return EventFate::kDeliver;
  });
}

void Inject(const Fault& fault, Harness* h, std::shared_ptr<bool> happened) {
  using Kind = Fault::Kind;
  const auto then = std::make_shared<const kube::FakeObjectStore::State>(h->server->Snapshot());
  switch (fault.kind) {
    case Kind::kCrashAfterWrite:
    case Kind::kCrashThenStaleLists:
      h->server->CrashAfterWrite(h->Writes() + fault.point);
      // The successor is known by its first lists.
      h->server->set_list_state(
          [=](const FakeCall& call) -> std::shared_ptr<const kube::FakeObjectStore::State> {
            if (call.initial_events) *happened = true;
            return fault.kind == Kind::kCrashThenStaleLists && call.initial_events ? then : nullptr;
          });
      return;
    case Kind::kDropEvent:
    case Kind::kDelayEvent:
    case Kind::kCutWatchAndCompact:
      DisturbEvents(fault, h, std::move(happened));
      return;
    case Kind::kStaleList: {
      auto count = std::make_shared<int>(0);
      h->server->set_list_state(
          [=](const FakeCall&) -> std::shared_ptr<const kube::FakeObjectStore::State> {
            if (++*count != fault.point) return nullptr;
            *happened = true;
            return then;
          });
      return;
    }
    case Kind::kFailCall:
      FailCall(fault, h, std::move(happened));
      return;
  }
}

}  // namespace deepseek::reconcile
