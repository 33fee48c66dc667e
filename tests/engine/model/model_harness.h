#pragma once
// Runs a model over token ids through Forward and the paged cache, in any cut of the sequence.

#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/model/model.h"
#include "engine/weights/safetensors.h"

namespace deepseek::engine {

enum class Kernels { kReference, kCpu };
std::unique_ptr<Backend> MakeBackend(Kernels kernels, Compute compute, int threads);

struct LoadSpec {
  std::string dir;
  Kernels kernels = Kernels::kCpu;
  Compute compute = Compute::kFp32;
  KvType kv = KvType::kAuto;
  int threads = 2;
  bool mtp = false;
  int32_t max_rows = 512;
  int32_t max_context = 0;  // may pass the model's max_position_embeddings
};
/// Aborts the test program when the model cannot be loaded.
std::unique_ptr<Model> MustLoad(const LoadSpec& spec);

/// One sequence; its blocks are deliberately not in ascending order.
class Sequence {
 public:
  Sequence(Model* model, int32_t first_block, int32_t blocks);
  /// Appends to `batch` the next rows; all of them want logits.
  void AddRows(const std::vector<int32_t>& tokens, RowPath path, Batch* batch);
  int32_t length() const { return length_; }

 private:
  std::vector<int32_t> table_;
  int32_t length_ = 0;
};

struct RunResult {
  std::vector<float> logits;  // [T, vocab]
  std::vector<float> hidden;  // [layers + 1, T, hidden], when asked for
  std::vector<float> mtp;     // [T - 1, vocab], when asked for
};
struct RunSpec {
  int32_t chunk = 0;         // 0: everything at once
  int32_t prompt = 1 << 30;  // rows from here on are generated rows
  bool hidden = false, mtp = false;
};
RunResult RunModel(Model* model, const std::vector<int32_t>& tokens, const RunSpec& spec);

/// Greedy continuation of `prompt` (fed at once), `count` ids or up to `stop`.
std::vector<int32_t> Greedy(Model* model, const std::vector<int32_t>& prompt, int count,
                            int32_t stop = -1);

/// The folders of tests/golden whose family is served.
inline constexpr std::array kGoldenSets = {
    "llama",           "llama_tied",          "qwen2",
    "qwen2_yarn",      "deepseek_v2",         "deepseek_v2_lite",
    "deepseek_v3",     "deepseek_moe_16b",    "deepseek_v3_sharded",
    "deepseek_v3_fp8", "deepseek_v3_fp8_edge"};

/// A golden set: cases.safetensors, expected.safetensors, expected_hidden.safetensors.
class GoldenSet {
 public:
  explicit GoldenSet(const std::string& name);
  std::vector<std::string> cases() const;
  std::vector<int32_t> Ints(const std::string& tensor) const;
  std::vector<float> Floats(const std::string& tensor) const;  // empty when absent
  double tolerance() const;
  double kl_limit() const;
  std::string dir;

 private:
  std::vector<SafetensorsFile> files_;
};

/// Largest |actual - expected| over the listed positions (all when the list is empty). Infinite for
/// NaN.
double MaxError(const std::vector<float>& actual, const std::vector<float>& expected,
                const std::vector<int32_t>& positions, int64_t width);

}  // namespace deepseek::engine
