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
                subresource.empty() ? "" : " ", subresource, dry_run ? " (dry run)" : "");
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
    if (call->verb == "create") {
      const Json body = Json::parse(request.body, nullptr, /*allow_exceptions=*/false);
      if (body.is_object()) call->name = body.value("/metadata/name"_json_pointer, "");
    }
    calls_.push_back(*call);
    before = before_;
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
    const std::lock_guard lock(mutex_);
    response = Serve(request, target);
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

absl::StatusOr<HttpResponse> FakeApiServer::Stream(
    const HttpRequest& request, const std::function<bool(std::string_view line)>& on_line,
    const std::function<bool()>& stop) {
  Target target;
  FakeCall call;
  if (auto fault = Begin(request, &target, &call)) return *std::move(fault);
  const std::string labels = target.path.Query("labelSelector");
  const std::string fields = target.path.Query("fieldSelector");
  const auto matches = [&](const StoredObject& object) {
    return object != nullptr && MatchesLabels(*object, labels) && MatchesFields(*object, fields) &&
           (target.path.ns.empty() ||
            object->value("/metadata/namespace"_json_pointer, "") == target.path.ns);
  };

  std::unique_lock lock(mutex_);
  int64_t seen = 0;
  if (!absl::SimpleAtoi(target.path.Query("resourceVersion"), &seen)) seen = store_.version();
  const int epoch = watch_epoch_;
  while (!stop()) {
    if (crashed_) return Dead();
    if (epoch != watch_epoch_) return HttpResponse{.code = 200, .headers = {}, .body = ""};
    if (seen < store_.compacted()) {
      const Json expired{{"type", "ERROR"},
                         {"object", Json::parse(Refusal(410, "Expired",
                                                        StrCat("too old resource version: ", seen,
                                                               " (", store_.compacted(), ")"))
                                                    .body)}};
      lock.unlock();
      on_line(expired.dump());
      return HttpResponse{.code = 200, .headers = {}, .body = ""};
    }
    std::vector<std::string> lines;
    bool ends = false;
    for (const StoredEvent& event : store_.log()) {
      if (event.version <= seen) continue;
      seen = event.version;
      if (event.collection != target.collection) continue;
      const bool is = matches(event.object), was = matches(event.previous);
      // To a watcher with a selector, an object that stops to match is deleted, one that begins to
      // is added.
      std::string type = event.type;
      if (type == "MODIFIED" && is != was) type = is ? "ADDED" : "DELETED";
      if (!is && !(was && type == "DELETED")) continue;
      const EventFate fate =
          fate_ ? fate_(++event_count_, event) : (++event_count_, EventFate::kDeliver);
      if (fate == EventFate::kEndStream) {
        ends = true;  // after what came before it
        break;
      }
      if (fate == EventFate::kDrop) continue;
      lines.push_back(Json{{"type", type}, {"object", *event.object}}.dump());
    }
    if (lines.empty() && !ends) {
      // stop() has no way to wake us.
      changed_.wait_for(lock, std::chrono::milliseconds(10));
      continue;
    }
    lock.unlock();
    for (const std::string& line : lines) {
      if (!on_line(line)) return HttpResponse{.code = 200, .headers = {}, .body = ""};
    }
    if (ends) return HttpResponse{.code = 200, .headers = {}, .body = ""};
    lock.lock();
  }
  return HttpResponse{.code = 200, .headers = {}, .body = ""};
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

void FakeApiServer::ServeStaleLists(FakeObjectStore::Collections then, int count) {
  const std::lock_guard lock(mutex_);
  stale_ = std::move(then);
  stale_lists_ = count;
}

FakeObjectStore::Collections FakeApiServer::Snapshot() const {
  const std::lock_guard lock(mutex_);
  return store_.collections();
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
