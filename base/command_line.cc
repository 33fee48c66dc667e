#include "base/command_line.h"

#include <poll.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>

#include "absl/status/status.h"
#include "base/status.h"

namespace deepseek {

std::string WrongUseLine(const std::string& command, const std::string& first_word,
                         bool has_subcommand, const std::string& what) {
  std::string why = what;
  if (!has_subcommand && !first_word.empty()) {
    why = first_word + (first_word.front() == '-' ? ": no such option" : ": no such command");
  }
  return ErrorLine(
      absl::InvalidArgumentError(command + ": " + why + " (see: " + command + " --help)"));
}

namespace {

// Of standard output, as in `... | head`.
bool IsReaderGone() {
  pollfd out{STDOUT_FILENO, POLLOUT, 0};
  return ::poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0;
}

}  // namespace

int EndOutput(int exit_code) {
  std::cout.flush();
  const bool written = std::fflush(stdout) == 0 && std::ferror(stdout) == 0 && std::cout.good();
  if (written || exit_code != 0) return exit_code;
  if (IsReaderGone()) return kReaderGone;
  std::fprintf(stderr, "%s\n",
               ErrorLine(absl::DataLossError(
                             "standard output: not all of it could be written (is the disk full?)"))
                   .c_str());
  return 1;
}

}  // namespace deepseek
