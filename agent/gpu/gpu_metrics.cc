#include "agent/gpu/gpu_metrics.h"

#include <utility>

#include "absl/time/clock.h"
#include "base/log.h"
#include "base/strings.h"

namespace deepseek::agent {
namespace {

using metrics::GaugeFamily;

constexpr uint64_t kMiB = uint64_t{1} << 20;

/// The families, in the order of the text.
enum Family : size_t { kUtil, kUsed, kFree, kXid, kPower, kTemperature };

std::vector<GaugeFamily> EmptyFamilies() {
  return {{"DCGM_FI_DEV_GPU_UTIL", "GPU utilization (in %).", {}},
          {"DCGM_FI_DEV_FB_USED", "Framebuffer memory used (in MiB).", {}},
          {"DCGM_FI_DEV_FB_FREE", "Framebuffer memory free (in MiB).", {}},
          {"DCGM_FI_DEV_XID_ERRORS", "Value of the last XID error encountered; 0: none.", {}},
          {"DCGM_FI_DEV_POWER_USAGE", "Power draw (in W).", {}},
          {"DCGM_FI_DEV_GPU_TEMP", "GPU temperature (in C).", {}}};
}

}  // namespace

absl::StatusOr<GpuMetricsMode> ParseGpuMetrics(std::string_view text) {
  if (text == "auto") return GpuMetricsMode::kAuto;
  if (text == "on") return GpuMetricsMode::kOn;
  if (text == "off") return GpuMetricsMode::kOff;
  return absl::InvalidArgumentError(
      StrCat("--gpu-metrics \"", text, "\" is not known (permitted: auto, on, off)"));
}

GpuMetrics::GpuMetrics(std::unique_ptr<Nvml> nvml, const PodIdentity& pod,
                       std::function<absl::Time()> now)
    : now_(std::move(now)), nvml_(std::move(nvml)) {
  for (const Nvml::Gpu& found : nvml_->gpus()) {
    Gpu gpu;
    gpu.labels = {{"gpu", StrCat(found.index)}, {"UUID", found.uuid}};
    if (!pod.name.empty()) gpu.labels["pod"] = pod.name;
    if (!pod.name_space.empty()) gpu.labels["namespace"] = pod.name_space;
    gpus_.push_back(std::move(gpu));
  }
}

std::vector<GaugeFamily> GpuMetrics::Read() {
  std::unique_lock reading(reading_, std::try_to_lock);
  const absl::Time now = now_();
  {
    const std::lock_guard lock(mutex_);
    // A clock that was set back does not keep old values alive.
    const bool in_time = read_at_ && now >= *read_at_;
    if (in_time && now - *read_at_ < kReadEvery) return last_;
    if (!reading) {
      return in_time && now - *read_at_ <= kForgetAfter ? last_ : std::vector<GaugeFamily>{};
    }
  }
  std::vector<GaugeFamily> families = ReadGpus();
  const std::lock_guard lock(mutex_);
  read_at_ = now;
  last_ = std::move(families);
  return last_;
}

std::vector<GaugeFamily> GpuMetrics::ReadGpus() {
  std::vector<GaugeFamily> families = EmptyFamilies();
  TakeXids();
  for (int i = 0; i < gpus(); ++i) {
    const Gpu& gpu = gpus_[i];
    const auto add = [&](Family family, double value) {
      families[family].series.push_back({gpu.labels, value});
    };
    if (const auto percent = nvml_->UtilizationPercent(i); percent.ok()) {
      add(kUtil, *percent);
    } else {
      Report(percent.status());
    }
    if (const auto memory = nvml_->Memory(i); memory.ok()) {
      // Whole MiB, as dcgm-exporter has them.
      const uint64_t used_mib = memory->used / kMiB, free_mib = memory->free / kMiB;
      add(kUsed, static_cast<double>(used_mib));
      add(kFree, static_cast<double>(free_mib));
    } else {
      Report(memory.status());
    }
    if (const absl::Status& reported = nvml_->ReportsXids(i); reported.ok()) {
      add(kXid, static_cast<double>(gpu.last_xid));
    } else {
      Report(reported);
    }
    if (const auto watts = nvml_->PowerWatts(i); watts.ok()) {
      add(kPower, *watts);
    } else {
      Report(watts.status());
    }
    if (const auto celsius = nvml_->TemperatureCelsius(i); celsius.ok()) {
      add(kTemperature, *celsius);
    } else {
      Report(celsius.status());
    }
  }
  return families;
}

void GpuMetrics::TakeXids() {
  const auto xids = nvml_->TakeXids();
  // What was seen stays: an error of a GPU that is lost is wanted most then.
  if (!xids.ok()) return Report(xids.status());
  for (const Nvml::Xid& xid : *xids) {
    gpus_[xid.gpu].last_xid = xid.code;
    log::Warn("GPU error (XID)", {{"gpu", nvml_->gpus()[xid.gpu].index},
                                  {"uuid", nvml_->gpus()[xid.gpu].uuid},
                                  {"xid", xid.code}});
  }
}

void GpuMetrics::Report(const absl::Status& status) {
  if (absl::IsUnimplemented(status)) return;
  const std::string why(status.message());
  if (!reported_.insert(why).second) return;
  log::Warn("a GPU's metric could not be read (said once for each kind)", {{"why", why}});
}

std::unique_ptr<GpuMetrics> OpenGpuMetrics(GpuMetricsMode mode, metrics::Registry& registry,
                                           const PodIdentity& pod, const std::string& library) {
  if (mode == GpuMetricsMode::kOff) return nullptr;
  auto nvml = Nvml::Load(library);
  if (!nvml.ok()) {
    const log::Level level = mode == GpuMetricsMode::kOn ? log::Level::kWarn : log::Level::kInfo;
    log::Write(level, "no GPU metrics", {{"why", std::string(nvml.status().message())}});
    return nullptr;
  }
  auto metrics = std::make_unique<GpuMetrics>(*std::move(nvml), pod, absl::Now);
  log::Info("GPU metrics", {{"gpus", metrics->gpus()}});
  registry.AtScrape([gpus = metrics.get()] { return gpus->Read(); });
  return metrics;
}

}  // namespace deepseek::agent
