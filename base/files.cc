#include "base/files.h"

#include <cerrno>
#include <cstring>
#include <fstream>

#include "base/strings.h"

namespace deepseek {

absl::StatusOr<std::string> ReadTextFile(const std::string& path, size_t limit_bytes) {
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  std::string text(limit_bytes + 1, '\0');
  // A directory opens well and fails in the first read.
  if (!in || (!in.read(text.data(), static_cast<std::streamsize>(text.size())) && !in.eof())) {
    return absl::NotFoundError(
        StrCat(path, ": ", errno != 0 ? std::strerror(errno) : "cannot be read"));
  }
  text.resize(static_cast<size_t>(in.gcount()));
  if (text.size() > limit_bytes) {
    return absl::InvalidArgumentError(
        StrCat(path, ": larger than the limit of ", limit_bytes, " bytes"));
  }
  return text;
}

}  // namespace deepseek
