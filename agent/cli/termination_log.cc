#include "agent/cli/termination_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "base/status.h"

namespace deepseek::agent {
namespace {

/// Kubernetes keeps 4096 bytes of it.
constexpr size_t kMaxBytes = 4096;

}  // namespace

void ReportFatal(const absl::Status& status) {
  std::string line = ErrorLine(status);
  line += '\n';
  std::fputs(line.c_str(), stderr);
  const char* chosen = std::getenv("DEEPSEEK_TERMINATION_LOG");
  // The default is only written to, never made: outside a container /dev is nobody's place for
  // files.
  const int fd = chosen ? open(chosen, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)
                        : open("/dev/termination-log", O_WRONLY | O_TRUNC | O_CLOEXEC);
  if (fd < 0) return;
  line.resize(std::min(line.size(), kMaxBytes));
  [[maybe_unused]] const ssize_t written = write(fd, line.data(), line.size());
  close(fd);
}

}  // namespace deepseek::agent
