#include "agent/gpu/nvml.h"

#include <dlfcn.h>

#include <array>
#include <utility>

#include "base/status.h"
#include "base/strings.h"

namespace deepseek::agent {
namespace {

// A library that always has one more event must not keep a scrape for ever.
constexpr int kMaxEventsAtOnce = 256;

absl::StatusCode CodeOf(nvml::Return result) {
  switch (result) {
    case nvml::kNotSupported:
      return absl::StatusCode::kUnimplemented;
    case nvml::kNoPermission:
      return absl::StatusCode::kPermissionDenied;
    case nvml::kNotFound:
      return absl::StatusCode::kNotFound;
    default:
      return absl::StatusCode::kUnavailable;
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Nvml>> Nvml::Load(const std::string& library) {
  void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    const char* why = dlerror();
    return absl::NotFoundError(
        StrCat("NVML: ", library, ": ", why ? why : "cannot be loaded",
               " (it comes with NVIDIA's driver; in a container the runtime adds it when "
               "NVIDIA_DRIVER_CAPABILITIES holds utility)"));
  }
  std::unique_ptr<Nvml> nvml(new Nvml(handle));
  RETURN_IF_ERROR(nvml->Bind(library));
  const nvml::Return result = nvml->call_.Init_v2();
  if (result != nvml::kSuccess) {
    return absl::UnavailableError(
        StrCat("NVML: ", library, ": ", nvml->Check(result, "nvmlInit_v2").message(),
               result == nvml::kDriverNotLoaded ? " (is the node's driver loaded?)" : ""));
  }
  nvml->started_ = true;
  RETURN_IF_ERROR(nvml->FindGpus());
  nvml->Subscribe();
  return nvml;
}

Nvml::~Nvml() {
  if (events_) call_.EventSetFree(events_);
  if (started_) call_.Shutdown();
  dlclose(library_);
}

absl::Status Nvml::Bind(const std::string& library) {
  const char* missing = nullptr;
  const auto bind = [&](auto& function, const char* name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library_, name));
    if (!function) missing = name;
  };
  bind(call_.Init_v2, "nvmlInit_v2");
  bind(call_.Shutdown, "nvmlShutdown");
  bind(call_.ErrorString, "nvmlErrorString");
  bind(call_.DeviceGetCount_v2, "nvmlDeviceGetCount_v2");
  bind(call_.DeviceGetHandleByIndex_v2, "nvmlDeviceGetHandleByIndex_v2");
  bind(call_.DeviceGetUUID, "nvmlDeviceGetUUID");
  bind(call_.DeviceGetUtilizationRates, "nvmlDeviceGetUtilizationRates");
  bind(call_.DeviceGetMemoryInfo, "nvmlDeviceGetMemoryInfo");
  bind(call_.DeviceGetPowerUsage, "nvmlDeviceGetPowerUsage");
  bind(call_.DeviceGetTemperature, "nvmlDeviceGetTemperature");
  bind(call_.EventSetCreate, "nvmlEventSetCreate");
  bind(call_.EventSetFree, "nvmlEventSetFree");
  bind(call_.DeviceRegisterEvents, "nvmlDeviceRegisterEvents");
  bind(call_.EventSetWait_v2, "nvmlEventSetWait_v2");
  if (!missing) return absl::OkStatus();
  return absl::UnimplementedError(
      StrCat("NVML: ", library, ": has no ", missing, " (a newer driver has)"));
}

absl::Status Nvml::FindGpus() {
  unsigned count = 0;
  RETURN_IF_ERROR(Check(call_.DeviceGetCount_v2(&count), "nvmlDeviceGetCount_v2"));
  absl::Status last;
  for (unsigned index = 0; index < count; ++index) {
    Device device;
    std::array<char, nvml::kUuidBufferBytes> uuid{};
    absl::Status status = Check(call_.DeviceGetHandleByIndex_v2(index, &device.handle),
                                "nvmlDeviceGetHandleByIndex_v2");
    if (status.ok()) {
      status =
          Check(call_.DeviceGetUUID(device.handle, uuid.data(), uuid.size()), "nvmlDeviceGetUUID");
    }
    // Another pod's (no permission), or one that is broken: the others count still.
    if (!status.ok()) {
      last = status;
      continue;
    }
    uuid.back() = '\0';
    gpus_.push_back({static_cast<int>(index), uuid.data()});
    devices_.push_back(std::move(device));
  }
  if (!gpus_.empty()) return absl::OkStatus();
  return absl::NotFoundError(StrCat("NVML: no GPU that this process may use",
                                    last.ok() ? "" : StrCat(": ", last.message()),
                                    " (does the container ask for nvidia.com/gpu?)"));
}

void Nvml::Subscribe() {
  const absl::Status created = Check(call_.EventSetCreate(&events_), "nvmlEventSetCreate");
  if (!created.ok()) events_ = nullptr;
  for (Device& device : devices_) {
    device.reports_xids = created.ok()
                              ? Check(call_.DeviceRegisterEvents(
                                          device.handle, nvml::kEventXidCriticalError, events_),
                                      "nvmlDeviceRegisterEvents")
                              : created;
  }
}

absl::StatusOr<int> Nvml::UtilizationPercent(int gpu) const {
  nvml::Utilization rates{};
  RETURN_IF_ERROR(Check(call_.DeviceGetUtilizationRates(devices_[gpu].handle, &rates),
                        "nvmlDeviceGetUtilizationRates"));
  return static_cast<int>(rates.gpu);
}

absl::StatusOr<Nvml::MemoryBytes> Nvml::Memory(int gpu) const {
  nvml::Memory memory{};
  RETURN_IF_ERROR(
      Check(call_.DeviceGetMemoryInfo(devices_[gpu].handle, &memory), "nvmlDeviceGetMemoryInfo"));
  return MemoryBytes{memory.used, memory.free};
}

absl::StatusOr<double> Nvml::PowerWatts(int gpu) const {
  unsigned milliwatts = 0;
  RETURN_IF_ERROR(Check(call_.DeviceGetPowerUsage(devices_[gpu].handle, &milliwatts),
                        "nvmlDeviceGetPowerUsage"));
  return milliwatts / 1000.0;
}

absl::StatusOr<int> Nvml::TemperatureCelsius(int gpu) const {
  unsigned celsius = 0;
  RETURN_IF_ERROR(
      Check(call_.DeviceGetTemperature(devices_[gpu].handle, nvml::kTemperatureGpu, &celsius),
            "nvmlDeviceGetTemperature"));
  return static_cast<int>(celsius);
}

absl::StatusOr<std::vector<Nvml::Xid>> Nvml::TakeXids() {
  std::vector<Xid> xids;
  if (!events_) return xids;
  for (int i = 0; i < kMaxEventsAtOnce; ++i) {
    nvml::EventData event{};
    const nvml::Return result = call_.EventSetWait_v2(events_, &event, /*timeout_ms=*/0);
    if (result == nvml::kTimeout) break;
    if (result != nvml::kSuccess) {
      // What came before must not be lost; the error comes again at the next call.
      if (!xids.empty()) break;
      return Check(result, "nvmlEventSetWait_v2");
    }
    const int gpu = GpuOf(event.device);
    if (event.type == nvml::kEventXidCriticalError && gpu >= 0) xids.push_back({gpu, event.data});
  }
  return xids;
}

int Nvml::GpuOf(nvml::Device* handle) const {
  for (size_t i = 0; i < devices_.size(); ++i) {
    if (devices_[i].handle == handle) return static_cast<int>(i);
  }
  // That a GPU has one handle only is nowhere promised.
  std::array<char, nvml::kUuidBufferBytes> uuid{};
  if (call_.DeviceGetUUID(handle, uuid.data(), uuid.size()) != nvml::kSuccess) return -1;
  uuid.back() = '\0';
  for (size_t i = 0; i < gpus_.size(); ++i) {
    if (gpus_[i].uuid == uuid.data()) return static_cast<int>(i);
  }
  return -1;
}

absl::Status Nvml::Check(nvml::Return result, const char* function) const {
  if (result == nvml::kSuccess) return absl::OkStatus();
  const char* words = call_.ErrorString(result);
  return absl::Status(CodeOf(result),
                      ToAbsl(StrCat(function, ": ", words ? words : "error", " (", result, ")")));
}

}  // namespace deepseek::agent
