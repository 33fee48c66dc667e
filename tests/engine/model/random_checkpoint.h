#pragma once
// Checkpoints of any shape and stored type with random weights.

#include <random>
#include <string>
#include <vector>

#include "base/json_full.h"
#include "engine/weights/check_tensors.h"
#include "tests/support/temp_dir.h"

namespace deepseek::engine {

/// A DeepSeek-V3 of odd widths with two layers and an MTP layer.
Json SmallConfig();

/// A folder with random weights of `dtype` for `config`, and FP8 scales of `scales`, whose values
/// are the same in each type; removed at the end.
class RandomCheckpoint {
 public:
  RandomCheckpoint(const Json& config, const std::string& dtype, uint32_t seed,
                   std::string scales = "F32");

 private:
  const TempDir folder_{"shapes_test"};

 public:
  const std::string dir = folder_.path();

 private:
  void Add(const std::string& name, const std::string& dtype, const std::vector<int64_t>& shape,
           const std::string& bytes);
  void AddFloat(const ExpectedTensor& tensor, const std::string& dtype);
  void AddFp8(const ExpectedTensor& tensor, const ModelSpec& spec);

  const std::string scales_;
  std::mt19937 random_;
  Json header_;
  std::string data_;
};

}  // namespace deepseek::engine
