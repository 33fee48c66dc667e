#pragma once
// A checkpoint folder: one model.safetensors, or shards named by model.safetensors.index.json.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engine/arch/model_spec.h"
#include "engine/weights/safetensors.h"

namespace deepseek::engine {

/// Reads DIR/config.json. Errors carry its path.
absl::StatusOr<ModelSpec> ReadModelSpec(const std::string& dir);
/// The text of a file of at most `max_bytes`. kNotFound / kDataLoss.
absl::StatusOr<std::string> ReadTextFile(const std::string& path, int64_t max_bytes);

/// Move-only (holds the mappings). Views stay valid as long as it lives.
class Checkpoint {
 public:
  /// kNotFound: no weights or a shard is missing (names it); kDataLoss: a file is broken.
  static absl::StatusOr<Checkpoint> Open(const std::string& dir);
  /// kDataLoss naming the tensor when it is missing.
  absl::StatusOr<const TensorView*> Get(const std::string& name) const;
  /// null when there is no such tensor.
  const TensorView* Find(const std::string& name) const;
  /// The shard that the index says has a tensor; empty: it does not say. Reads the index anew.
  std::string IndexedIn(const std::string& name) const;
  /// Base names of the weight files, in order.
  std::vector<std::string> files() const;
  int64_t total_bytes() const;
  /// Where a tensor of this checkpoint lies.
  struct Place {
    const MappedFile* file = nullptr;
    int64_t offset = 0;
  };
  Place PlaceOf(const TensorView& view) const;

 private:
  std::string dir_;
  std::map<std::string, SafetensorsFile> files_;  // by base name
  // The tensors of all files. Keys are the views' own names.
  absl::flat_hash_map<absl::string_view, const TensorView*> tensors_;
};

}  // namespace deepseek::engine
