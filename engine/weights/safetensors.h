#pragma once
// The safetensors format (https://github.com/huggingface/safetensors): u64 header length, JSON
// header, tensor bytes. The file is untrusted: nothing of the header is believed before it has been
// checked against the file's size.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/weights/mapped_file.h"

namespace deepseek::engine {

/// One tensor inside a mapped file. `data` may be unaligned: read elements with memcpy.
struct TensorView {
  std::string name;
  std::string dtype;  ///< as in the header: "BF16", "F8_E4M3", ...
  std::vector<int64_t> shape;
  absl::Span<const uint8_t> data;
  int64_t elements() const;
  std::string ShapeText() const;  ///< "[576, 7168]"
};
std::string ShapeText(absl::Span<const int64_t> shape);

/// Parses the header of a whole file image. `what` names the file in messages (kDataLoss). Checked:
/// header length, JSON depth, known dtypes, shapes whose elements and bits int64 can count, offsets
/// in bounds and as long as the shape says, no overlap, no hole and no tail ("the byte buffer needs
/// to be entirely indexed").
absl::StatusOr<std::map<std::string, TensorView>> ParseSafetensors(
    absl::Span<const uint8_t> file, std::string_view what,
    std::map<std::string, std::string>* metadata = nullptr);

/// A mapped file and its tensors.
class SafetensorsFile {
 public:
  static absl::StatusOr<SafetensorsFile> Open(const std::string& path);
  const std::map<std::string, TensorView>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  /// null: no such tensor.
  const TensorView* Find(const std::string& name) const;
  const MappedFile& file() const { return file_; }

 private:
  explicit SafetensorsFile(MappedFile file) : file_(std::move(file)) {}
  MappedFile file_;
  std::map<std::string, TensorView> tensors_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace deepseek::engine
