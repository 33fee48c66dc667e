#pragma once
// The GPUs of this process as NVIDIA's management library (NVML) tells them. The library belongs to
// the driver: it is loaded at run time and nothing is linked.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/gpu/nvml_abi.h"

namespace deepseek::agent {

/// Reads only; no setting of a GPU is changed. Not thread-safe (the library is; the XID events are
/// taken by who asks first). Errors of the calls name NVML's function and its words;
/// kUnimplemented: this GPU has no such value.
class Nvml {
 public:
  /// The name that every driver installs; found as the dynamic loader finds libraries.
  static constexpr char kLibrary[] = "libnvidia-ml.so.1";

  struct Gpu {
    int index = 0;  ///< NVML's
    std::string uuid;
  };
  struct MemoryBytes {
    uint64_t used = 0, free = 0;
  };
  struct Xid {
    int gpu = 0;        ///< place in gpus()
    uint64_t code = 0;  ///< NVIDIA's number of the error
  };

  /// Loads `library` and starts a session, which ends with the object. kNotFound: it cannot be
  /// loaded or there is no GPU that this process may use; kUnimplemented: it lacks a function;
  /// kUnavailable: it does not start (no driver, ..).
  static absl::StatusOr<std::unique_ptr<Nvml>> Load(const std::string& library);
  ~Nvml();
  Nvml(const Nvml&) = delete;
  Nvml& operator=(const Nvml&) = delete;

  /// Those that this process may use, at least one. The same as long as the object lives; the
  /// functions below take a place in it.
  const std::vector<Gpu>& gpus() const { return gpus_; }

  /// 0 to 100: part of the driver's last sample period in which a kernel ran.
  absl::StatusOr<int> UtilizationPercent(int gpu) const;
  absl::StatusOr<MemoryBytes> Memory(int gpu) const;
  absl::StatusOr<double> PowerWatts(int gpu) const;
  absl::StatusOr<int> TemperatureCelsius(int gpu) const;

  /// OK: XID errors of this GPU are reported from Load() on.
  const absl::Status& ReportsXids(int gpu) const { return devices_[gpu].reports_xids; }
  /// The XID errors since the last call, oldest first; does not wait. Each is given once.
  absl::StatusOr<std::vector<Xid>> TakeXids();

 private:
  struct Device {
    nvml::Device* handle = nullptr;
    absl::Status reports_xids;
  };

  explicit Nvml(void* library) : library_(library) {}
  absl::Status Bind(const std::string& library);
  absl::Status FindGpus();
  void Subscribe();
  /// Place in gpus(); -1: none of ours.
  int GpuOf(nvml::Device* handle) const;
  absl::Status Check(nvml::Return result, const char* function) const;

  void* library_;
  nvml::Functions call_{};
  bool started_ = false;
  std::vector<Gpu> gpus_;
  std::vector<Device> devices_;  // by place in gpus_
  nvml::EventSet* events_ = nullptr;
};

}  // namespace deepseek::agent
