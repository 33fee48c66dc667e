// A fake of libnvidia-ml.so.1, for machines without a GPU: the functions that the agent calls, with
// fixed numbers. Environment variables, read at each call, change them:
//   FAKE_NVML_GPUS   how many GPUs there are (1)
//   FAKE_NVML_UTIL   utilization of GPU 0 in percent (40); GPU n has n more
//   FAKE_NVML_FAIL   "FUNCTION=CODE,FUNCTION@GPU=CODE,..": what fails, on which GPU, with which
//   code FAKE_NVML_XIDS   "GPU:XID,GPU:XID,..": events, each given once in a session
//   FAKE_NVML_BLOCK  a FIFO: DeviceGetPowerUsage returns when somebody has opened it for writing
//   and
//                    closed it
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

#include "agent/gpu/nvml_abi.h"

namespace nvml = deepseek::agent::nvml;

struct nvml::Device {
  unsigned index;
};
struct nvml::EventSet {
  unsigned registered = 0;  // bits by GPU
};

namespace {

constexpr unsigned kMaxGpus = 16;
nvml::Device devices[kMaxGpus];
// Events name the same GPUs by other handles, which NVML does not rule out.
nvml::Device event_devices[kMaxGpus];
std::atomic<size_t> events_given = 0;
std::atomic<int> open_sessions = 0;

std::string Env(const char* name, const char* otherwise = "") {
  const char* value = std::getenv(name);
  return value ? value : otherwise;
}

std::vector<std::string> List(const char* name) {
  std::vector<std::string> items;
  std::istringstream text(Env(name));
  for (std::string item; std::getline(text, item, ',');) items.push_back(item);
  return items;
}

unsigned Gpus() {
  return static_cast<unsigned>(std::stoul(Env("FAKE_NVML_GPUS", "1")));
}

nvml::Return Outcome(const std::string& function, int gpu = -1) {
  for (const std::string& item : List("FAKE_NVML_FAIL")) {
    const size_t is = item.find('=');
    const std::string what = item.substr(0, is);
    if (what == function || what == function + "@" + std::to_string(gpu))
      return std::stoi(item.substr(is + 1));
  }
  return nvml::kSuccess;
}

nvml::Return Outcome(const char* function, const nvml::Device* device) {
  return Outcome(function, static_cast<int>(device->index));
}

void BlockIfAsked() {
  const std::string fifo = Env("FAKE_NVML_BLOCK");
  if (fifo.empty()) return;
  const int fd = open(fifo.c_str(), O_RDONLY);
  char byte = 0;
  while (fd >= 0 && read(fd, &byte, 1) > 0) {
  }
  if (fd >= 0) close(fd);
}

}  // namespace

extern "C" {

/// Not NVML's: sessions that were begun and not ended.
int fakeNvmlOpenSessions() {
  return open_sessions;
}

nvml::Return nvmlInit_v2() {
  const nvml::Return outcome = Outcome("nvmlInit_v2");
  if (outcome != nvml::kSuccess) return outcome;
  for (unsigned i = 0; i < kMaxGpus; ++i) devices[i].index = event_devices[i].index = i;
  events_given = 0;
  ++open_sessions;
  return nvml::kSuccess;
}

nvml::Return nvmlShutdown() {
  --open_sessions;
  return nvml::kSuccess;
}

const char* nvmlErrorString(nvml::Return result) {
  switch (result) {
    case nvml::kSuccess:
      return "Success";
    case nvml::kNotSupported:
      return "Not Supported";
    case nvml::kNoPermission:
      return "Insufficient Permissions";
    case nvml::kDriverNotLoaded:
      return "Driver Not Loaded";
    case nvml::kTimeout:
      return "Timeout";
    case nvml::kGpuIsLost:
      return "GPU is lost";
    default:
      return "Unknown Error";
  }
}

nvml::Return nvmlDeviceGetCount_v2(unsigned* count) {
  *count = Gpus();
  return Outcome("nvmlDeviceGetCount_v2");
}

nvml::Return nvmlDeviceGetHandleByIndex_v2(unsigned index, nvml::Device** device) {
  *device = &devices[index];
  return Outcome("nvmlDeviceGetHandleByIndex_v2", *device);
}

nvml::Return nvmlDeviceGetUUID(nvml::Device* device, char* uuid, unsigned buffer_bytes) {
  std::snprintf(uuid, buffer_bytes, "GPU-fake-%u", device->index);
  return Outcome("nvmlDeviceGetUUID", device);
}

nvml::Return nvmlDeviceGetUtilizationRates(nvml::Device* device, nvml::Utilization* rates) {
  *rates = {static_cast<unsigned>(std::stoul(Env("FAKE_NVML_UTIL", "40"))) + device->index, 7};
  return Outcome("nvmlDeviceGetUtilizationRates", device);
}

nvml::Return nvmlDeviceGetMemoryInfo(nvml::Device* device, nvml::Memory* memory) {
  // 80 GiB; 1 GiB and half a MiB are used, a GiB more on each further GPU.
  memory->total = 80ULL << 30;
  memory->used = ((device->index + 1ULL) << 30) + (1ULL << 19);
  memory->free = memory->total - memory->used;
  return Outcome("nvmlDeviceGetMemoryInfo", device);
}

nvml::Return nvmlDeviceGetPowerUsage(nvml::Device* device, unsigned* milliwatts) {
  BlockIfAsked();
  *milliwatts = 123'250 + 1000 * device->index;
  return Outcome("nvmlDeviceGetPowerUsage", device);
}

nvml::Return nvmlDeviceGetTemperature(nvml::Device* device, unsigned sensor, unsigned* celsius) {
  if (sensor != nvml::kTemperatureGpu) return nvml::kNotSupported;
  *celsius = 55 + device->index;
  return Outcome("nvmlDeviceGetTemperature", device);
}

nvml::Return nvmlEventSetCreate(nvml::EventSet** set) {
  const nvml::Return outcome = Outcome("nvmlEventSetCreate");
  if (outcome == nvml::kSuccess) *set = new nvml::EventSet;
  return outcome;
}

nvml::Return nvmlEventSetFree(nvml::EventSet* set) {
  delete set;
  return nvml::kSuccess;
}

nvml::Return nvmlDeviceRegisterEvents(nvml::Device* device, unsigned long long types,
                                      nvml::EventSet* set) {
  if (types != nvml::kEventXidCriticalError) return nvml::kNotSupported;
  const nvml::Return outcome = Outcome("nvmlDeviceRegisterEvents", device);
  if (outcome == nvml::kSuccess) set->registered |= 1U << device->index;
  return outcome;
}

nvml::Return nvmlEventSetWait_v2(nvml::EventSet* set, nvml::EventData* event, unsigned) {
  const nvml::Return outcome = Outcome("nvmlEventSetWait_v2");
  if (outcome != nvml::kSuccess) return outcome;
  const std::vector<std::string> xids = List("FAKE_NVML_XIDS");
  while (events_given < xids.size()) {
    const std::string& xid = xids[events_given++];
    const unsigned gpu = static_cast<unsigned>(std::stoul(xid));
    if ((set->registered >> gpu & 1U) == 0) continue;
    *event = {&event_devices[gpu], nvml::kEventXidCriticalError,
              std::stoull(xid.substr(xid.find(':') + 1)), ~0U, ~0U};
    return nvml::kSuccess;
  }
  return nvml::kTimeout;
}

}  // extern "C"
