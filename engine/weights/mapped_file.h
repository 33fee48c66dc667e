#pragma once
// A read-only memory-mapped file.

#include <cstdint>
#include <string>

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
  /// Tells the kernel that this range will not be read again, so that packing a model does not hold
  /// it twice.
  void Drop(const uint8_t* begin, size_t bytes) const;

 private:
  MappedFile(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace deepseek::engine
