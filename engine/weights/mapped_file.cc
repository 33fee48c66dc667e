#include "engine/weights/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/strings.h"

namespace deepseek::engine {

absl::StatusOr<MappedFile> MappedFile::Open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    const int error = errno;
    const std::string text = StrCat(path, ": ", std::strerror(error));
    return error == ENOENT ? absl::NotFoundError(text) : absl::DataLossError(text);
  }
  struct stat info {};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size == 0) {
    ::close(fd);
    return absl::DataLossError(StrCat(path, ": is empty or not a regular file"));
  }
  const auto size = static_cast<size_t>(info.st_size);
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (data == MAP_FAILED) {
    const int error = errno;
    ::close(fd);
    return absl::InternalError(
        StrCat(path, ": cannot map ", size, " bytes: ", std::strerror(error)));
  }
  return MappedFile(path, fd, static_cast<const uint8_t*>(data), size);
}

MappedFile::MappedFile(MappedFile&& other) noexcept {
  *this = std::move(other);
}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<uint8_t*>(data_), size_);
  if (fd_ >= 0) ::close(fd_);
}

absl::Status MappedFile::Read(int64_t offset, absl::Span<uint8_t> to) const {
  const int64_t wanted = offset + static_cast<int64_t>(to.size());
  while (!to.empty()) {
    const ssize_t n = ::pread(fd_, to.data(), to.size(), offset);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return absl::DataLossError(StrCat(path_, ": ", std::strerror(errno)));
    if (n == 0) {
      return absl::DataLossError(StrCat(path_, ": ends at byte ", offset, ", expected ", wanted,
                                        " (it was cut off while it was read)"));
    }
    offset += n;
    to.remove_prefix(static_cast<size_t>(n));
  }
  return absl::OkStatus();
}

// Both are advice: what they return does not matter.
void MappedFile::Prefetch(int64_t offset, int64_t bytes) const {
  ::posix_fadvise(fd_, offset, bytes, POSIX_FADV_WILLNEED);
}

void MappedFile::Evict(int64_t offset, int64_t bytes) const {
  ::posix_fadvise(fd_, offset, bytes, POSIX_FADV_DONTNEED);
}

}  // namespace deepseek::engine
