// The golden sets (tests/golden/README.md): logits, hidden states, MTP and greedy ids within the
// sets' own tolerances, in every cut of the sequence.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>

#include "tests/engine/model/model_harness.h"

namespace deepseek::engine {
namespace {

struct Case {
  const char* set;
  Kernels kernels;
};

std::string CaseName(const testing::TestParamInfo<Case>& info) {
  return std::string(info.param.set) +
         (info.param.kernels == Kernels::kCpu ? "_cpu" : "_reference");
}

class Golden : public testing::TestWithParam<Case> {
 protected:
  Golden() : golden(GetParam().set) {}
  std::unique_ptr<Model> Load(bool mtp = false) {
    LoadSpec spec;
    spec.dir = golden.dir;
    spec.max_context = 384;  // t300 and its continuation pass qwen2_yarn's 256 positions
    spec.kernels = GetParam().kernels;
    spec.mtp = mtp;
    return MustLoad(spec);
  }
  bool has_mtp() const { return !golden.Floats("t7.mtp_logits").empty(); }
  void ExpectLogits(Model* model, const char* what, const RunSpec& run) {
    double worst = 0;
    for (const std::string& name : golden.cases()) {
      const RunResult result = RunModel(model, golden.Ints(name + ".input_ids"), run);
      const double error = MaxError(result.logits, golden.Floats(name + ".logits"),
                                    golden.Ints(name + ".positions"), model->spec().vocab);
      EXPECT_LE(error, golden.tolerance()) << name << " " << what;
      worst = std::max(worst, error);
      if (!run.mtp || golden.Floats(name + ".mtp_logits").empty()) continue;
      const double mtp = MaxError(result.mtp, golden.Floats(name + ".mtp_logits"),
                                  golden.Ints(name + ".mtp_positions"), model->spec().vocab);
      EXPECT_LE(mtp, golden.tolerance()) << name << " MTP " << what;
      worst = std::max(worst, mtp);
    }
    std::printf("%s %s: max error %.2e of %.2e\n", GetParam().set, what, worst, golden.tolerance());
  }
  GoldenSet golden;
};

TEST_P(Golden, LogitsInOneGoAndInChunks) {
  const auto model = Load(has_mtp());
  RunSpec run;
  run.mtp = has_mtp();
  ExpectLogits(model.get(), "one go", run);
  // Short chunks of prompt rows expand the whole context again each time: too slow for plain loops.
  if (GetParam().kernels == Kernels::kCpu) {
    run.chunk = 7;
    ExpectLogits(model.get(), "chunk 7", run);
    run.chunk = 1;
    ExpectLogits(model.get(), "chunk 1, prompt rows", run);
  }
  run.chunk = 1;
  run.prompt = 1;
  ExpectLogits(model.get(), "chunk 1, generated rows", run);
  run.prompt = 40;
  run.chunk = 64;
  ExpectLogits(model.get(), "prompt 40, then generated rows in chunks", run);
}

TEST_P(Golden, HiddenStates) {
  const auto model = Load();
  RunSpec run;
  run.hidden = true;
  for (const int32_t chunk : {0, 3}) {
    run.chunk = chunk;
    const RunResult result = RunModel(model.get(), golden.Ints("t7.input_ids"), run);
    EXPECT_LE(MaxError(result.hidden, golden.Floats("t7.hidden"), {}, model->spec().hidden),
              golden.tolerance());
  }
}

TEST_P(Golden, GreedyContinuations) {
  const auto model = Load();
  for (const std::string& name : golden.cases()) {
    EXPECT_THAT(Greedy(model.get(), golden.Ints(name + ".input_ids"), 32),
                testing::ElementsAreArray(golden.Ints(name + ".greedy")))
        << name;
  }
}

std::vector<Case> Cases() {
  std::vector<Case> cases;
  for (const char* set : kGoldenSets) {
    for (const Kernels kernels : {Kernels::kReference, Kernels::kCpu}) {
      cases.push_back({set, kernels});
    }
  }
  return cases;
}
INSTANTIATE_TEST_SUITE_P(Sets, Golden, testing::ValuesIn(Cases()), CaseName);

}  // namespace
}  // namespace deepseek::engine
