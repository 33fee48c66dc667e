#include "operator/decide/agent_report.h"

#include <algorithm>
#include <set>

#include "base/json_full.h"
#include "operator/decide/json_read.h"

namespace deepseek::decide {
namespace {

constexpr int kSteps = 20;
constexpr size_t kMaxText = 128;  // of what an agent says and status repeats

// From a pod: taken only if it looks like what it should be.
std::string Word(const Json& json, const std::string& path) {
  const std::string text = TextAt(json, path);
  const bool plain =
      std::all_of(text.begin(), text.end(), [](unsigned char c) { return c > 0x20 && c < 0x7F; });
  return plain && text.size() <= kMaxText ? text : "";
}

int64_t Bytes(const Json& json, const std::string& path) {
  return std::max<int64_t>(0, IntegerAt(json, path));
}

const Revision* RevisionOf(const Observed& observed, const std::string& hash8) {
  for (const Revision& revision : observed.revisions) {
    if (revision.hash8 == hash8) return &revision;
  }
  return nullptr;
}

}  // namespace

std::optional<AgentReport> ReadAgentReport(const Json& answer) {
  AgentReport out;
  out.state = Word(answer, "/state");
  if (out.state.empty()) return std::nullopt;
  out.total_bytes = Bytes(answer, "/total_bytes");
  out.loaded_bytes = std::min(Bytes(answer, "/loaded_bytes"), out.total_bytes);
  out.family = Word(answer, "/model/family");
  out.parameters = Bytes(answer, "/model/parameters");
  out.digest = Word(answer, "/model/digest");
  return out;
}

std::vector<AgentAddress> AgentsToAsk(const Observed& observed) {
  std::vector<AgentAddress> out;
  std::set<std::string> known;
  for (const Pod& pod : observed.pods) {
    if (!pod.running || pod.deleting || pod.ip.empty()) continue;
    if (pod.ready) {
      const Revision* revision = RevisionOf(observed, pod.hash8);
      const bool wanted = revision != nullptr && revision->model_digest.empty();
      if (!wanted || !known.insert(pod.hash8).second) continue;
    }
    if (out.size() < static_cast<size_t>(kMostAsked)) out.push_back({pod.uid, pod.ip});
  }
  return out;
}

std::string ModelText(const AgentReport& report) {
  return DumpJson({{"family", report.family},
                   {"parameters", report.parameters},
                   {"bytes", report.total_bytes}});
}

KnownModel ReadModelText(const std::string& text) {
  const auto json = ParseJson(text, "annotation");
  if (!json.ok()) return {};
  return {TextAt(*json, "/family"), Bytes(*json, "/parameters"), Bytes(*json, "/bytes")};
}

int64_t LoadedInSteps(int64_t loaded_bytes, int64_t total_bytes) {
  if (total_bytes <= 0) return 0;
  if (loaded_bytes >= total_bytes) return total_bytes;
  // Divided first: twenty times the bytes of a large model fit, but nothing says that they are
  // real.
  const auto step = static_cast<int64_t>(static_cast<double>(loaded_bytes) /
                                         static_cast<double>(total_bytes) * kSteps);
  return total_bytes / kSteps * step;
}

}  // namespace deepseek::decide
