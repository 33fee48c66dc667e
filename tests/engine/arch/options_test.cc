#include "engine/arch/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace deepseek::engine {
namespace {

using testing::HasSubstr;

TEST(Options, NamesRoundTrip) {
  for (const auto v : {Compute::kAuto, Compute::kFp32, Compute::kBf16, Compute::kInt8}) {
    EXPECT_EQ(*ParseCompute(Name(v)), v);
  }
  for (const auto v : {KvType::kAuto, KvType::kFp32, KvType::kBf16, KvType::kInt8}) {
    EXPECT_EQ(*ParseKvType(Name(v)), v);
  }
  for (const auto v : {WeightType::kNative, WeightType::kInt8, WeightType::kInt4}) {
    EXPECT_EQ(*ParseWeightType(Name(v)), v);
  }
  for (const auto v : {Device::kAuto, Device::kCpu, Device::kCuda})
    EXPECT_EQ(*ParseDevice(Name(v)), v);
}

TEST(Options, UnknownNamesListThePermitted) {
  const auto status = ParseCompute("fp16").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(),
            "--compute \"fp16\" is not known (permitted: auto, fp32, bf16, int8)");
  EXPECT_FALSE(ParseKvType("").ok());
  EXPECT_FALSE(ParseDevice("CPU").ok());
}

struct Combination {
  Compute compute;
  WeightType weights;
  KvType kv;
  const char* refusal;  // null: served
  Compute resolved_compute = Compute::kAuto;
  KvType resolved_kv = KvType::kAuto;
};

class Combinations : public testing::TestWithParam<Combination> {};

TEST_P(Combinations, FollowTheTable) {
  const Combination& c = GetParam();
  ModelOptions options;
  options.compute = c.compute;
  options.weights = c.weights;
  options.kv = c.kv;
  const auto resolved = Resolve(options);
  if (c.refusal != nullptr) {
    ASSERT_FALSE(resolved.ok());
    EXPECT_EQ(resolved.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(resolved.status().message()), HasSubstr(c.refusal));
    return;
  }
  ASSERT_TRUE(resolved.ok()) << resolved.status();
  EXPECT_EQ(resolved->device, Device::kCpu);
  EXPECT_EQ(resolved->compute, c.resolved_compute);
  EXPECT_EQ(resolved->kv, c.resolved_kv);
  EXPECT_EQ(Resolve(*resolved)->kv, c.resolved_kv);  // idempotent
}

INSTANTIATE_TEST_SUITE_P(
    Table, Combinations,
    testing::Values(Combination{Compute::kAuto, WeightType::kNative, KvType::kAuto, nullptr,
                                Compute::kBf16, KvType::kBf16},
                    Combination{Compute::kBf16, WeightType::kNative, KvType::kAuto, nullptr,
                                Compute::kBf16, KvType::kBf16},
                    Combination{Compute::kBf16, WeightType::kNative, KvType::kFp32, nullptr,
                                Compute::kBf16, KvType::kFp32},
                    Combination{Compute::kFp32, WeightType::kNative, KvType::kAuto, nullptr,
                                Compute::kFp32, KvType::kFp32},
                    Combination{Compute::kFp32, WeightType::kNative, KvType::kBf16, nullptr,
                                Compute::kFp32, KvType::kBf16},
                    Combination{Compute::kInt8, WeightType::kNative, KvType::kAuto,
                                "--compute int8 with --weights native"},
                    Combination{Compute::kAuto, WeightType::kInt8, KvType::kAuto, nullptr,
                                Compute::kInt8, KvType::kBf16},
                    Combination{Compute::kAuto, WeightType::kInt4, KvType::kFp32, nullptr,
                                Compute::kInt8, KvType::kFp32},
                    Combination{Compute::kInt8, WeightType::kInt4, KvType::kAuto, nullptr,
                                Compute::kInt8, KvType::kBf16},
                    Combination{Compute::kBf16, WeightType::kInt8, KvType::kAuto, nullptr,
                                Compute::kBf16, KvType::kBf16},
                    Combination{Compute::kFp32, WeightType::kInt4, KvType::kAuto, nullptr,
                                Compute::kFp32, KvType::kFp32},
                    // INT8 is asked for, never chosen.
                    Combination{Compute::kFp32, WeightType::kNative, KvType::kInt8, nullptr,
                                Compute::kFp32, KvType::kInt8},
                    Combination{Compute::kAuto, WeightType::kInt4, KvType::kInt8, nullptr,
                                Compute::kInt8, KvType::kInt8}));

TEST(Options, ResolveRefusesBadNumbersByName) {
  const auto message = [](auto edit) {
    ModelOptions options;
    edit(options);
    return std::string(Resolve(options).status().message());
  };
  EXPECT_THAT(message([](ModelOptions& o) { o.threads = -1; }), HasSubstr("--threads -1"));
  EXPECT_THAT(message([](ModelOptions& o) { o.max_context = -1; }), HasSubstr("--max-context -1"));
  EXPECT_THAT(message([](ModelOptions& o) { o.max_batch = 0; }), HasSubstr("--max-batch 0"));
  EXPECT_THAT(message([](ModelOptions& o) { o.kv_memory_bytes = -1; }),
              HasSubstr("--kv-memory -1"));
  EXPECT_THAT(message([](ModelOptions& o) { o.device = Device::kCuda; }),
              HasSubstr("--device cuda"));
}

}  // namespace
}  // namespace deepseek::engine
