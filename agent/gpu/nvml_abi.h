#pragma once
// The part of NVML's binary interface that the agent calls, declared by hand: the driver's library
// comes with the node, and nothing of it is needed to build. Names, values and layouts are those of
// NVIDIA's NVML API reference; functions carry the version suffix under which the library exports
// them.

namespace deepseek::agent::nvml {

// Opaque to callers.
struct Device;
struct EventSet;

using Return = int;
inline constexpr Return kSuccess = 0;
inline constexpr Return kNotSupported = 3;
inline constexpr Return kNoPermission = 4;
inline constexpr Return kNotFound = 6;
inline constexpr Return kDriverNotLoaded = 9;
inline constexpr Return kTimeout = 10;
inline constexpr Return kGpuIsLost = 15;

inline constexpr unsigned kTemperatureGpu = 0;
inline constexpr unsigned long long kEventXidCriticalError = 8;
inline constexpr unsigned kUuidBufferBytes = 96;

/// Percent of the driver's last sample period.
struct Utilization {
  unsigned gpu, memory;
};

/// Bytes; version 1, whose `used` holds what the driver keeps for itself too.
struct Memory {
  unsigned long long total, free, used;
};

/// As nvmlEventSetWait_v2 writes it. The last two: 0xFFFFFFFF without MIG.
struct EventData {
  Device* device;
  unsigned long long type, data;
  unsigned gpu_instance_id, compute_instance_id;
};

/// One member for each function, named like it without "nvml".
struct Functions {
  Return (*Init_v2)();
  Return (*Shutdown)();
  const char* (*ErrorString)(Return);
  Return (*DeviceGetCount_v2)(unsigned* count);
  Return (*DeviceGetHandleByIndex_v2)(unsigned index, Device** device);
  Return (*DeviceGetUUID)(Device*, char* uuid, unsigned buffer_bytes);
  Return (*DeviceGetUtilizationRates)(Device*, Utilization*);
  Return (*DeviceGetMemoryInfo)(Device*, Memory*);
  Return (*DeviceGetPowerUsage)(Device*, unsigned* milliwatts);
  Return (*DeviceGetTemperature)(Device*, unsigned sensor, unsigned* celsius);
  Return (*EventSetCreate)(EventSet**);
  Return (*EventSetFree)(EventSet*);
  Return (*DeviceRegisterEvents)(Device*, unsigned long long types, EventSet*);
  Return (*EventSetWait_v2)(EventSet*, EventData*, unsigned timeout_ms);
};

}  // namespace deepseek::agent::nvml
