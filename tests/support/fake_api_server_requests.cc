// How FakeApiServer answers: the part that a real API server does in its registry.
#include <algorithm>
#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "base/json_full.h"
#include "base/strings.h"
#include "tests/support/fake_api_server.h"
#include "tests/support/fake_api_server_target.h"
#include "tests/support/fake_apply.h"

namespace deepseek::kube {
namespace {

// Kinds whose status is a subresource: the main resource ignores `status`, and the other way round.
bool HasStatus(const std::string& collection) {
  static const std::set<std::string> kinds{"apps/deployments",
                                           "apps/replicasets",
                                           "/pods",
                                           "/services",
                                           "/nodes",
                                           "/persistentvolumeclaims",
                                           "policy/poddisruptionbudgets",
                                           "/namespaces",
                                           "serving.deepseek-operator.io/deepseekdeployments"};
  return kinds.contains(collection);
}

bool HasScale(const std::string& collection) {
  return collection == "apps/deployments" || collection == "apps/replicasets" ||
         collection == "serving.deepseek-operator.io/deepseekdeployments";
}

HttpResponse Ok(const Json& object, int code = 200) {
  return {.code = code, .headers = {{"content-type", "application/json"}}, .body = object.dump()};
}

std::string Quoted(const std::string& plural, const std::string& group, const std::string& name) {
  return StrCat(plural, group.empty() ? "" : ".", group, " \"", name, "\"");
}

// "" or why the name is none.
bool ValidName(std::string_view name) {
  if (name.empty() || name.size() > 253) return false;
  for (const char c : name) {
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.')) return false;
  }
  return name.front() != '-' && name.back() != '-' && name.front() != '.' && name.back() != '.';
}

Json ScaleOf(const Json& object) {
  const int replicas = object.value("/spec/replicas"_json_pointer, 1);
  return {{"kind", "Scale"},
          {"apiVersion", "autoscaling/v1"},
          {"metadata",
           {{"name", object["metadata"]["name"]},
            {"namespace", object["metadata"].value("namespace", "")},
            {"uid", object["metadata"]["uid"]},
            {"resourceVersion", object["metadata"]["resourceVersion"]}}},
          {"spec", replicas == 0 ? Json::object() : Json{{"replicas", replicas}}},
          {"status", {{"replicas", object.value("/status/replicas"_json_pointer, 0)}}}};
}

bool Matches(const FakeRequestPath& path, const Json& object) {
  return (path.ns.empty() || object["metadata"].value("namespace", "") == path.ns) &&
         MatchesLabels(object, path.Query("labelSelector")) &&
         MatchesFields(object, path.Query("fieldSelector"));
}

std::vector<StoredObject> Matching(const FakeRequestPath& path, const std::string& collection,
                                   const FakeObjectStore::Collections& from) {
  std::vector<StoredObject> out;
  const auto objects = from.find(collection);
  if (objects == from.end()) return out;
  for (const auto& [key, object] : objects->second) {
    if (Matches(path, *object)) out.push_back(object);
  }
  return out;
}

}  // namespace

std::vector<std::string> FakeApiServer::InitialEvents(const Target& target,
                                                      const FakeObjectStore::State& state) {
  std::vector<std::string> lines;
  for (const StoredObject& object : Matching(target.path, target.collection, state.collections)) {
    lines.push_back(Json{{"type", "ADDED"}, {"object", *object}}.dump());
  }
  lines.push_back(Json{{"type", "BOOKMARK"},
                       {"object",
                        {{"metadata",
                          {{"resourceVersion", StrCat(state.version)},
                           {"annotations", {{"k8s.io/initial-events-end", "true"}}}}}}}}
                      .dump());
  return lines;
}

bool FakeApiServer::DueEvents(const Target& target, int64_t* seen,
                              std::vector<std::string>* lines) {
  for (auto it = store_.EventsAfter(*seen); it != store_.EventsEnd(); ++it) {
    const StoredEvent& event = *it;
    if (event.collection != target.collection || lost_.contains(event.version)) {
      *seen = event.version;
      continue;
    }
    const bool is = Matches(target.path, *event.object);
    const bool was = event.previous != nullptr && Matches(target.path, *event.previous);
    if (!is && !was) {
      *seen = event.version;
      continue;
    }
    const int number =
        event_numbers_.try_emplace(event.version, static_cast<int>(event_numbers_.size()) + 1)
            .first->second;
    const EventFate fate = fate_ ? fate_(number, event) : EventFate::kDeliver;
    if (fate == EventFate::kEndStream) return false;  // after what came before it
    *seen = event.version;
    if (fate == EventFate::kDrop) {
      lost_.insert(event.version);
      continue;
    }
    // To a watcher with a selector, an object that stops to match is deleted (it sees the last
    // state that matched, under the new version), one that begins to is added.
    Json object = *event.object;
    std::string type = event.type;
    if (type == "MODIFIED" && is != was) {
      type = is ? "ADDED" : "DELETED";
      if (!is) {
        object = *event.previous;
        object["metadata"]["resourceVersion"] = StrCat(event.version);
      }
    }
    lines->push_back(Json{{"type", type}, {"object", std::move(object)}}.dump());
  }
  return true;
}

HttpResponse FakeApiServer::Serve(const HttpRequest& request, const Target& target,
                                  const FakeObjectStore::State* stale) {
  const FakeRequestPath& path = target.path;
  if (target.verb == "list") return ServeList(target, stale);
  if (target.verb == "create") return ServeCreate(request, target);
  if ((path.subresource == "status" && !HasStatus(target.collection)) ||
      (path.subresource == "scale" && !HasScale(target.collection)) ||
      (!path.subresource.empty() && path.subresource != "status" && path.subresource != "scale")) {
    return Refusal(404, "NotFound", "the server could not find the requested resource");
  }
  const StoredObject old = store_.Find(target.collection, target.key);
  if (old == nullptr && !(target.verb == "apply" && path.subresource.empty())) {
    return Refusal(404, "NotFound",
                   StrCat(Quoted(path.plural, path.group, path.name), " not found"));
  }
  if (target.verb == "get") return Ok(path.subresource == "scale" ? ScaleOf(*old) : *old);
  if (target.verb == "delete") return ServeDelete(request, target);
  return ServeWrite(request, target);
}

HttpResponse FakeApiServer::ServeList(const Target& target, const FakeObjectStore::State* stale) {
  const FakeRequestPath& path = target.path;
  const int64_t version = stale != nullptr ? stale->version : store_.version();
  std::vector<StoredObject> items;
  const std::string token = path.Query("continue");
  if (!token.empty()) {
    const auto page = pages_.find(token);
    if (page == pages_.end()) {
      return Refusal(410, "Expired",
                     "The provided continue parameter is too old to display a consistent list "
                     "result. You can start a new list without the continue parameter.");
    }
    items = page->second;
    pages_.erase(page);
  } else {
    items = Matching(path, target.collection,
                     stale != nullptr ? stale->collections : store_.collections());
  }
  Json list{{"kind", "List"},
            {"apiVersion", path.group.empty() ? path.version : path.group + "/" + path.version},
            {"metadata", {{"resourceVersion", StrCat(version)}}},
            {"items", Json::array()}};
  size_t limit = 0;
  if (!absl::SimpleAtoi(path.Query("limit"), &limit) || limit == 0) limit = items.size();
  const size_t shown = std::min(limit, items.size());
  for (size_t i = 0; i < shown; ++i) {
    Json item = *items[i];
    item.erase("apiVersion");  // as the server does for items of built-in kinds
    item.erase("kind");
    list["items"].push_back(std::move(item));
  }
  if (shown < items.size()) {
    const std::string next = StrCat("page-", call_count_);
    pages_[next] = {items.begin() + static_cast<std::ptrdiff_t>(shown), items.end()};
    list["metadata"]["continue"] = next;
    list["metadata"]["remainingItemCount"] = items.size() - shown;
  }
  return Ok(list);
}

HttpResponse FakeApiServer::ServeCreate(const HttpRequest& request, const Target& target) {
  Json object = Json::parse(request.body, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object() || !object.contains("metadata")) {
    return Refusal(400, "BadRequest", "the object provided is unrecognized");
  }
  Json& meta = object["metadata"];
  if (!meta.contains("name") && meta.contains("generateName")) {
    meta["name"] = absl::StrFormat("%s%05d", meta["generateName"].get<std::string>(), call_count_);
  }
  Target named = target;
  named.path.name = meta.value("name", "");
  if (!ValidName(named.path.name)) {
    return Refusal(422, "Invalid",
                   StrCat(object.value("kind", ""), " \"", named.path.name,
                          "\" is invalid: metadata.name: Invalid value"));
  }
  if (meta.contains("resourceVersion")) {
    return Refusal(400, "BadRequest", "resourceVersion should not be set on objects to be created");
  }
  named.key = StrCat(named.path.ns, "/", named.path.name);
  if (store_.Find(named.collection, named.key) != nullptr) {
    return Refusal(
        409, "AlreadyExists",
        StrCat(Quoted(named.path.plural, named.path.group, named.path.name), " already exists"));
  }
  if (HasStatus(named.collection)) object.erase("status");
  Ownership ownership;
  TrackUpdate(Json::object(), object, {named.path.Query("fieldManager"), "Update", ""}, &ownership);
  return Store(named, nullptr, std::move(object), std::move(ownership), 201);
}

HttpResponse FakeApiServer::ServeWrite(const HttpRequest& request, const Target& target) {
  const FakeRequestPath& path = target.path;
  const StoredObject old = store_.Find(target.collection, target.key);
  Json body = Json::parse(request.body, nullptr, /*allow_exceptions=*/false);
  if (!body.is_object()) return Refusal(400, "BadRequest", "the body is no JSON object");
  const bool apply = target.verb == "apply";
  const std::string manager = path.Query("fieldManager");
  if (apply && manager.empty()) {
    return Refusal(422, "Invalid", "fieldManager: Required value: is required for apply patch");
  }
  const std::string name = body.value("/metadata/name"_json_pointer, path.name);
  if (name != path.name || (apply && (!body.contains("kind") || !body.contains("apiVersion")))) {
    return Refusal(400, "BadRequest",
                   StrCat("name in URL does not match name in the object, or no kind: ", name));
  }

  // Preconditions.
  const std::string wanted_version = body.value("/metadata/resourceVersion"_json_pointer, "");
  const std::string wanted_uid = body.value("/metadata/uid"_json_pointer, "");
  const std::string version = old ? (*old)["metadata"]["resourceVersion"].get<std::string>() : "";
  const std::string uid = old ? (*old)["metadata"]["uid"].get<std::string>() : "";
  if (!wanted_uid.empty() && wanted_uid != uid && old != nullptr && target.verb != "update") {
    Json refusal = Json::parse(
        Refusal(422, "Invalid",
                StrCat(body.value("kind", ""), " \"", path.name,
                       "\" is invalid: metadata.uid: Invalid value: field is immutable"))
            .body);
    refusal["details"]["causes"] =
        Json::array({{{"reason", "FieldValueInvalid"}, {"field", "metadata.uid"}}});
    return Ok(refusal, 422);
  }
  if ((!wanted_version.empty() && wanted_version != version) ||
      (!wanted_uid.empty() && wanted_uid != uid)) {
    const bool same = wanted_uid.empty() || wanted_uid == uid;
    return Refusal(
        409, "Conflict",
        StrCat("Operation cannot be fulfilled on ", Quoted(path.plural, path.group, path.name),
               ": ",
               same ? "the object has been modified; please apply your changes to the latest "
                      "version and try again"
                    : StrCat("Precondition failed: UID in precondition: ", wanted_uid,
                             ", UID in object meta: ", uid)));
  }

  // What of the body counts here.
  if (path.subresource == "status") {
    Json only = Json::object();
    if (body.contains("status")) only["status"] = body["status"];
    body = std::move(only);
  } else if (path.subresource == "scale") {
    const Json::json_pointer replicas("/spec/replicas");
    if (!body.contains(replicas)) return Refusal(400, "BadRequest", "scale has no spec.replicas");
    body = Json{{"spec", {{"replicas", body.at(replicas)}}}};
  } else if (HasStatus(target.collection)) {
    body.erase("status");
  }

  Json next = old ? *old : Json{{"apiVersion", body["apiVersion"]}, {"kind", body["kind"]}};
  Ownership ownership = old ? OwnershipOf((*old)["metadata"]["managedFields"]) : Ownership();
  const FieldManager who{manager, apply ? "Apply" : "Update", path.subresource};
  if (apply) {
    if (path.subresource.empty() && !body["metadata"].contains("name")) {
      body["metadata"]["name"] = path.name;
    }
    if (const auto meta = body.find("metadata"); meta != body.end()) {
      if (meta->contains("managedFields") && !(*meta)["managedFields"].empty()) {
        return Refusal(400, "BadRequest", "metadata.managedFields must be nil");
      }
      for (const char* own : {"resourceVersion", "uid", "generation", "creationTimestamp"}) {
        meta->erase(own);
      }
    }
    const std::vector<Conflict> conflicts =
        MergeApplied(body, who, path.Query("force") == "true", &next, &ownership);
    if (!conflicts.empty()) {
      std::string text = StrCat("Apply failed with ", conflicts.size(),
                                conflicts.size() == 1 ? " conflict:" : " conflicts:");
      for (const Conflict& conflict : conflicts) {
        StrAppend(&text, " conflict with \"", conflict.owner.name, "\": ", Readable(conflict.path));
      }
      Json refusal = Json::parse(Refusal(409, "Conflict", text).body);
      for (const Conflict& conflict : conflicts) {
        refusal["details"]["causes"].push_back(
            {{"reason", "FieldManagerConflict"},
             {"field", Readable(conflict.path)},
             {"message", StrCat("conflict with \"", conflict.owner.name, "\" using ",
                                next.value("apiVersion", ""))}});
      }
      return Ok(refusal, 409);
    }
  } else {
    if (target.verb == "patch" || !path.subresource.empty()) {
      if (target.verb == "update") {
        for (const auto& [field, value] : body.items()) next[field] = value;
      } else {
        next.merge_patch(body);
      }
    } else {
      const Json status = next.value("status", Json());
      next = std::move(body);
      if (HasStatus(target.collection) && !status.is_null()) next["status"] = status;
    }
    // A client may rewrite the ownership itself; leaving it out keeps it.
    const Json& sent = next["metadata"].value("managedFields", Json());
    if (sent.is_array() && !sent.empty()) ownership = OwnershipOf(sent);
    TrackUpdate(*old, next, who, &ownership);
  }
  return Store(target, old, std::move(next), std::move(ownership), old ? 200 : 201);
}

HttpResponse FakeApiServer::ServeDelete(const HttpRequest& request, const Target& target) {
  const StoredObject old = store_.Find(target.collection, target.key);
  const Json body = Json::parse(request.body, nullptr, /*allow_exceptions=*/false);
  const Json& meta = (*old)["metadata"];
  for (const auto& [field, name] :
       {std::pair{"uid", "UID"}, {"resourceVersion", "ResourceVersion"}}) {
    const Json::json_pointer at(StrCat("/preconditions/", field));
    if (body.is_object() && body.contains(at) && body.at(at) != meta[field]) {
      return Refusal(
          409, "Conflict",
          StrCat("Operation cannot be fulfilled on ",
                 Quoted(target.path.plural, target.path.group, target.path.name), ": the ", name,
                 " in the precondition (", body.at(at).get<std::string>(), ") does not match the ",
                 name, " in record (", meta[field].get<std::string>(),
                 "). The object might have been deleted and then recreated"));
    }
  }
  store_.Delete(target.collection, target.key);
  if (collect_at_once_) store_.CollectGarbage();
  // What finalizers hold is answered with the object.
  if (const StoredObject held = store_.Find(target.collection, target.key)) return Ok(*held);
  return Ok({{"kind", "Status"}, {"apiVersion", "v1"}, {"status", "Success"}});
}

HttpResponse FakeApiServer::Store(const Target& target, const StoredObject& old, Json next,
                                  Ownership ownership, int code) {
  Json& meta = next["metadata"];
  meta["name"] = target.path.name;
  if (!target.path.ns.empty()) meta["namespace"] = target.path.ns;
  if (HasScale(target.collection) && next.contains("spec") && next["spec"].is_object() &&
      !next["spec"].contains("replicas")) {
    next["spec"]["replicas"] = 1;
  }
  const auto fixed = [&](const char* pointer) {
    const Json::json_pointer at(pointer);
    return old == nullptr || old->value(at, Json()) == next.value(at, Json());
  };
  const char* frozen = target.collection == "apps/deployments"           ? "/spec/selector"
                       : target.collection == "apps/controllerrevisions" ? "/data"
                                                                         : nullptr;
  if (frozen != nullptr && !fixed(frozen)) {
    return Refusal(422, "Invalid",
                   StrCat(next.value("kind", ""), " \"", target.path.name,
                          "\" is invalid: ", frozen + 1, ": field is immutable"));
  }
  if (admission_ && target.path.subresource != "status") {
    if (const std::string why = admission_(next, old.get()); !why.empty()) {
      return Refusal(422, "Invalid",
                     StrCat(next.value("kind", ""), ".", target.path.group, " \"", target.path.name,
                            "\" is invalid: ", why));
    }
  }
  if (!target.path.Query("dryRun").empty()) return Ok(next, code);
  const StoredObject stored = store_.Put(target.collection, target.key, std::move(next), ownership);
  if (collect_at_once_) store_.CollectGarbage();
  return Ok(target.path.subresource == "scale" ? ScaleOf(*stored) : *stored, code);
}

}  // namespace deepseek::kube
