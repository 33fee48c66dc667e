#pragma once
// A read-only file: mapped for headers and tools, read in pieces by a load.

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace deepseek::engine {

/// Move-only; unmaps in the destructor. Views of bytes() must not outlive it.
class MappedFile {
 public:
  /// kNotFound: no such file; kDataLoss: not a regular file or empty; kInternal: the system
  /// refused.
  static absl::StatusOr<MappedFile> Open(const std::string& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  absl::Span<const uint8_t> bytes() const { return {data_, size_}; }
  /// Copies the bytes from `offset` on. Unlike the mapping, this outlives a file that is cut off
  /// meanwhile (a touched page behind the end is SIGBUS) and leaves no page of it in this process.
  /// kDataLoss with the path and the reason. Any thread.
  absl::Status Read(int64_t offset, absl::Span<uint8_t> to) const;
  /// Asks the system to fetch this range already. Any thread.
  void Prefetch(int64_t offset, int64_t bytes) const;
  /// This range will not be read again soon: its pages need not stay in the system's cache.
  void Evict(int64_t offset, int64_t bytes) const;

 private:
  MappedFile(std::string path, int fd, const uint8_t* data, size_t size)
      : path_(std::move(path)), fd_(fd), data_(data), size_(size) {}
  std::string path_;
  int fd_ = -1;
  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace deepseek::engine
