#include "operator/cli/get.h"

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
  RETURN_IF_ERROR(Print(session, found.items));
  if (found.items.empty() && !session.json && !options.watch) {
    session.out << "no DeepSeekDeployment in "
                << (list.ns.empty() ? "any namespace" : "namespace " + list.ns) << "\n";
  }
  absl::Status printed;
  const auto stop = [&] { return !printed.ok() || session.stop(); };
  while (options.watch && !stop()) {
    const absl::Status ended = session.client().Watch(
        kube::resources::kDeepSeekDeployment, list, found.resource_version,
        [&](const kube::WatchEvent& event) {
          if (stop() || event.type == kube::WatchEventType::kBookmark) return;
          if (event.type == kube::WatchEventType::kDeleted) {
            session.out << decide::TextAt(*event.object, "/metadata/namespace") << "/"
                        << decide::TextAt(*event.object, "/metadata/name") << "  deleted\n";
            session.out.flush();
            return;
          }
          if (!session.json) session.out << "\n";
          printed = Print(session, {event.object});
        },
        stop);
    // A stream that ends or is too old begins anew from a list.
    if (!ended.ok() && !absl::IsOutOfRange(ended) && !absl::IsUnavailable(ended) &&
        !absl::IsDeadlineExceeded(ended))
      return ended;
    if (stop()) break;
    ASSIGN_OR_RETURN(found, session.client().ListAll(kube::resources::kDeepSeekDeployment, list));
  }
  return printed;
}

}  // namespace deepseek::cli
