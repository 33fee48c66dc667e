#include "operator/cli/get.h"

#include <map>
#include <set>

#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"
#include "operator/cli/observe.h"
#include "operator/cli/picture.h"
#include "operator/decide/json_read.h"

namespace deepseek::cli {
namespace {

absl::Status Print(Session& session, const std::vector<kube::Object>& dsds) {
  Json items = Json::array();
  for (const kube::Object& dsd : dsds) {
    ASSIGN_OR_RETURN(const decide::Cluster cluster, ObserveAround(session.client(), dsd));
    if (session.json) {
      items.push_back(TreeJson(cluster));
    } else {
      session.out << Tree(cluster, session.style, session.now());
    }
  }
  if (session.json) session.out << PrettyJson(items) << "\n";
  session.out.flush();
  return absl::OkStatus();
}

std::string KeyOf(const Json& dsd) {
  return StrCat(decide::TextAt(dsd, "/metadata/namespace"), "/",
                decide::TextAt(dsd, "/metadata/name"));
}

/// What was printed of each, so that what changes between two watches is not missed.
class Shown {
 public:
  absl::Status Show(Session& session, const std::vector<kube::Object>& dsds) {
    for (const kube::Object& dsd : dsds)
      versions_[KeyOf(*dsd)] = decide::TextAt(*dsd, "/metadata/resourceVersion");
    return Print(session, dsds);
  }
  void Gone(Session& session, const std::string& key) {
    versions_.erase(key);
    session.out << key << "  deleted\n";
    session.out.flush();
  }
  /// Of a new list: those that are gone, and those that are not as they were printed.
  absl::Status CatchUp(Session& session, const std::vector<kube::Object>& dsds) {
    std::set<std::string> there;
    for (const kube::Object& dsd : dsds) there.insert(KeyOf(*dsd));
    const std::map<std::string, std::string> before = versions_;
    for (const auto& [key, version] : before) {
      if (there.count(key) == 0) Gone(session, key);
    }
    for (const kube::Object& dsd : dsds) {
      const auto known = before.find(KeyOf(*dsd));
      if (known != before.end() &&
          known->second == decide::TextAt(*dsd, "/metadata/resourceVersion"))
        continue;
      if (!session.json) session.out << "\n";
      RETURN_IF_ERROR(Show(session, {dsd}));
    }
    return absl::OkStatus();
  }

 private:
  std::map<std::string, std::string> versions_;
};

absl::StatusOr<kube::List> ListThem(Session& session, const GetOptions& options,
                                    const kube::ListOptions& list) {
  ASSIGN_OR_RETURN(kube::List found,
                   session.client().ListAll(kube::resources::kDeepSeekDeployment, list));
  if (found.items.empty() && !options.name.empty()) {
    return absl::NotFoundError(
        StrCat("deepseekdeployment ", list.ns, "/", options.name, ": not found"));
  }
  return found;
}

}  // namespace

absl::Status Get(Session& session, const GetOptions& options) {
  kube::ListOptions list;
  list.ns = options.all_namespaces ? "" : session.ns;
  if (!options.name.empty()) list.field_selector = StrCat("metadata.name=", options.name);
  ASSIGN_OR_RETURN(kube::List found, ListThem(session, options, list));
  Shown shown;
  RETURN_IF_ERROR(shown.Show(session, found.items));
  if (found.items.empty() && !session.json && !options.watch) {
    session.out << "no DeepSeekDeployment in "
                << (list.ns.empty() ? "any namespace" : "namespace " + list.ns) << "\n";
  }
  absl::Status printed;
  const auto stop = [&] { return !printed.ok() || session.stop(); };
  while (options.watch && !stop()) {
    absl::Status ended = session.client().Watch(
        kube::resources::kDeepSeekDeployment, list, found.resource_version,
        [&](const kube::WatchEvent& event) {
          if (stop() || event.type == kube::WatchEventType::kBookmark) return;
          if (event.type == kube::WatchEventType::kDeleted) {
            shown.Gone(session, KeyOf(*event.object));
            return;
          }
          if (!session.json) session.out << "\n";
          printed = shown.Show(session, {event.object});
        },
        stop);
    // A stream that ends or is too old begins anew from a list.
    if (!ended.ok() && !absl::IsOutOfRange(ended) && !absl::IsUnavailable(ended) &&
        !absl::IsDeadlineExceeded(ended))
      return ended;
    if (stop()) break;
    ASSIGN_OR_RETURN(found, session.client().ListAll(kube::resources::kDeepSeekDeployment, list));
    RETURN_IF_ERROR(shown.CatchUp(session, found.items));
  }
  return printed;
}

}  // namespace deepseek::cli
