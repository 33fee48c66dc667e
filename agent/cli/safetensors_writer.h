#pragma once
// Writes a safetensors file as a stream: all names and shapes first, then the tensors' bytes in
// that order. The file appears under its name only when it is whole; links stay, what they name is
// replaced. What is no plain file (a device, a pipe) is written to as the bytes come.

#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace deepseek::agent {

struct TensorHeader {
  std::string name;
  std::string dtype;  ///< "F32" or "I32": 4 bytes an element
  std::vector<int64_t> shape;
  int64_t bytes() const;
};

/// Not thread-safe.
class SafetensorsWriter {
 public:
  /// kInvalidArgument: the file cannot be written.
  static absl::StatusOr<SafetensorsWriter> Create(const std::string& path,
                                                  const std::vector<TensorHeader>& tensors);
  SafetensorsWriter(SafetensorsWriter&&) = default;
  /// Removes what was written unless Finish succeeded.
  ~SafetensorsWriter();

  void Append(absl::Span<const float> values);
  void Append(absl::Span<const int32_t> values);
  /// kInternal: fewer or more bytes than announced; kInvalidArgument: the disk refused some.
  absl::Status Finish();

 private:
  SafetensorsWriter() = default;
  void Write(const void* data, size_t bytes);

  std::string path_, file_, part_;  // file_: behind links; it and part_ empty: straight into path_
  std::ofstream out_;
  int64_t left_ = 0;  // announced bytes not yet written
};

}  // namespace deepseek::agent
