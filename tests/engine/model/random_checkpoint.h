#pragma once
// Whole checkpoints of any shape, with random weights.

#include <random>
#include <string>
#include <vector>

#include "base/json_full.h"
#include "engine/weights/expected_tensors.h"

namespace deepseek::engine {

/// A folder with random weights of `dtype` ("BF16", "F16", "F32"; linears E4M3 where the config
/// says so) for `config`; removed at the end.
class RandomCheckpoint {
 public:
  RandomCheckpoint(const Json& config, const std::string& dtype, uint32_t seed);
  ~RandomCheckpoint();
  RandomCheckpoint(const RandomCheckpoint&) = delete;
  RandomCheckpoint& operator=(const RandomCheckpoint&) = delete;
  std::string dir;

 private:
  void Add(const std::string& name, const std::string& dtype, const std::vector<int64_t>& shape,
           const std::string& bytes);
  void AddFloat(const ExpectedTensor& tensor, const std::string& dtype);
  void AddFp8(const ExpectedTensor& tensor, const ModelSpec& spec);

  std::mt19937 random_;
  Json header_;
  std::string data_;
};

}  // namespace deepseek::engine
