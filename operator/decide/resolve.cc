#include "operator/decide/resolve.h"

#include <openssl/sha.h>

#include <algorithm>
#include <cctype>

#include "base/json_full.h"
#include "operator/api/names.h"
#include "operator/api/units.h"
#include "operator/decide/json_read.h"

namespace deepseek::decide {
namespace {

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

// The overlay may name another image for the agent's container.
const Json* OverlayOfAgent(const api::PodIntent& intent) {
  if (intent.overlay == nullptr) return nullptr;  // an intent that was not parsed
  const Json* containers = Find(*intent.overlay, "/spec/containers");
  if (containers == nullptr || !containers->is_array()) return nullptr;
  for (const Json& container : *containers) {
    if (TextAt(container, "/name") == api::kAgentContainer) return &container;
  }
  return nullptr;
}

// One GPU where the user says nothing, here or in the resources.
int64_t Gpus(const api::PodIntent& intent, const Resolved& r) {
  if (!r.OnGpus()) return 0;
  if (intent.gpus_per_replica) return *intent.gpus_per_replica;
  const Json* limits = intent.pod == nullptr ? nullptr : Find(*intent.pod, "/resources/limits");
  if (limits == nullptr || !limits->is_object()) return 1;
  for (const auto& limit : limits->items()) {
    if (limit.key().starts_with(api::kGpuVendor)) return 0;
  }
  return 1;
}

// Nothing is said that the agent does anyway: agents of earlier versions do not know it.
std::string GpuMetrics(const api::PodIntent& intent, const Resolved& r, const Defaults& defaults) {
  const std::string wish = Lower(intent.gpu_metrics.value_or("Auto"));
  if (wish != "auto") return wish == "off" ? "" : wish;
  return r.OnGpus() && !defaults.gpus_reported ? wish : "";
}

}  // namespace

bool AsksWhoReportsGpus(const Json& dsd) {
  const std::string wish = TextAt(dsd, "/spec/observability/gpuMetrics");
  return TextAt(dsd, "/spec/engine/device") == "CUDA" && (wish.empty() || wish == "Auto");
}

Resolved Resolve(const api::PodIntent& intent, std::string_view deployment,
                 const Defaults& defaults) {
  Resolved out;
  out.image = intent.image.value_or(defaults.agent_image);
  out.image_pull_policy = intent.image_pull_policy.value_or(defaults.image_pull_policy);
  if (const Json* agent = OverlayOfAgent(intent)) {
    if (const std::string image = TextAt(*agent, "/image"); !image.empty()) out.image = image;
  }
  out.served_name = intent.served_name.value_or(std::string(deployment));
  out.device = Lower(intent.device.value_or("Auto"));
  out.gpus = Gpus(intent, out);
  out.gpu_metrics = GpuMetrics(intent, out, defaults);
  out.compute = Lower(intent.compute.value_or("Auto"));
  out.log_level = intent.log_level.value_or("info");
  out.max_batch = intent.max_batch.value_or(32);
  out.max_batch_delay = intent.max_batch_delay.value_or(absl::ZeroDuration());
  out.drain_delay = intent.drain_delay.value_or(absl::Seconds(5));
  out.drain_timeout = intent.drain_timeout.value_or(absl::Seconds(60));
  out.startup_deadline = intent.startup_deadline.value_or(absl::Minutes(30));
  out.operator_version = defaults.version;
  return out;
}

Json Resolved::ToJson() const {
  Json out = {{"image", image},
              {"imagePullPolicy", image_pull_policy},
              {"servedName", served_name},
              {"device", device},
              {"compute", compute},
              {"logLevel", log_level},
              {"maxBatch", max_batch},
              {"maxBatchDelay", api::DurationText(max_batch_delay)},
              {"drainDelay", api::DurationText(drain_delay)},
              {"drainTimeout", api::DurationText(drain_timeout)},
              {"startupDeadline", api::DurationText(startup_deadline)},
              {"operatorVersion", operator_version},
              {"templateVersion", template_version}};
  // Revisions without GPUs stay as they were.
  if (gpus > 0) out["gpusPerReplica"] = gpus;
  if (!gpu_metrics.empty()) out["gpuMetrics"] = gpu_metrics;
  return out;
}

bool UpgradeAvailable(const Json& then, const Resolved& today) {
  Json a = then, b = today.ToJson();
  if (a.is_object()) a.erase("operatorVersion");
  b.erase("operatorVersion");
  return a != b;
}

std::string Sha256Hex(std::string_view text) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (const unsigned char byte : digest) {
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  }
  return out;
}

}  // namespace deepseek::decide
