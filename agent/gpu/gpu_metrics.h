#pragma once
// The GPUs' metrics (docs/reference/metrics.md) by the names and units of NVIDIA's dcgm-exporter,
// so that its dashboards and alerts work.

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/gpu/nvml.h"
#include "base/metrics/metrics.h"

namespace deepseek::agent {

enum class GpuMetricsMode {
  kOff,   ///< nothing is loaded
  kOn,    ///< a warning where there is no GPU or no library
  kAuto,  ///< a line for who wants to know
};

/// "auto", "on", "off". kInvalidArgument names the flag and what it takes.
absl::StatusOr<GpuMetricsMode> ParseGpuMetrics(std::string_view text);

/// Who the GPUs' user is; labels of every series. An empty one is left out.
struct PodIdentity {
  std::string name, name_space;
};

/// Reads the GPUs when it is asked, at most once a second. A value that a GPU does not have, or
/// that could not be read, is left out; a failure is logged once for each kind of error.
/// Thread-safe.
class GpuMetrics {
 public:
  /// `now`: the clock, called from the threads that ask.
  GpuMetrics(std::unique_ptr<Nvml> nvml, const PodIdentity& pod, std::function<absl::Time()> now);

  /// Never waits for another's reading: a driver in trouble may take minutes over a call, and who
  /// asks meanwhile gets what was read before, as long as it is not older than kForgetAfter.
  std::vector<metrics::GaugeFamily> Read();
  int gpus() const { return static_cast<int>(gpus_.size()); }

  static constexpr absl::Duration kReadEvery = absl::Seconds(1);
  static constexpr absl::Duration kForgetAfter = absl::Seconds(60);

 private:
  struct Gpu {
    metrics::Labels labels;
    uint64_t last_xid = 0;  ///< 0: none yet
  };

  std::vector<metrics::GaugeFamily> ReadGpus();
  void TakeXids();
  /// Says it once for each kind; kUnimplemented is no failure.
  void Report(const absl::Status& status);

  const std::function<absl::Time()> now_;
  std::mutex reading_;  ///< held over calls of NVML: only tried
  std::unique_ptr<Nvml> nvml_;
  std::vector<Gpu> gpus_;
  std::set<std::string> reported_;

  std::mutex mutex_;  ///< of the two below, never held over a call of NVML
  std::optional<absl::Time> read_at_;
  std::vector<metrics::GaugeFamily> last_;
};

/// Loads `library` and adds its GPUs to `registry`, which must not be asked for its text after the
/// result is gone. Null, said in one line of the log: there is no library or no GPU, or `mode` is
/// kOff.
std::unique_ptr<GpuMetrics> OpenGpuMetrics(GpuMetricsMode mode, metrics::Registry& registry,
                                           const PodIdentity& pod,
                                           const std::string& library = Nvml::kLibrary);

}  // namespace deepseek::agent
