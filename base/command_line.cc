#include "base/command_line.h"

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

}  // namespace deepseek
