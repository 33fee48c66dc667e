#include "operator/cli/undo.h"

#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"
#include "operator/api/deepseek_deployment.h"
#include "operator/cli/observe.h"
#include "operator/decide/decide.h"
#include "operator/decide/json_read.h"

namespace deepseek::cli {
namespace {

std::string CurrentName(const Json& dsd) {
  for (const auto& [kind, name] : decide::ChildNames(dsd)) {
    if (kind == "ControllerRevision") return name;
  }
  return "";
}

}  // namespace

absl::StatusOr<Undone> UndoSpec(const decide::Cluster& cluster, int64_t to) {
  const decide::Observed observed = decide::Read(cluster);
  const std::string name = decide::TextAt(*cluster.dsd, "/metadata/name");
  const std::string current = CurrentName(*cluster.dsd);
  const decide::Revision* chosen = nullptr;
  std::string known;
  for (const decide::Revision& revision : observed.revisions) {  // newest first
    StrAppend(&known, known.empty() ? "" : ", ", revision.number);
    const bool fits = to == 0 ? revision.child.name != current : revision.number == to;
    if (fits && chosen == nullptr) chosen = &revision;
  }
  if (chosen == nullptr) {
    return absl::NotFoundError(
        StrCat("undo: ", name, ": ",
               to == 0 ? "there is no other revision" : StrCat("there is no revision number ", to),
               " (kept are ", known.empty() ? "none" : known, ")"));
  }
  if (chosen->child.name == current) {
    return absl::FailedPreconditionError(
        StrCat("undo: ", name, ": the spec is that of revision ", chosen->number, " already"));
  }
  const Json* intent = decide::Find(*chosen->child.object, "/data/intent");
  if (intent == nullptr || !intent->is_object()) {
    return absl::DataLossError(StrCat("undo: ", chosen->child.name, ": holds no intent"));
  }
  Json dsd = *cluster.dsd;
  Json& spec = dsd["spec"];
  api::PutIntent(*intent, &spec);
  return Undone{std::make_shared<const Json>(std::move(dsd)), chosen->child.name, chosen->number};
}

absl::Status Undo(Session& session, const UndoOptions& options) {
  ASSIGN_OR_RETURN(const decide::Cluster cluster,
                   Observe(session.client(), session.ns, options.name));
  ASSIGN_OR_RETURN(const Undone undone, UndoSpec(cluster, options.to));
  if (!options.dry_run) {
    // The resource version in it makes sure that nobody's edit is lost.
    RETURN_IF_ERROR(session.client()
                        .Update(kube::resources::kDeepSeekDeployment, session.ns, options.name,
                                *undone.dsd, "kubectl-deepseek")
                        .status());
  }
  if (session.json) {
    session.out << PrettyJson({{"name", options.name},
                               {"revision", undone.revision},
                               {"number", undone.number},
                               {"written", !options.dry_run},
                               {"spec", (*undone.dsd)["spec"]}})
                << "\n";
  } else {
    session.out << session.ns << "/" << options.name
                << (options.dry_run ? " would be put back to revision "
                                    : " is put back to revision ")
                << undone.number << " (" << undone.revision << ")\n";
  }
  return absl::OkStatus();
}

}  // namespace deepseek::cli
