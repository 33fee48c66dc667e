#include "operator/reconcile/agents.h"

#include <algorithm>
#include <future>
#include <memory>
#include <utility>
#include <vector>

#include "base/json_full.h"
#include "operator/decide/agent_report.h"

namespace deepseek::reconcile {
namespace {

constexpr absl::Duration kFirstSilence = absl::Seconds(2), kMostSilence = absl::Seconds(30);

// The first one is asked by this thread, the others by threads of their own meanwhile; where there
// can be none, one after the other.
std::vector<absl::StatusOr<Json>> AskAll(const Agents::Ask& ask,
                                         const std::vector<decide::AgentAddress>& agents) {
  std::vector<std::future<absl::StatusOr<Json>>> asked;
  for (const decide::AgentAddress& agent : agents) {
    const auto where =
        asked.empty() ? std::launch::deferred : std::launch::async | std::launch::deferred;
    asked.push_back(std::async(where, [&ask, &agent] { return ask(agent.ip); }));
  }
  std::vector<absl::StatusOr<Json>> answers;
  answers.reserve(asked.size());
  for (auto& answer : asked) answers.push_back(answer.get());
  return answers;
}

}  // namespace

void Agents::Follow(const decide::Observed& observed) {
  std::map<std::string, Heard> next;
  for (const decide::Pod& pod : observed.pods) {
    if (!pod.running || pod.deleting) continue;
    Heard& heard = next[pod.uid];
    const auto it = heard_.find(pod.uid);
    if (it != heard_.end() && it->second.restarts == pod.restarts && it->second.ready == pod.ready)
      heard = std::move(it->second);
    heard.restarts = pod.restarts;
    heard.ready = pod.ready;
  }
  heard_ = std::move(next);
}

void Agents::Hear(const Ask& ask, absl::Time now, decide::Cluster* cluster) {
  cluster->agents_asked = true;
  decide::Observed observed = decide::Read(*cluster);
  Follow(observed);
  std::erase_if(observed.pods, [&](const decide::Pod& pod) {
    const auto it = heard_.find(pod.uid);
    if (it == heard_.end() || it->second.failures == 0) return false;
    const absl::Duration silence =
        std::min(kMostSilence, kFirstSilence * (1 << std::min(it->second.failures - 1, 8)));
    // The wall clock may have been set back.
    return now >= it->second.asked_at && now - it->second.asked_at < silence;
  });
  const std::vector<decide::AgentAddress> agents = decide::AgentsToAsk(observed);
  const std::vector<absl::StatusOr<Json>> answers = AskAll(ask, agents);
  for (size_t i = 0; i < agents.size(); ++i) {
    Heard& heard = heard_[agents[i].pod_uid];
    heard.asked_at = now;
    heard.failures = answers[i].ok() ? 0 : heard.failures + 1;
    if (!answers[i].ok()) continue;
    heard.last = std::make_shared<const Json>(*answers[i]);
    cluster->agents[agents[i].pod_uid] = heard.last;
  }
  // A ready one is asked which weights it has, which it did not know while it loaded.
  for (const auto& [uid, heard] : heard_) {
    if (heard.failures > 0 && !heard.ready && heard.last != nullptr)
      cluster->agents[uid] = heard.last;
  }
}

}  // namespace deepseek::reconcile
