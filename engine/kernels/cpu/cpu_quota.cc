#include "engine/kernels/cpu/cpu_quota.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <sstream>
#include <string>

#include "base/strings.h"

namespace deepseek::engine {
namespace {

std::optional<int64_t> Number(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<double> Cpus(std::optional<int64_t> quota, std::optional<int64_t> period) {
  if (!quota || !period || *quota <= 0 || *period <= 0) return std::nullopt;
  return static_cast<double>(*quota) / static_cast<double>(*period);
}

std::string ReadAll(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// The tightest of `limit(directory)` from `path` under `root` up to the root itself.
template <typename Limit>
double Tightest(const std::string& root, std::string path, double cpus, Limit limit) {
  for (;;) {
    if (const std::optional<double> quota = limit(root + path)) cpus = std::min(cpus, *quota);
    if (path.empty() || path == "/") return cpus;
    path.resize(path.find_last_of('/'));
  }
}

}  // namespace

std::optional<double> CpusOfCpuMax(std::string_view cpu_max) {
  const size_t space = cpu_max.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  return Cpus(Number(cpu_max.substr(0, space)), Number(cpu_max.substr(space + 1)));
}

std::optional<double> CpusOfCfsQuota(std::string_view quota_us, std::string_view period_us) {
  return Cpus(Number(quota_us), Number(period_us));
}

double AvailableCpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  double cpus = ::sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
  const auto v2 = [](const std::string& dir) { return CpusOfCpuMax(ReadAll(dir + "/cpu.max")); };
  const auto v1 = [](const std::string& dir) {
    return CpusOfCfsQuota(ReadAll(dir + "/cpu.cfs_quota_us"), ReadAll(dir + "/cpu.cfs_period_us"));
  };
  // Lines "id:controllers:path"; v2 has id 0 and no controllers.
  std::ifstream file("/proc/self/cgroup");
  std::string line;
  while (std::getline(file, line)) {
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers =
        StrCat(",", std::string_view(line).substr(first + 1, second - first - 1), ",");
    const std::string path = line.substr(second + 1);
    if (controllers == ",,") cpus = Tightest("/sys/fs/cgroup", path, cpus, v2);
    if (controllers.find(",cpu,") != std::string::npos)
      cpus = Tightest("/sys/fs/cgroup/cpu", path, cpus, v1);
  }
  return cpus;
}

int ThreadsFor(int asked, double available) {
  const int most = std::max(static_cast<int>(std::ceil(available)), 1);
  return asked <= 0 ? most : std::min(asked, most);
}

bool ThreadsMaySpin(int threads, double available) {
  return threads <= available;
}

}  // namespace deepseek::engine
