// rope_interleave false: channel i turns with channel i + half instead of with its neighbour. The
// oracle knows neighbours only, but a model with the rope rows of q_b_proj and kv_a_proj in the
// order of halves is the same model, to the layout's word: its numbers are the golden set's.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/json_full.h"
#include "tests/engine/model/model_harness.h"
#include "tests/support/temp_dir.h"

namespace deepseek::engine {
namespace {

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Rows [first, first + width) of a matrix at `data`: the even ones, then the odd ones.
void OrderHalves(char* data, size_t row_bytes, int64_t first, int64_t width) {
  char* rows = data + static_cast<size_t>(first) * row_bytes;
  const std::string old(rows, static_cast<size_t>(width) * row_bytes);
  for (int64_t i = 0; i < width; ++i) {
    const int64_t from = i < width / 2 ? 2 * i : 2 * (i - width / 2) + 1;
    old.copy(rows + static_cast<size_t>(i) * row_bytes, row_bytes,
             static_cast<size_t>(from) * row_bytes);
  }
}

// The golden set with rope_interleave false, its rows reordered if `reorder`.
void WriteHalves(const GoldenSet& golden, const std::filesystem::path& dir, bool reorder) {
  Json config = Json::parse(ReadFile(golden.dir + "/config.json"));
  const ModelSpec spec = *ParseModelConfig(config.dump());
  config["rope_interleave"] = false;
  std::ofstream(dir / "config.json") << config.dump();
  std::string image = ReadFile(golden.dir + "/model.safetensors");
  const auto file = SafetensorsFile::Open(golden.dir + "/model.safetensors");
  for (const auto& [name, view] : file->tensors()) {
    const bool query = name.ends_with("q_b_proj.weight");
    if (!reorder || (!query && !name.ends_with("kv_a_proj_with_mqa.weight"))) continue;
    char* data = image.data() + (view.data.data() - file->file().bytes().data());
    const int64_t head = query ? spec.nope_dim + spec.rope_dim : view.shape[0];
    for (int64_t end = head; end <= view.shape[0]; end += head) {
      OrderHalves(data, view.data.size() / static_cast<size_t>(view.shape[0]), end - spec.rope_dim,
                  spec.rope_dim);
    }
  }
  std::ofstream(dir / "model.safetensors", std::ios::binary) << image;
}

class RopeLayout : public testing::TestWithParam<Kernels> {
 protected:
  /// The largest error of the golden set's logits (the MTP layer's, too) with the layout of halves.
  double Error(bool reorder, const RunSpec& run) const {
    const TempDir dir("rope_layout");
    WriteHalves(golden_, dir.path(), reorder);
    LoadSpec load;
    load.dir = dir.path();
    load.kernels = GetParam();
    load.mtp = true;
    load.max_context = 384;
    const auto model = MustLoad(load);
    double worst = 0;
    for (const std::string& name : golden_.cases()) {
      const RunResult result = RunModel(model.get(), golden_.Ints(name + ".input_ids"), run);
      worst = std::max(worst, MaxError(result.logits, golden_.Floats(name + ".logits"),
                                       golden_.Ints(name + ".positions"), model->spec().vocab));
      const std::vector<float> mtp = golden_.Floats(name + ".mtp_logits");
      if (mtp.empty()) continue;
      worst = std::max(worst, MaxError(result.mtp, mtp, golden_.Ints(name + ".mtp_positions"),
                                       model->spec().vocab));
    }
    return worst;
  }
  GoldenSet golden_{"deepseek_v3"};
};

TEST_P(RopeLayout, HalvesOfReorderedRowsAreTheOraclesNumbers) {
  RunSpec run;
  run.mtp = true;
  EXPECT_LE(Error(true, run), golden_.tolerance());
  run.prompt = 40;
  run.chunk = 7;
  EXPECT_LE(Error(true, run), golden_.tolerance());
  EXPECT_GT(Error(false, run), 10 * golden_.tolerance());  // it is the layout that is tested
}

INSTANTIATE_TEST_SUITE_P(Kernels, RopeLayout, testing::Values(Kernels::kReference, Kernels::kCpu),
                         [](const auto& info) {
                           return info.param == Kernels::kCpu ? "cpu" : "reference";
                         });

}  // namespace
}  // namespace deepseek::engine
