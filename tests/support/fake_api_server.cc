#include "tests/support/fake_api_server.h"

#include <algorithm>
#include <chrono>

#include "absl/strings/numbers.h"
#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"
#include "tests/support/fake_api_server_target.h"

namespace deepseek::kube {
namespace {

std::string VerbOf(const HttpRequest& request, const FakeRequestPath& path) {
  if (request.method == "GET") {
    if (path.Query("watch") == "true" || path.Query("watch") == "1") return "watch";
    return path.name.empty() ? "list" : "get";
  }
  if (request.method == "POST") return "create";
  if (request.method == "PUT") return "update";
  if (request.method == "DELETE") return "delete";
  const auto type = request.headers.find("Content-Type");
  return type != request.headers.end() && type->second == "application/apply-patch+yaml" ? "apply"
                                                                                         : "patch";
}

std::string CollectionOf(const Resource& r) {
  return StrCat(r.group, "/", r.plural);
}

absl::Status Dead() {
  return absl::UnavailableError("connection refused (the process died)");
}

}  // namespace

std::string FakeCall::ToString() const {
  return StrCat(verb, " ", collection, " ", ns, name.empty() ? "" : "/", name,
                subresource.empty() ? "" : " ", subresource, dry_run ? " (dry run)" : "",
                initial_events ? " (initial events)" : "");
}

FakeApiServer::FakeApiServer() = default;

HttpResponse FakeApiServer::Refusal(int code, std::string_view reason, std::string_view message) {
  const Json status{{"kind", "Status"},    {"apiVersion", "v1"}, {"metadata", Json::object()},
                    {"status", "Failure"}, {"reason", reason},   {"message", message},
                    {"code", code}};
  return {.code = code, .headers = {{"content-type", "application/json"}}, .body = status.dump()};
}

absl::StatusOr<FakeApiServer::Target> FakeApiServer::TargetOf(const HttpRequest& request) {
  ASSIGN_OR_RETURN(FakeRequestPath path, ParseRequestPath(request.path));
  Target target;
  target.verb = VerbOf(request, path);
  target.collection = path.Collection();
  target.key = StrCat(path.ns, "/", path.name);
  target.path = std::move(path);
  return target;
}

std::optional<absl::StatusOr<HttpResponse>> FakeApiServer::Begin(const HttpRequest& request,
                                                                 Target* target, FakeCall* call) {
  absl::StatusOr<Target> parsed = TargetOf(request);
  if (!parsed.ok()) return Refusal(404, "NotFound", ToStd(parsed.status().message()));
  *target = *std::move(parsed);

  std::function<std::optional<absl::StatusOr<HttpResponse>>(const FakeCall&)> before;
  {
    const std::lock_guard lock(mutex_);
    if (crashed_) return Dead();
    const bool reads = target->verb == "get" || target->verb == "list" || target->verb == "watch";
    call->number = ++call_count_;
    call->write_number = reads ? 0 : ++write_count_;
    call->verb = target->verb;
    call->collection = target->collection;
    call->ns = target->path.ns;
    call->name = target->path.name;
    call->subresource = target->path.subresource;
    call->dry_run = !target->path.Query("dryRun").empty();
    call->initial_events = target->path.Query("sendInitialEvents") == "true";
    if (call->verb == "create") {
      const Json body = Json::parse(request.body, nullptr, /*allow_exceptions=*/false);
      if (body.is_object()) call->name = body.value("/metadata/name"_json_pointer, "");
    }
    calls_.push_back(*call);
    before = before_;
    target->epoch = watch_epoch_;
    if (unserved_.contains(call->collection)) {
      return HttpResponse{.code = 404,
                          .headers = {{"content-type", "text/plain; charset=utf-8"}},
                          .body = "404 page not found\n"};
    }
  }
  return before ? before(*call) : std::nullopt;
}

absl::StatusOr<HttpResponse> FakeApiServer::Send(const HttpRequest& request) {
  Target target;
  FakeCall call;
  if (auto fault = Begin(request, &target, &call)) return *std::move(fault);
  HttpResponse response;
  std::function<std::optional<absl::StatusOr<HttpResponse>>(const FakeCall&, const HttpResponse&)>
      after;
  {
    const auto stale = StateFor(call);
    const std::lock_guard lock(mutex_);
    response = Serve(request, target, stale.get());
    if (crash_after_ != 0 && call.write_number == crash_after_) {
      crashed_ = true;
      changed_.notify_all();
      return Dead();
    }
    after = after_;
  }
  changed_.notify_all();
  if (after) {
    if (auto fault = after(call, response)) return *std::move(fault);
  }
  return response;
}

HttpResponse FakeApiServer::SendAsController(const HttpRequest& request) {
  const absl::StatusOr<Target> target = TargetOf(request);
  if (!target.ok()) return Refusal(404, "NotFound", ToStd(target.status().message()));
  const std::lock_guard lock(mutex_);
  HttpResponse response = Serve(request, *target);
  changed_.notify_all();
  return response;
}

std::shared_ptr<const FakeObjectStore::State> FakeApiServer::StateFor(const FakeCall& call) {
  if (call.verb != "list" && !call.initial_events) return nullptr;
  std::function<std::shared_ptr<const FakeObjectStore::State>(const FakeCall&)> list_state;
  {
    const std::lock_guard lock(mutex_);
    list_state = list_state_;
  }
  return list_state ? list_state(call) : nullptr;
}

absl::StatusOr<HttpResponse> FakeApiServer::Stream(
    const HttpRequest& request, const std::function<bool(std::string_view line)>& on_line,
    const std::function<bool()>& stop) {
  Target target;
  FakeCall call;
  if (auto fault = Begin(request, &target, &call)) return *std::move(fault);
  const HttpResponse done{.code = 200, .headers = {}, .body = ""};
  const auto stale = StateFor(call);

  std::unique_lock lock(mutex_);
  std::vector<std::string> lines;
  int64_t seen = 0;
  if (call.initial_events) {
    if (!watch_list_) {
      return Refusal(
          422, "Invalid",
          "ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: "
          "sendInitialEvents is forbidden for watch unless the WatchList feature gate is "
          "enabled");
    }
    const FakeObjectStore::State state = stale != nullptr ? *stale : store_.state();
    lines = InitialEvents(target, state);
    seen = state.version;
  } else if (!absl::SimpleAtoi(target.path.Query("resourceVersion"), &seen)) {
    seen = store_.version();
  }
  while (!stop()) {
    if (crashed_) return Dead();
    if (target.epoch != watch_epoch_) return done;
    bool goes_on = true;
    if (lines.empty() && seen < store_.compacted()) {
      const Json expired{{"type", "ERROR"},
                         {"object", Json::parse(Refusal(410, "Expired",
                                                        StrCat("too old resource version: ", seen,
                                                               " (", store_.compacted(), ")"))
                                                    .body)}};
      lines.push_back(expired.dump());
      goes_on = false;
    }
    if (goes_on) goes_on = DueEvents(target, &seen, &lines);
    if (lines.empty() && goes_on) {
      if (stop()) return done;
      // stop() has no way to wake us.
      changed_.wait_for(lock, std::chrono::milliseconds(10));
      continue;
    }
    lock.unlock();
    for (const std::string& line : lines) {
      if (!on_line(line)) return done;
    }
    if (!goes_on) return done;
    lines.clear();
    lock.lock();
  }
  return done;
}

void FakeApiServer::set_before(
    std::function<std::optional<absl::StatusOr<HttpResponse>>(const FakeCall&)> before) {
  const std::lock_guard lock(mutex_);
  before_ = std::move(before);
}

void FakeApiServer::set_after(
    std::function<std::optional<absl::StatusOr<HttpResponse>>(const FakeCall&, const HttpResponse&)>
        after) {
  const std::lock_guard lock(mutex_);
  after_ = std::move(after);
}

void FakeApiServer::set_event_fate(std::function<EventFate(int, const StoredEvent&)> fate) {
  const std::lock_guard lock(mutex_);
  fate_ = std::move(fate);
}

void FakeApiServer::CrashAfterWrite(int n) {
  const std::lock_guard lock(mutex_);
  crash_after_ = n;
}

bool FakeApiServer::crashed() const {
  const std::lock_guard lock(mutex_);
  return crashed_;
}

void FakeApiServer::Restart() {
  const std::lock_guard lock(mutex_);
  crashed_ = false;
  crash_after_ = 0;
}

void FakeApiServer::set_list_state(
    std::function<std::shared_ptr<const FakeObjectStore::State>(const FakeCall&)> state) {
  const std::lock_guard lock(mutex_);
  list_state_ = std::move(state);
}

FakeObjectStore::State FakeApiServer::Snapshot() const {
  const std::lock_guard lock(mutex_);
  return store_.state();
}

void FakeApiServer::set_served(const std::string& collection, bool served) {
  const std::lock_guard lock(mutex_);
  if (served) {
    unserved_.erase(collection);
  } else {
    unserved_.insert(collection);
  }
}

void FakeApiServer::set_watch_list(bool offered) {
  const std::lock_guard lock(mutex_);
  watch_list_ = offered;
}

void FakeApiServer::set_clock(std::function<absl::Time()> clock) {
  const std::lock_guard lock(mutex_);
  store_.set_clock(std::move(clock));
}

void FakeApiServer::set_admission(
    std::function<std::string(const Json& object, const Json* old)> admission) {
  const std::lock_guard lock(mutex_);
  admission_ = std::move(admission);
}

void FakeApiServer::Compact() {
  const std::lock_guard lock(mutex_);
  store_.Compact();
  pages_.clear();
  changed_.notify_all();
}

void FakeApiServer::CutWatches() {
  const std::lock_guard lock(mutex_);
  ++watch_epoch_;
  changed_.notify_all();
}

void FakeApiServer::set_garbage_collection(bool at_once) {
  const std::lock_guard lock(mutex_);
  collect_at_once_ = at_once;
}

void FakeApiServer::CollectGarbage() {
  const std::lock_guard lock(mutex_);
  store_.CollectGarbage();
  changed_.notify_all();
}

StoredObject FakeApiServer::Find(const Resource& r, std::string_view ns,
                                 std::string_view name) const {
  const std::lock_guard lock(mutex_);
  return store_.Find(CollectionOf(r), StrCat(ns, "/", name));
}

std::vector<StoredObject> FakeApiServer::All(const Resource& r, std::string_view ns) const {
  const std::lock_guard lock(mutex_);
  std::vector<StoredObject> out;
  const auto objects = store_.collections().find(CollectionOf(r));
  if (objects == store_.collections().end()) return out;
  for (const auto& [key, object] : objects->second) {
    if (ns.empty() || key.starts_with(StrCat(ns, "/"))) out.push_back(object);
  }
  return out;
}

std::vector<std::string> FakeApiServer::Calls(bool reads) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> out;
  for (const FakeCall& call : calls_) {
    if (reads || call.write_number > 0) out.push_back(call.ToString());
  }
  return out;
}

void FakeApiServer::ForgetCalls() {
  const std::lock_guard lock(mutex_);
  calls_.clear();
}

size_t FakeApiServer::size() const {
  const std::lock_guard lock(mutex_);
  size_t out = 0;
  for (const auto& [collection, objects] : store_.collections()) out += objects.size();
  return out;
}

}  // namespace deepseek::kube
