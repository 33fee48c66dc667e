#include "operator/decide/status.h"

#include "base/json_full.h"
#include "base/strings.h"
#include "operator/api/clip.h"
#include "operator/api/names.h"
#include "operator/decide/agent_report.h"
#include "operator/decide/json_read.h"
#include "operator/decide/reasons.h"

namespace deepseek::decide {
namespace {

const char* Phase(const State& state) {
  if (state.completed) return "Idle";
  if (state.paused) return "Paused";
  return state.Stalled() ? "Stalled" : "Progressing";
}

int Percent(int part, int whole) {
  return whole == 0 ? 0 : part * 100 / whole;
}

Json MemberJson(const Member& member, const State& state, int all_ready) {
  Json out = {{"name", member.name},
              {"replicas", member.alive},
              {"readyReplicas", member.share.ready},
              {"weight", Percent(member.share.ready, all_ready)}};
  const Json* resolved = member.revision == nullptr ? nullptr : member.revision->resolved;
  const std::string image = resolved == nullptr ? "" : TextAt(*resolved, "/image");
  if (!image.empty()) out["image"] = image;
  if (member.revision != nullptr && !member.revision->model_digest.empty())
    out["modelDigest"] = member.revision->model_digest;
  if (&member == &state.current && image.empty()) out["image"] = state.new_resolved.image;
  return out;
}

std::string Upper(const std::string& device) {
  // As the spec spells it; Auto computes on the CPU as long as the agent has no other backend.
  if (device == "auto" || device == "cpu") return "CPU";
  return device == "cuda" ? "CUDA" : device;
}

Json RolloutJson(const State& state, const Condition& ready, int all_ready) {
  Json out = {{"phase", Phase(state)}, {"reason", ready.reason}, {"message", ready.message}};
  out["weight"] = {{"desired", 100}, {"observed", Percent(state.current.share.ready, all_ready)}};
  const Revision* revision = state.current.revision;
  if (revision != nullptr && revision->started_at) {
    out["startedAt"] =
        absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", *revision->started_at, absl::UTCTimeZone());
  }
  return out;
}

Json ModelJson(const State& state, const std::string& served_name) {
  Json out = {{"name", served_name}};
  const KnownModel known = KnownModelOf(state);
  if (!known.family.empty()) out["family"] = known.family;
  if (known.parameters > 0) out["parameters"] = known.parameters;
  if (const auto load = LoadOf(state)) {
    out["loadedBytes"] = load->loaded;
    out["totalBytes"] = load->total;
  } else if (known.bytes > 0) {
    out["loadedBytes"] = state.current.share.ready > 0 ? known.bytes : 0;
    out["totalBytes"] = known.bytes;
  }
  return out;
}

}  // namespace

Json Status(const State& state, const std::vector<Condition>& conditions, absl::Time now) {
  const api::DeepSeekDeployment& dsd = state.dsd;
  const Json resolved = ResolvedOf(state);
  int pods = state.current.alive, ready = state.current.share.ready;
  for (const Member& member : state.old) {
    pods += member.alive;
    ready += member.share.ready;
  }
  Json revisions = Json::array();
  if (state.current.alive > 0) revisions.push_back(MemberJson(state.current, state, ready));
  for (const Member& member : state.old) {
    if (member.alive > 0) revisions.push_back(MemberJson(member, state, ready));
  }
  const Json before =
      Find(*state.observed->dsd, "/status") == nullptr ? Json() : (*state.observed->dsd)["status"];
  const std::string host = StrCat(dsd.name, ".", dsd.ns, ".svc");
  Json out = {
      {"observedGeneration", dsd.generation},
      {"replicas", pods},
      {"readyReplicas", ready},
      {"selector", StrCat(api::kDeploymentLabel, "=", dsd.name)},
      {"ready", StrCat(state.current.share.ready, "/", dsd.replicas)},
      {"device", Upper(TextAt(resolved, "/device"))},
      {"scale", StrCat(dsd.replicas, " (spec.replicas)")},
      {"revisions", revisions},
      {"rollout", RolloutJson(state, conditions.front(), ready)},
      {"model", ModelJson(state, TextAt(resolved, "/servedName"))},
      {"endpoints",
       {{"http", StrCat("http://", host, ":", api::kHttpPort)},
        {"grpc", StrCat(host, ":", api::kGrpcPort)}}},
      {"conditions", ConditionsJson(conditions, before, dsd.generation, now)},
  };
  if (!state.stable.empty()) out["stableRevision"] = api::RevisionName(dsd.name, state.stable);
  if (!state.completed) out["candidateRevision"] = state.current.name;
  api::ClipStrings(api::StatusFields(), &out);
  return out;
}

Json BlockedStatus(const Json& before, const std::vector<Condition>& conditions, int64_t generation,
                   absl::Time now) {
  Json out = before.is_object() ? before : Json::object();
  out["observedGeneration"] = generation;
  out["conditions"] = ConditionsJson(conditions, before, generation, now);
  api::ClipStrings(api::StatusFields(), &out);
  return out;
}

}  // namespace deepseek::decide
