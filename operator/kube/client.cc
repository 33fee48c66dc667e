#include "operator/kube/client.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "base/json_full.h"
#include "base/log.h"
#include "base/status.h"
#include "base/strings.h"
#include "operator/kube/api_error.h"

namespace deepseek::kube {
namespace {

// The server ends a watch after this time; we then go on from the last resource version. Short
// enough that a broken server-side watch cannot stay silent for long.
constexpr absl::Duration kWatchLength = absl::Minutes(5);

std::string Name(std::string_view verb, const Resource& r, std::string_view ns,
                 std::string_view name, std::string_view subresource = "") {
  return StrCat(verb, " ", r.plural, subresource.empty() ? "" : "/", subresource, " ", ns,
                ns.empty() ? "" : "/", name);
}

Object Clean(Json object, const Resource* r = nullptr) {
  if (object.is_object()) {
    if (r != nullptr) {  // items of a list come without their kind
      object["apiVersion"] = r->ApiVersion();
      object["kind"] = r->kind;
    }
    if (const auto meta = object.find("metadata"); meta != object.end() && meta->is_object()) {
      meta->erase("managedFields");
    }
  }
  return std::make_shared<const Json>(std::move(object));
}

std::string StringAt(const Json& object, const char* pointer) {
  const Json::json_pointer at(pointer);
  return object.contains(at) && object.at(at).is_string() ? object.at(at).get<std::string>() : "";
}

// In the order of WatchEventType.
constexpr std::string_view kEventTypes[] = {"ADDED", "MODIFIED", "DELETED", "BOOKMARK"};

bool IsKnown(std::string_view line, const IsKnownEvent& is_known) {
  if (!is_known) return false;
  const std::optional<EventHead> head = PeekEvent(line);
  return head && (head->type == "ADDED" || head->type == "MODIFIED") && is_known(*head);
}

bool HasInitialEventsEnd(const Json& bookmark) {
  const Json::json_pointer at("/metadata/annotations/k8s.io~1initial-events-end");
  return bookmark.contains(at) && bookmark.at(at) == "true";
}

// The managedFields of `object` without the Update entry of `manager`; null when there is none.
Json WithoutUpdateEntry(const Json& object, std::string_view manager,
                        std::string_view subresource) {
  const Json::json_pointer at("/metadata/managedFields");
  if (!object.contains(at) || !object.at(at).is_array()) return nullptr;
  Json kept = Json::array();
  for (const Json& entry : object.at(at)) {
    if (StringAt(entry, "/manager") == manager && StringAt(entry, "/operation") == "Update" &&
        StringAt(entry, "/subresource") == subresource) {
      continue;
    }
    kept.push_back(entry);
  }
  return kept.size() == object.at(at).size() ? Json(nullptr) : kept;
}

}  // namespace

Client::Client(std::shared_ptr<Transport> transport, absl::Duration timeout)
    : transport_(std::move(transport)), timeout_(timeout) {}

absl::StatusOr<HttpResponse> Client::Ask(std::string_view method, std::string path,
                                         std::string body, std::string_view content_type,
                                         std::string_view what) {
  HttpRequest request{.method = std::string(method),
                      .path = std::move(path),
                      .headers = {{"Accept", "application/json"}},
                      .body = std::move(body),
                      .timeout = timeout_};
  if (!content_type.empty()) request.headers["Content-Type"] = std::string(content_type);
  absl::StatusOr<HttpResponse> response = transport_->Send(request);
  if (!response.ok()) {
    return absl::Status(response.status().code(),
                        StrCat(what, ": ", ToStd(response.status().message())));
  }
  RETURN_IF_ERROR(ErrorOf(*response, what));
  return response;
}

absl::StatusOr<Json> Client::Call(std::string_view method, std::string path, std::string body,
                                  std::string_view content_type, std::string_view what,
                                  ManagedFields managed_fields) {
  ASSIGN_OR_RETURN(const HttpResponse response,
                   Ask(method, std::move(path), std::move(body), content_type, what));
  return ReadObject(response.body, what, managed_fields);
}

absl::StatusOr<Object> Client::Get(const Resource& r, std::string_view ns, std::string_view name) {
  ASSIGN_OR_RETURN(Json object,
                   Call("GET", ObjectPath(r, ns, name), "", "", Name("get", r, ns, name)));
  return Clean(std::move(object));
}

absl::StatusOr<List> Client::ListAll(const Resource& r, const ListOptions& options) {
  List list;
  std::string token;
  bool paged = options.page_size > 0;
  while (true) {
    std::string path = CollectionPath(r, options.ns);
    AddQuery(&path, "labelSelector", options.label_selector);
    AddQuery(&path, "fieldSelector", options.field_selector);
    if (paged) AddQuery(&path, "limit", StrCat(options.page_size));
    AddQuery(&path, "continue", token);
    absl::StatusOr<Json> page = Call("GET", path, "", "", Name("list", r, options.ns, ""));
    if (absl::IsOutOfRange(page.status()) && !token.empty()) {
      // The pages' snapshot was compacted away meanwhile: one read without pages is always
      // consistent.
      list.items.clear();
      token.clear();
      paged = false;
      continue;
    }
    if (!page.ok()) return page.status();
    if (!page->is_object() || !(*page)["items"].is_array()) {
      // A nil slice of Go arrives as null.
      if (!page->is_object() || !(*page)["items"].is_null()) {
        return absl::InternalError(StrCat(Name("list", r, options.ns, ""), ": no list of items"));
      }
      (*page)["items"] = Json::array();
    }
    for (Json& item : (*page)["items"]) list.items.push_back(Clean(std::move(item), &r));
    list.resource_version = StringAt(*page, "/metadata/resourceVersion");
    token = StringAt(*page, "/metadata/continue");
    if (token.empty()) return list;
  }
}

absl::StatusOr<Object> Client::Create(const Resource& r, std::string_view ns, const Json& object,
                                      std::string_view field_manager) {
  std::string path = CollectionPath(r, ns);
  AddQuery(&path, "fieldManager", field_manager);
  ASSIGN_OR_RETURN(Json created, Call("POST", path, DumpJson(object), "application/json",
                                      Name("create", r, ns, StringAt(object, "/metadata/name"))));
  return Clean(std::move(created));
}

absl::Status Client::CreateUnread(const Resource& r, std::string_view ns, const Json& object,
                                  std::string_view field_manager) {
  std::string path = CollectionPath(r, ns);
  AddQuery(&path, "fieldManager", field_manager);
  return Ask("POST", std::move(path), DumpJson(object), "application/json",
             Name("create", r, ns, StringAt(object, "/metadata/name")))
      .status();
}

absl::Status Client::TryCreate(const Resource& r, std::string_view ns, const Json& object,
                               std::string_view field_manager) {
  std::string path = CollectionPath(r, ns);
  AddQuery(&path, "fieldManager", field_manager);
  AddQuery(&path, "dryRun", "All");
  AddQuery(&path, "fieldValidation", "Strict");
  return Ask("POST", std::move(path), DumpJson(object), "application/json",
             Name("try to create", r, ns, StringAt(object, "/metadata/name")))
      .status();
}

absl::StatusOr<Object> Client::Update(const Resource& r, std::string_view ns, std::string_view name,
                                      const Json& object, std::string_view field_manager,
                                      std::string_view subresource) {
  std::string path = ObjectPath(r, ns, name, subresource);
  AddQuery(&path, "fieldManager", field_manager);
  ASSIGN_OR_RETURN(Json updated, Call("PUT", path, DumpJson(object), "application/json",
                                      Name("update", r, ns, name, subresource)));
  return Clean(std::move(updated));
}

absl::StatusOr<Object> Client::Apply(const Resource& r, std::string_view ns, std::string_view name,
                                     const Json& object, const ApplyOptions& options,
                                     std::string_view subresource) {
  std::string path = ObjectPath(r, ns, name, subresource);
  AddQuery(&path, "fieldManager", options.field_manager);
  AddQuery(&path, "force", options.force ? "true" : "false");
  if (options.dry_run) AddQuery(&path, "dryRun", "All");
  const bool folds = !options.dry_run && subresource.empty();
  // JSON is YAML, so the body needs no other form.
  ASSIGN_OR_RETURN(Json applied,
                   Call("PATCH", path, DumpJson(object), "application/apply-patch+yaml",
                        Name("apply", r, ns, name, subresource),
                        folds ? ManagedFields::kKeep : ManagedFields::kSkip));
  if (folds) {
    Json kept = WithoutUpdateEntry(applied, options.field_manager, subresource);
    if (!kept.is_null()) {
      const Json patch{{"metadata",
                        {{"resourceVersion", StringAt(applied, "/metadata/resourceVersion")},
                         {"managedFields", std::move(kept)}}}};
      absl::StatusOr<Object> folded = MergePatch(r, ns, name, patch, options.field_manager);
      if (folded.ok()) return folded;
      // Somebody was faster, or it is gone: the next apply folds again. Anything else is the
      // caller's to know.
      if (!absl::IsAborted(folded.status()) && !absl::IsNotFound(folded.status())) {
        return folded.status();
      }
    }
  }
  return Clean(std::move(applied));
}

absl::StatusOr<Object> Client::MergePatch(const Resource& r, std::string_view ns,
                                          std::string_view name, const Json& patch,
                                          std::string_view field_manager,
                                          std::string_view subresource) {
  std::string path = ObjectPath(r, ns, name, subresource);
  AddQuery(&path, "fieldManager", field_manager);
  ASSIGN_OR_RETURN(Json patched,
                   Call("PATCH", path, DumpJson(patch), "application/merge-patch+json",
                        Name("patch", r, ns, name, subresource)));
  return Clean(std::move(patched));
}

absl::Status Client::Delete(const Resource& r, std::string_view ns, std::string_view name,
                            std::string_view uid, std::string_view resource_version,
                            Object* deleting) {
  Json body{{"apiVersion", "v1"}, {"kind", "DeleteOptions"}, {"propagationPolicy", "Background"}};
  if (!uid.empty()) body["preconditions"]["uid"] = uid;
  if (!resource_version.empty()) body["preconditions"]["resourceVersion"] = resource_version;
  ASSIGN_OR_RETURN(Json answer, Call("DELETE", ObjectPath(r, ns, name), DumpJson(body),
                                     "application/json", Name("delete", r, ns, name)));
  if (deleting != nullptr) {
    // What is gone at once is answered with a Status, or by some kinds with the object's last
    // state.
    const bool stays = !StringAt(answer, "/metadata/deletionTimestamp").empty();
    *deleting = stays ? Clean(std::move(answer)) : nullptr;
  }
  return absl::OkStatus();
}

absl::Status Client::FollowEvents(std::string path, std::string_view what,
                                  const std::function<void(const WatchEvent&)>& on_event,
                                  const std::function<bool()>& stop, const IsKnownEvent& is_known) {
  HttpRequest request{.method = "GET",
                      .path = std::move(path),
                      .headers = {{"Accept", "application/json"}},
                      .body = "",
                      .timeout = kWatchLength + timeout_};
  AddQuery(&request.path, "watch", "true");
  AddQuery(&request.path, "allowWatchBookmarks", "true");
  AddQuery(&request.path, "timeoutSeconds", StrCat(absl::ToInt64Seconds(kWatchLength)));
  absl::Status broken;
  const auto on_line = [&](std::string_view line) {
    if (line.empty() || IsKnown(line, is_known)) return true;
    absl::StatusOr<Json> event = ReadObject(line, what);
    if (!event.ok()) {
      broken = absl::UnavailableError(ToAbsl(ToStd(event.status().message())));
      return false;
    }
    const std::string type = StringAt(*event, "/type");
    Json object = event->is_object() ? std::move((*event)["object"]) : Json();
    if (type == "ERROR") {
      broken = ErrorOf(object, 500, what);
      return false;
    }
    const auto* known = std::find(std::begin(kEventTypes), std::end(kEventTypes), type);
    if (known == std::end(kEventTypes)) {
      broken = absl::UnavailableError(StrCat(what, ": unknown event type '", type, "'"));
      return false;
    }
    const auto kind = static_cast<WatchEventType>(known - std::begin(kEventTypes));
    const bool end = kind == WatchEventType::kBookmark && HasInitialEventsEnd(object);
    on_event({.type = kind, .object = Clean(std::move(object)), .initial_events_end = end});
    return true;
  };
  absl::StatusOr<HttpResponse> response = transport_->Stream(request, on_line, stop);
  RETURN_IF_ERROR(broken);
  if (!response.ok()) {
    return absl::Status(response.status().code(),
                        StrCat(what, ": ", ToStd(response.status().message())));
  }
  return ErrorOf(*response, what);
}

absl::Status Client::Watch(const Resource& r, const ListOptions& options,
                           std::string_view resource_version,
                           const std::function<void(const WatchEvent&)>& on_event,
                           const std::function<bool()>& stop, const IsKnownEvent& is_known) {
  std::string path = CollectionPath(r, options.ns);
  AddQuery(&path, "resourceVersion", resource_version);
  AddQuery(&path, "labelSelector", options.label_selector);
  AddQuery(&path, "fieldSelector", options.field_selector);
  return FollowEvents(std::move(path), Name("watch", r, options.ns, ""), on_event, stop, is_known);
}

absl::Status Client::WatchList(const Resource& r, const ListOptions& options,
                               const std::function<void(const WatchEvent&)>& on_event,
                               const std::function<bool()>& stop, const IsKnownEvent& is_known) {
  std::string path = CollectionPath(r, options.ns);
  // Without a resource version it is the newest state, as of a list.
  AddQuery(&path, "sendInitialEvents", "true");
  AddQuery(&path, "resourceVersionMatch", "NotOlderThan");
  AddQuery(&path, "labelSelector", options.label_selector);
  AddQuery(&path, "fieldSelector", options.field_selector);
  return FollowEvents(std::move(path), Name("stream", r, options.ns, ""), on_event, stop, is_known);
}

absl::StatusOr<Json> Client::GetRaw(std::string_view path) {
  return Call("GET", std::string(path), "", "", StrCat("get ", path), ManagedFields::kKeep);
}

}  // namespace deepseek::kube
