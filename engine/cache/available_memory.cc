#include "engine/cache/available_memory.h"

#include <algorithm>
#include <fstream>
#include <optional>

#include "base/strings.h"

namespace deepseek::engine {
namespace {

// The number after `key` in a file of "key number" pairs; without a key, the file's first word.
std::optional<int64_t> ReadNumber(const std::string& path, const std::string& key = "") {
  std::ifstream file(path);
  std::string word;
  int64_t value = 0;
  if (key.empty()) return file >> value ? std::optional(value) : std::nullopt;
  while (file >> word) {
    if (word == key && file >> value) return value;
  }
  return std::nullopt;
}

// File names of the memory controller.
struct Controller {
  const char* mount;
  const char* limit;
  const char* used;
  const char* stat_prefix;
};
constexpr Controller kV1{"/sys/fs/cgroup/memory", "/memory.limit_in_bytes",
                         "/memory.usage_in_bytes", "total_"};
constexpr Controller kV2{"/sys/fs/cgroup", "/memory.max", "/memory.current", ""};

// Takes the least room of the groups from `path` up to the controller's mount.
void Tighten(const std::string& root, const Controller& c, std::string path, MemoryRoom* room) {
  constexpr int64_t kNoLimit = int64_t{1} << 60;  // v1 writes a huge number, v2 "max"
  for (;;) {
    const std::string dir = StrCat(root, c.mount, path == "/" ? "" : path);
    const auto limit = ReadNumber(dir + c.limit);
    const auto used = ReadNumber(dir + c.used);
    if (limit && used && *limit < kNoLimit) {
      int64_t files = 0;
      for (const char* kind : {"inactive_file", "active_file"}) {
        files += ReadNumber(dir + "/memory.stat", StrCat(c.stat_prefix, kind)).value_or(0);
      }
      const int64_t left = std::clamp<int64_t>(*limit - *used + files, 0, *limit);
      if (left < room->bytes) *room = {left, StrCat("the cgroup's limit of ", *limit, " bytes")};
    }
    if (path.empty() || path == "/") return;
    path.resize(path.find_last_of('/'));
  }
}

}  // namespace

MemoryRoom AvailableMemory(const std::string& root) {
  MemoryRoom room;
  if (const auto kib = ReadNumber(root + "/proc/meminfo", "MemAvailable:")) {
    room = {*kib * 1024, "the machine"};
  }
  // Lines "id:controllers:path"; v2 has id 0 and no controllers. In a container the group may be
  // mounted as the root itself, which Tighten reaches, too.
  std::ifstream file(root + "/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = StrCat(",", line.substr(first + 1, second - first - 1), ",");
    const std::string path = line.substr(second + 1);
    if (controllers == ",,") Tighten(root, kV2, path, &room);
    if (controllers.find(",memory,") != std::string::npos) Tighten(root, kV1, path, &room);
  }
  return room;
}

int64_t AvailableMemoryBytes() {
  return AvailableMemory().bytes;
}

}  // namespace deepseek::engine
