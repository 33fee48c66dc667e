#include "agent/telemetry/edge_telemetry.h"

#include <array>
#include <string>

namespace deepseek::agent {
namespace {

constexpr std::array kAll = {Reloaded::kCertificate, Reloaded::kApiKeys, Reloaded::kConfig};

}  // namespace

std::string_view Name(Reloaded what) {
  switch (what) {
    case Reloaded::kCertificate:
      return "certificate";
    case Reloaded::kApiKeys:
      return "api_keys";
    case Reloaded::kConfig:
      break;
  }
  return "config";
}

EdgeTelemetry::EdgeTelemetry(metrics::Registry& registry) : registry_(registry) {
  for (const Reloaded what : kAll) {
    const metrics::Labels labels = {{"what", std::string(Name(what))}};
    reloads_.push_back(
        registry.AddCounter("deepseek_reloads_total", "Files taken anew while serving.", labels));
    failures_.push_back(registry.AddCounter("deepseek_reload_failures_total",
                                            "Looks at files that could not be used.", labels));
  }
}

void EdgeTelemetry::OnReloaded(Reloaded what) {
  reloads_[static_cast<size_t>(what)].Add();
}

void EdgeTelemetry::OnReloadFailed(Reloaded what) {
  failures_[static_cast<size_t>(what)].Add();
}

void EdgeTelemetry::SetCertificateEnd(absl::Time not_after) {
  registry_
      .AddGauge("deepseek_certificate_not_after_seconds",
                "When the served certificate ends, Unix time.")
      .Set(static_cast<double>(absl::ToUnixSeconds(not_after)));
}

}  // namespace deepseek::agent
