#include "agent/gpu/gpu_metrics.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "base/strings.h"
#include "tests/agent/gpu/fake_nvml.h"
#include "tests/support/temp_dir.h"

namespace deepseek::agent {
namespace {

const PodIdentity kPod = {"chat-0", "team-a"};

size_t Count(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

class GpuMetricsTest : public ::testing::Test {
 protected:
  void Start(const PodIdentity& pod = kPod) {
    auto nvml = Nvml::Load(FakeNvml::kPath);
    ASSERT_TRUE(nvml.ok()) << nvml.status();
    metrics_ = std::make_unique<GpuMetrics>(*std::move(nvml), pod, [this] { return now_; });
    registry_.AtScrape([this] { return metrics_->Read(); });
  }
  /// A scrape, when the last reading is old enough for a new one.
  std::string Later() {
    now_ += GpuMetrics::kReadEvery;
    return registry_.Text();
  }
  /// "DCGM_FI_DEV_" + name + labels of GPU `gpu` + value, as a whole line.
  static std::string Line(const std::string& name, int gpu, const std::string& value) {
    return StrCat("DCGM_FI_DEV_", name, "{UUID=\"GPU-fake-", gpu, "\",gpu=\"", gpu,
                  "\",namespace=\"team-a\",pod=\"chat-0\"} ", value, "\n");
  }
  static void ExpectLine(const std::string& text, const std::string& line) {
    EXPECT_NE(text.find(line), std::string::npos) << line << "in\n" << text;
  }

  FakeNvml fake_;
  absl::Time now_ = absl::FromUnixSeconds(1000);
  metrics::Registry registry_;
  std::unique_ptr<GpuMetrics> metrics_;
};

TEST_F(GpuMetricsTest, EachGpuHasAllValuesInDcgmsUnits) {
  fake_.Set("GPUS", "2");
  Start();
  const std::string text = registry_.Text();
  ExpectLine(text, Line("GPU_UTIL", 0, "40"));
  ExpectLine(text, Line("GPU_UTIL", 1, "41"));
  ExpectLine(text, Line("FB_USED", 0, "1024"));
  ExpectLine(text, Line("FB_USED", 1, "2048"));
  ExpectLine(text, Line("FB_FREE", 0, "80895"));
  ExpectLine(text, Line("XID_ERRORS", 0, "0"));
  ExpectLine(text, Line("POWER_USAGE", 0, "123.25"));
  ExpectLine(text, Line("POWER_USAGE", 1, "124.25"));
  ExpectLine(text, Line("GPU_TEMP", 0, "55"));
  EXPECT_EQ(Count(text, "\nDCGM_FI_DEV_"), 12);
  EXPECT_EQ(Count(text, " gauge\n"), 6);
}

TEST_F(GpuMetricsTest, WithoutAPodItsLabelsAreLeftOut) {
  Start({});
  ExpectLine(registry_.Text(), "DCGM_FI_DEV_GPU_TEMP{UUID=\"GPU-fake-0\",gpu=\"0\"} 55\n");
}

TEST_F(GpuMetricsTest, WhatAGpuDoesNotHaveIsLeftOutSilently) {
  fake_.Set("GPUS", "2");
  fake_.Set("FAIL",
            "nvmlDeviceGetPowerUsage=3,nvmlDeviceGetTemperature@1=3,nvmlDeviceRegisterEvents@0=3");
  Start();
  ::testing::internal::CaptureStderr();
  const std::string text = registry_.Text();
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(text.find("POWER_USAGE"), std::string::npos);
  EXPECT_EQ(Count(text, "\nDCGM_FI_DEV_GPU_TEMP{"), 1);
  ExpectLine(text, Line("GPU_TEMP", 0, "55"));
  EXPECT_EQ(Count(text, "\nDCGM_FI_DEV_XID_ERRORS{"), 1);
  ExpectLine(text, Line("XID_ERRORS", 1, "0"));
}

TEST_F(GpuMetricsTest, AFailingCallCostsOnlyItsValueAndIsSaidOnce) {
  fake_.Set("GPUS", "2");
  Start();
  ExpectLine(registry_.Text(), Line("FB_USED", 0, "1024"));
  ::testing::internal::CaptureStderr();
  fake_.Set("FAIL", "nvmlDeviceGetMemoryInfo=999,nvmlEventSetWait_v2=999");
  for (int i = 0; i < 3; ++i) {
    const std::string text = Later();
    EXPECT_EQ(text.find("DCGM_FI_DEV_FB_"), std::string::npos);
    ExpectLine(text, Line("GPU_TEMP", 1, "56"));
    ExpectLine(text, Line("XID_ERRORS", 0, "0"));
  }
  fake_.Set("FAIL", "nvmlDeviceGetMemoryInfo=15");
  Later();
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(Count(said, "nvmlDeviceGetMemoryInfo: Unknown Error (999)"), 1) << said;
  EXPECT_EQ(Count(said, "nvmlEventSetWait_v2: Unknown Error (999)"), 1) << said;
  EXPECT_EQ(Count(said, "nvmlDeviceGetMemoryInfo: GPU is lost (15)"), 1) << said;
  EXPECT_EQ(Count(said, "\n"), 3) << said;
  fake_.Set("FAIL", "");
  ExpectLine(Later(), Line("FB_USED", 1, "2048"));
}

TEST_F(GpuMetricsTest, WithoutEventsThereIsNoXidMetric) {
  fake_.Set("FAIL", "nvmlEventSetCreate=999");
  Start();
  const std::string text = registry_.Text();
  EXPECT_EQ(text.find("XID_ERRORS"), std::string::npos);
  ExpectLine(text, Line("GPU_UTIL", 0, "40"));
}

TEST_F(GpuMetricsTest, AnXidStaysUntilTheNext) {
  fake_.Set("GPUS", "2");
  Start();
  ExpectLine(registry_.Text(), Line("XID_ERRORS", 1, "0"));
  fake_.Set("XIDS", "1:31,1:79");
  std::string text = Later();
  ExpectLine(text, Line("XID_ERRORS", 0, "0"));
  ExpectLine(text, Line("XID_ERRORS", 1, "79"));
  ExpectLine(Later(), Line("XID_ERRORS", 1, "79"));
  fake_.Set("XIDS", "1:31,1:79,0:13");
  text = Later();
  ExpectLine(text, Line("XID_ERRORS", 0, "13"));
  ExpectLine(text, Line("XID_ERRORS", 1, "79"));
}

TEST_F(GpuMetricsTest, ReadsAtMostOnceASecond) {
  Start();
  ExpectLine(registry_.Text(), Line("GPU_UTIL", 0, "40"));
  fake_.Set("UTIL", "90");
  now_ += absl::Milliseconds(999);
  ExpectLine(registry_.Text(), Line("GPU_UTIL", 0, "40"));
  now_ += absl::Milliseconds(1);
  ExpectLine(registry_.Text(), Line("GPU_UTIL", 0, "90"));
  fake_.Set("UTIL", "10");
  now_ -= absl::Hours(1);  // a clock that is set back
  ExpectLine(registry_.Text(), Line("GPU_UTIL", 0, "10"));
}

TEST_F(GpuMetricsTest, ADriverThatDoesNotAnswerKeepsNobodyElseWaiting) {
  const TempDir dir("gpu_metrics");
  const std::string fifo = dir.path() / "block";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  Start();
  ExpectLine(registry_.Text(), Line("GPU_UTIL", 0, "40"));
  fake_.Set("UTIL", "90");
  fake_.Set("BLOCK", fifo);
  now_ += GpuMetrics::kReadEvery;
  std::string slow;
  std::thread scrape([&] { slow = registry_.Text(); });
  // Opens once the other end is open, so once the call is made.
  const int fd = open(fifo.c_str(), O_WRONLY);
  ASSERT_GE(fd, 0);
  ExpectLine(registry_.Text(), Line("GPU_UTIL", 0, "40"));
  now_ += GpuMetrics::kForgetAfter;
  EXPECT_EQ(registry_.Text(), "");
  close(fd);
  scrape.join();
  ExpectLine(slow, Line("GPU_UTIL", 0, "90"));
}

TEST_F(GpuMetricsTest, TheModeSaysHowLoudlyNothingIsExported) {
  const auto said = [&](GpuMetricsMode mode, const std::string& library) {
    ::testing::internal::CaptureStderr();
    const auto metrics = OpenGpuMetrics(mode, registry_, kPod, library);
    EXPECT_EQ(metrics, nullptr);
    return ::testing::internal::GetCapturedStderr();
  };
  const std::string none = "libnvidia-ml.so.none";
  EXPECT_EQ(said(GpuMetricsMode::kOff, FakeNvml::kPath), "");
  fake_.Set("GPUS", "0");
  for (const std::string& library : {none, std::string(FakeNvml::kPath)}) {
    const std::string loud = said(GpuMetricsMode::kOn, library);
    EXPECT_EQ(Count(loud, "\n"), 1) << loud;
    EXPECT_EQ(Count(loud, "\"level\":\"warn\",\"msg\":\"no GPU metrics\",\"why\":\"NVML: "), 1)
        << loud;
    const std::string quiet = said(GpuMetricsMode::kAuto, library);
    EXPECT_EQ(Count(quiet, "\"level\":\"info\",\"msg\":\"no GPU metrics\""), 1) << quiet;
    EXPECT_EQ(Count(quiet, "\n"), 1) << quiet;
  }
  EXPECT_EQ(registry_.Text(), "");
}

TEST_F(GpuMetricsTest, OpensWhatIsThere) {
  for (const GpuMetricsMode mode : {GpuMetricsMode::kOn, GpuMetricsMode::kAuto}) {
    metrics::Registry registry;
    const auto metrics = OpenGpuMetrics(mode, registry, kPod, FakeNvml::kPath);
    ASSERT_NE(metrics, nullptr);
    EXPECT_EQ(metrics->gpus(), 1);
    ExpectLine(registry.Text(), Line("GPU_UTIL", 0, "40"));
  }
}

TEST(ParseGpuMetrics, KnowsThreeWords) {
  EXPECT_EQ(*ParseGpuMetrics("auto"), GpuMetricsMode::kAuto);
  EXPECT_EQ(*ParseGpuMetrics("on"), GpuMetricsMode::kOn);
  EXPECT_EQ(*ParseGpuMetrics("off"), GpuMetricsMode::kOff);
  for (const char* bad : {"", "On", "true", "always"}) {
    const auto status = ParseGpuMetrics(bad).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_EQ(status.message(),
              StrCat("--gpu-metrics \"", bad, "\" is not known (permitted: auto, on, off)"));
  }
}

}  // namespace
}  // namespace deepseek::agent
