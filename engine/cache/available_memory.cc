#include "engine/cache/available_memory.h"

#include <algorithm>
#include <fstream>
#include <string>

namespace deepseek::engine {
namespace {

// A file with one number; false when it is absent or says "max".
bool ReadNumber(const std::string& path, int64_t* out) {
  std::ifstream file(path);
  return static_cast<bool>(file >> *out);
}

int64_t CgroupLeft(const char* limit_path, const char* used_path) {
  int64_t limit = 0;
  int64_t used = 0;
  if (!ReadNumber(limit_path, &limit) || !ReadNumber(used_path, &used)) return INT64_MAX;
  return std::max<int64_t>(0, limit - used);
}

}  // namespace

int64_t AvailableMemoryBytes() {
  int64_t available = INT64_MAX;
  std::ifstream file("/proc/meminfo");
  std::string word;
  while (file >> word) {
    int64_t kib = 0;
    if (word == "MemAvailable:" && file >> kib) available = kib * 1024;
  }
  available =
      std::min(available, CgroupLeft("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"));
  return std::min(available, CgroupLeft("/sys/fs/cgroup/memory/memory.limit_in_bytes",
                                        "/sys/fs/cgroup/memory/memory.usage_in_bytes"));
}

}  // namespace deepseek::engine
