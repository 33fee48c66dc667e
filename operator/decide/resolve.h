#pragma once
// What a revision's pods are made of, every default filled in. Made once, when the revision is
// made, and stored in it.

#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "base/json.h"
#include "operator/api/deepseek_deployment.h"
#include "operator/decide/defaults.h"

namespace deepseek::decide {

/// Number of the shape in which this operator renders a pod; grows when the rendering of the same
/// wishes changes, so that older revisions learn of an upgrade.
inline constexpr int kTemplateVersion = 3;

struct Resolved {
  std::string image, image_pull_policy, served_name;
  std::string device, compute, log_level;  ///< as the agent's flags spell them
  int64_t max_batch = 0;
  int64_t gpus = 0;         ///< that a pod asks for; 0: none, or what the resources say
  std::string gpu_metrics;  ///< as the agent spells it; empty: it is not told
  absl::Duration max_batch_delay, drain_delay, drain_timeout, startup_deadline;
  std::string operator_version;             ///< empty: not known
  int template_version = kTemplateVersion;  ///< 0: not known

  bool OnGpus() const { return device == "cuda"; }
  Json ToJson() const;
};

Resolved Resolve(const api::PodIntent& intent, std::string_view deployment,
                 const Defaults& defaults);

/// Does what a revision of `dsd` is made of depend on Defaults::gpus_reported?
bool AsksWhoReportsGpus(const Json& dsd);

/// Would a revision made today differ from the one that stored `then`? The operator's version alone
/// makes none.
bool UpgradeAvailable(const Json& then, const Resolved& today);

/// SHA-256 in lower-case hex.
std::string Sha256Hex(std::string_view text);

}  // namespace deepseek::decide
