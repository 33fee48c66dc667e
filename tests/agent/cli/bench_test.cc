#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/cli/bench_report.h"
#include "agent/cli/bench_run.h"
#include "agent/cli/process_stats.h"
#include "base/json_full.h"
#include "engine/serving_engine.h"
#include "tests/support/engine/fake_model.h"

namespace deepseek::agent {
namespace {

using engine::FakeModel;
using engine::Op;
using engine::ServingEngine;
using engine::StepProfile;
using ::testing::HasSubstr;

class BenchRunTest : public ::testing::Test {
 protected:
  ServingEngine engine_{std::make_unique<FakeModel>(FakeModel::Options{}), {}};
  StepProfile profile_;
};

TEST_F(BenchRunTest, EveryRowDecodesItsSharePerWindow) {
  for (const int32_t batch : {1, 3, 8}) {
    const auto run = RunBench(engine_, {100, 7, batch, 1, 0}, 1, profile_);
    ASSERT_TRUE(run.ok()) << run.status();
    EXPECT_EQ(run->prefill.tokens, 100 * batch);
    EXPECT_EQ(run->decode.tokens, 7 * batch);
    EXPECT_GT(run->prefill.seconds, 0);
    EXPECT_GT(run->decode.seconds, 0);
  }
}

TEST_F(BenchRunTest, PromptsAloneHaveNoDecodePhase) {
  const auto run = RunBench(engine_, {30, 0, 2, 1, 0}, 1, profile_);
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->prefill.tokens, 60);
  EXPECT_EQ(run->decode.tokens, 0);
}

TEST_F(BenchRunTest, WhatDoesNotFitIsAnError) {
  const absl::Status status = RunBench(engine_, {5000, 1, 2, 1, 0}, 1, profile_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("--max-context"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("5160"));  // 5000 + 1 + 1 + 2 * 79
}

// A context of just that much is enough, and what the program takes by itself.
TEST(BenchCase, KnowsTheContextThatItNeeds) {
  const BenchCase bench{200, 5, 6, 1, 0};
  EXPECT_EQ(ContextOf(bench), 200 + 1 + 5 + 6 * 4);
  EXPECT_EQ(ContextOf({200, 5, 1, 1, 0}), 200 + 1 + 5);
  FakeModel::Options options;
  options.max_positions = static_cast<int32_t>(ContextOf(bench));
  options.max_batch = 6;
  ServingEngine engine{std::make_unique<FakeModel>(options), {}};
  const StepProfile profile;
  EXPECT_TRUE(RunBench(engine, bench, 1, profile).ok());
}

TEST(BenchCase, SenselessValuesAreNamed) {
  EXPECT_TRUE(CheckBenchCase({1, 0, 1, 1, 0}).ok());
  EXPECT_EQ(CheckBenchCase({0, 1, 1, 1, 0}).message(), "--prompt: 0: must be 1 or more");
  EXPECT_EQ(CheckBenchCase({1, -1, 1, 1, 0}).message(), "--generate: -1: must be 0 or more");
  EXPECT_EQ(CheckBenchCase({1, 1, 0, 1, 0}, "").message(), "batch: 0: must be 1 or more");
  EXPECT_EQ(CheckBenchCase({1, 1, 1, 0, 0}).message(), "--repeat: 0: must be 1 or more");
  EXPECT_EQ(CheckBenchCase({1, 1, 1, 1, -1}).message(), "--warm-up: -1: must be 0 or more");
}

BenchPhase Phase(int64_t tokens, double seconds, double cpu_seconds) {
  BenchPhase phase;
  phase.tokens = tokens;
  phase.seconds = seconds;
  phase.cpu_seconds = cpu_seconds;
  phase.profile.steps = 4;
  phase.profile.rows = tokens;
  phase.profile.at(Op::kExperts) = {8, 0.75 * seconds, cpu_seconds, 1000 * tokens, 0, 5e6};
  phase.profile.at(Op::kAttend) = {4, 0.125 * seconds, 0, 0, 100 * tokens, 0};
  phase.profile.experts_read = 6 * tokens;
  return phase;
}

TEST(BenchReport, RatesAreSpreadAndBytesArePerToken) {
  std::vector<BenchRun> runs;
  for (const double seconds : {1.0, 2.0, 4.0})
    runs.push_back({Phase(100, seconds, seconds), Phase(40, seconds, 2 * seconds)});
  const OrderedJson out = ReportRuns(runs, 2);
  EXPECT_EQ(out["prefill_tokens_per_s"].dump(), R"({"min":25.0,"median":50.0,"max":100.0})");
  EXPECT_EQ(out["decode_tokens_per_s"]["median"], 20.0);
  EXPECT_EQ(out["weight_bytes_per_token"], 1000);
  EXPECT_EQ(out["kv_bytes_read_per_token"], 100);
  EXPECT_EQ(out["experts_read_per_token"], 6.0);
  EXPECT_EQ(out["prefill_flops_per_token"], 5e6 * 3 / 300);
  EXPECT_EQ(out["cpu_share"]["prefill"], 0.5);
  EXPECT_EQ(out["cpu_share"]["decode"], 1.0);
}

TEST(BenchReport, WithoutDecodingThereIsNoRate) {
  const OrderedJson out = ReportRuns({{Phase(100, 1, 1), BenchPhase()}}, 1);
  EXPECT_TRUE(out["decode_tokens_per_s"].is_null());
  EXPECT_EQ(out["weight_bytes_per_token"], 0);
}

TEST(BenchReport, AnEvenNumberOfRunsHasAMiddle) {
  EXPECT_EQ(Spread({4, 1, 2, 3})["median"], 2.5);
  EXPECT_EQ(Spread({7})["max"], 7.0);
}

TEST(BenchReport, TheProfileAddsUpToTheWholeTime) {
  const std::vector<BenchRun> runs{{Phase(100, 1, 1), Phase(40, 2, 2)}};
  const OrderedJson profile = ReportProfile(runs, &BenchRun::decode, 2);
  EXPECT_EQ(profile["steps"], 4);
  double share = 0, milliseconds = 0;
  for (const OrderedJson& op : profile["operations"]) {
    share += op["share"].get<double>();
    milliseconds += op["milliseconds"].get<double>();
  }
  EXPECT_NEAR(share, 1, 1e-9);
  EXPECT_NEAR(milliseconds, profile["total"]["milliseconds"].get<double>(), 1e-9);
  EXPECT_EQ(profile["operations"].back()["name"], "between");
  EXPECT_EQ(profile["operations"].back()["share"], 0.125);
  const std::string table = ProfileTable(profile);
  for (const char* name : {"experts", "attend", "between", "total", "GB/s"})
    EXPECT_NE(table.find(name), std::string::npos) << name;
  EXPECT_EQ(ProfileTable(ReportProfile({}, &BenchRun::decode, 2)), "");
}

TEST(ProcessStats, SeeThisProcess) {
  const int64_t before = AnonymousBytes();
  const std::vector<char> touched(32 << 20, 1);
  EXPECT_GE(AnonymousBytes(), before + (30 << 20)) << touched.back();
  EXPECT_GE(PeakResidentBytes(), AnonymousBytes());
  EXPECT_GT(ProcessCpuSeconds(), 0);
  EXPECT_GE(LoadAverage(), 0);
}

}  // namespace
}  // namespace deepseek::agent
