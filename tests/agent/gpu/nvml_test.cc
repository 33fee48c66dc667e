#include "agent/gpu/nvml.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include "tests/agent/gpu/fake_nvml.h"

namespace deepseek::agent {
namespace {

class NvmlTest : public ::testing::Test {
 protected:
  /// The status of a load that must fail, whose message must hold `words`.
  static absl::StatusCode Refused(const std::string& library, const std::string& words) {
    const auto nvml = Nvml::Load(library);
    EXPECT_FALSE(nvml.ok());
    EXPECT_NE(std::string(nvml.status().message()).find(words), std::string::npos) << nvml.status();
    return nvml.status().code();
  }

  FakeNvml fake_;
};

TEST_F(NvmlTest, TheSessionEndsWithTheObject) {
  // Keeps the library, and so its count, from being unloaded.
  void* library = dlopen(FakeNvml::kPath, RTLD_NOW);
  ASSERT_NE(library, nullptr);
  const auto open_sessions = reinterpret_cast<int (*)()>(dlsym(library, "fakeNvmlOpenSessions"));
  {
    const auto nvml = Nvml::Load(FakeNvml::kPath);
    ASSERT_TRUE(nvml.ok()) << nvml.status();
    EXPECT_EQ(open_sessions(), 1);
  }
  EXPECT_EQ(open_sessions(), 0);
  fake_.Set("GPUS", "0");
  EXPECT_FALSE(Nvml::Load(FakeNvml::kPath).ok());
  EXPECT_EQ(open_sessions(), 0);
  dlclose(library);
}

TEST_F(NvmlTest, WhatIsMissingIsNamed) {
  EXPECT_EQ(Refused("libnvidia-ml.so.none", "libnvidia-ml.so.none"), absl::StatusCode::kNotFound);
  // A library, but not this one.
  EXPECT_EQ(Refused("libc.so.6", "has no nvml"), absl::StatusCode::kUnimplemented);
}

TEST_F(NvmlTest, WithoutADriverItDoesNotStart) {
  fake_.Set("FAIL", "nvmlInit_v2=9");
  EXPECT_EQ(Refused(FakeNvml::kPath, "nvmlInit_v2: Driver Not Loaded (9)"),
            absl::StatusCode::kUnavailable);
}

TEST_F(NvmlTest, NoGpuIsNotFound) {
  fake_.Set("GPUS", "0");
  EXPECT_EQ(Refused(FakeNvml::kPath, "no GPU"), absl::StatusCode::kNotFound);
  fake_.Set("GPUS", "2");
  fake_.Set("FAIL", "nvmlDeviceGetHandleByIndex_v2=4");
  EXPECT_EQ(Refused(FakeNvml::kPath, "Insufficient Permissions"), absl::StatusCode::kNotFound);
  fake_.Set("FAIL", "nvmlDeviceGetCount_v2=999");
  EXPECT_EQ(Refused(FakeNvml::kPath, "nvmlDeviceGetCount_v2"), absl::StatusCode::kUnavailable);
}

TEST_F(NvmlTest, OtherPodsGpusAreLeftOut) {
  fake_.Set("GPUS", "3");
  fake_.Set("FAIL", "nvmlDeviceGetHandleByIndex_v2@1=4");
  fake_.Set("XIDS", "1:13,2:79");
  const auto nvml = Nvml::Load(FakeNvml::kPath);
  ASSERT_TRUE(nvml.ok()) << nvml.status();
  ASSERT_EQ((*nvml)->gpus().size(), 2);
  EXPECT_EQ((*nvml)->gpus()[1].index, 2);
  EXPECT_EQ((*nvml)->gpus()[1].uuid, "GPU-fake-2");
  EXPECT_EQ(*(*nvml)->TemperatureCelsius(1), 57);
  // By place, not by NVML's index; that of the GPU between is none of ours.
  const auto xids = (*nvml)->TakeXids();
  ASSERT_TRUE(xids.ok()) << xids.status();
  ASSERT_EQ(xids->size(), 1);
  EXPECT_EQ(xids->front().gpu, 1);
  EXPECT_EQ(xids->front().code, 79);
  EXPECT_TRUE((*nvml)->TakeXids()->empty());
}

TEST_F(NvmlTest, CallsSayWhatFailed) {
  const auto nvml = Nvml::Load(FakeNvml::kPath);
  ASSERT_TRUE(nvml.ok()) << nvml.status();
  fake_.Set("FAIL", "nvmlDeviceGetPowerUsage=3,nvmlDeviceGetMemoryInfo=15");
  EXPECT_EQ((*nvml)->PowerWatts(0).status(),
            absl::UnimplementedError("nvmlDeviceGetPowerUsage: Not Supported (3)"));
  EXPECT_EQ((*nvml)->Memory(0).status(),
            absl::UnavailableError("nvmlDeviceGetMemoryInfo: GPU is lost (15)"));
}

}  // namespace
}  // namespace deepseek::agent
