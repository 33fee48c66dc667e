#include "operator/cli/picture.h"

#include <vector>

#include "absl/strings/str_format.h"
#include "base/json_full.h"
#include "base/strings.h"
#include "operator/api/names.h"
#include "operator/decide/failure.h"
#include "operator/decide/json_read.h"

namespace deepseek::cli {
namespace {

using decide::TextAt;

constexpr size_t kMessageWidth = 160;

struct PodLine {
  std::string name, state, message, node;
  int restarts = 0;
  absl::Time created;
};

// One word for where a pod stands.
std::string StateOf(const decide::Pod& pod) {
  if (pod.deleting) return "Stopping";
  if (pod.ready) return "Ready";
  if (!pod.unschedulable.empty()) return "Unschedulable";
  if (pod.agent_ready) return "NotReady";  // for want of another container
  if (pod.running) return "Loading";
  return pod.waiting_reason.empty() ? "Starting" : pod.waiting_reason;
}

PodLine LineOf(const decide::Observed& observed, const decide::Pod& pod,
               const std::vector<decide::Object>& objects) {
  PodLine line{pod.name, StateOf(pod), "", "", pod.restarts, pod.created};
  decide::Observed alone;
  alone.pods = {pod};
  alone.warnings = observed.warnings;
  if (const auto failure = decide::FindFailure(alone, pod.hash8)) line.message = failure->message;
  for (const decide::Object& object : objects) {
    if (TextAt(*object, "/metadata/uid") == pod.uid) line.node = TextAt(*object, "/spec/nodeName");
  }
  return line;
}

struct RevisionLine {
  const decide::Revision* revision;
  std::string role, image;
  std::vector<PodLine> pods;
  int ready = 0, want = 0;
  bool live = false;  ///< it has a Deployment
};

std::string RoleOf(const decide::Revision& revision, const Json& dsd, bool live) {
  if (revision.child.name == TextAt(dsd, "/status/stableRevision")) return "stable";
  if (revision.child.name == TextAt(dsd, "/status/candidateRevision")) return "candidate";
  return live ? "superseded" : "restorable";
}

std::vector<RevisionLine> Lines(const decide::Cluster& cluster, const decide::Observed& observed) {
  std::vector<RevisionLine> lines;
  for (const decide::Revision& revision : observed.revisions) {
    RevisionLine line;
    line.revision = &revision;
    for (const decide::Workload& workload : observed.workloads) {
      if (workload.child.name != revision.child.name) continue;
      line.live = true;
      line.want = workload.want;
    }
    line.role = RoleOf(revision, *cluster.dsd, line.live);
    line.image = TextAt(*revision.resolved, "/image");
    for (const decide::Pod& pod : observed.pods) {
      if (pod.hash8 != revision.hash8) continue;
      line.pods.push_back(LineOf(observed, pod, cluster.pods));
      line.ready += pod.ready ? 1 : 0;
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

std::string Gigabytes(int64_t bytes) {
  return bytes >= 1'000'000'000 ? absl::StrFormat("%.1f GB", static_cast<double>(bytes) / 1e9)
                                : absl::StrFormat("%.1f MB", static_cast<double>(bytes) / 1e6);
}

// "loading [#####     ] 50 % of 12.3 GB"; nothing once all is loaded.
std::string Progress(const Json& dsd) {
  const int64_t loaded = decide::IntegerAt(dsd, "/status/model/loadedBytes");
  const int64_t total = decide::IntegerAt(dsd, "/status/model/totalBytes");
  if (total <= 0 || loaded >= total) return "";
  const auto tenths = static_cast<size_t>(loaded / (total / 10 + 1));
  return absl::StrFormat("loading [%s%s] %d %% of %s", std::string(tenths, '#'),
                         std::string(10 - std::min<size_t>(10, tenths), ' '), 100 * loaded / total,
                         Gigabytes(total));
}

std::string Head(const Json& dsd, const Style& style) {
  const Json* ready = decide::FindCondition(dsd, "Ready");
  const std::string status = ready == nullptr ? "" : TextAt(*ready, "/status");
  const std::string reason =
      ready == nullptr ? "not seen by an operator yet" : TextAt(*ready, "/reason");
  std::string out = StrCat(TextAt(dsd, "/metadata/namespace"), "/", TextAt(dsd, "/metadata/name"));
  for (const char* field : {"/status/model/name", "/status/ready"}) {
    const std::string text = TextAt(dsd, field);
    if (!text.empty()) StrAppend(&out, "  ", text);
  }
  StrAppend(&out, "  ", status == "True" ? style.Good(reason) : style.Bad(reason), "\n");
  if (status != "True" && ready != nullptr)
    StrAppend(&out, "  ", Short(TextAt(*ready, "/message"), kMessageWidth), "\n");
  const std::string progress = Progress(dsd);
  if (!progress.empty()) StrAppend(&out, "  ", progress, "\n");
  return out;
}

}  // namespace

std::string Tree(const decide::Cluster& cluster, const Style& style, absl::Time now) {
  const decide::Observed observed = decide::Read(cluster);
  const std::vector<RevisionLine> lines = Lines(cluster, observed);
  std::string out = Head(*cluster.dsd, style);
  for (size_t i = 0; i < lines.size(); ++i) {
    const RevisionLine& line = lines[i];
    const bool last = i + 1 == lines.size();
    StrAppend(&out, last ? "└─ " : "├─ ", line.revision->child.name, "  r", line.revision->number,
              "  ", line.role, "  ", line.image);
    if (line.live) StrAppend(&out, "  ", line.ready, "/", line.want, " ready");
    if (!line.revision->model_digest.empty())
      StrAppend(&out, "  ", style.Dim(line.revision->model_digest.substr(0, 22)));
    out += "\n";
    for (size_t p = 0; p < line.pods.size(); ++p) {
      const PodLine& pod = line.pods[p];
      const std::string state = pod.state == "Ready"  ? style.Good(pod.state)
                                : pod.message.empty() ? pod.state
                                                      : style.Bad(pod.state);
      StrAppend(&out, last ? "   " : "│  ", p + 1 == line.pods.size() ? "└─ " : "├─ ", pod.name,
                "  ", state);
      if (!pod.node.empty()) StrAppend(&out, "  ", pod.node);
      if (pod.created != absl::InfinitePast()) StrAppend(&out, "  ", Age(now - pod.created));
      if (pod.restarts > 0) StrAppend(&out, "  ", pod.restarts, " restarts");
      if (!pod.message.empty()) StrAppend(&out, "  ", Short(pod.message, kMessageWidth));
      out += "\n";
    }
  }
  return out;
}

Json TreeJson(const decide::Cluster& cluster) {
  const decide::Observed observed = decide::Read(cluster);
  const Json& dsd = *cluster.dsd;
  Json out = {{"name", TextAt(dsd, "/metadata/name")},
              {"namespace", TextAt(dsd, "/metadata/namespace")},
              {"ready", TextAt(dsd, "/status/ready")},
              {"revisions", Json::array()}};
  for (const char* part : {"conditions", "model"}) {
    const Json* value = decide::Find(dsd, StrCat("/status/", part));
    out[part] = value == nullptr ? Json() : *value;
  }
  for (const RevisionLine& line : Lines(cluster, observed)) {
    Json revision = {{"name", line.revision->child.name},
                     {"number", line.revision->number},
                     {"role", line.role},
                     {"image", line.image},
                     {"modelDigest", line.revision->model_digest},
                     {"replicas", line.want},
                     {"readyReplicas", line.ready},
                     {"pods", Json::array()}};
    for (const PodLine& pod : line.pods) {
      revision["pods"].push_back({{"name", pod.name},
                                  {"state", pod.state},
                                  {"message", pod.message},
                                  {"node", pod.node},
                                  {"restarts", pod.restarts}});
    }
    out["revisions"].push_back(std::move(revision));
  }
  return out;
}

}  // namespace deepseek::cli
