#include "agent/cli/serve_options.h"
#include "agent/cli/bytes_flag.h"
#include "agent/cli/edge_options.h"

#include <gtest/gtest.h>

#include <CLI/CLI.hpp>

#include "agent/cli/model_flags.h"

namespace deepseek::agent {
namespace {

struct Parsed {
  CLI::App app;
  ServeOptions options;
  explicit Parsed(std::vector<std::string> args) {
    AddServeFlags(app, &options);
    std::reverse(args.begin(), args.end());  // CLI11 takes them so
    app.parse(args);
  }
};

TEST(ServeConfig, FillsWhatTheCommandLineLeavesOpen) {
  Parsed p({"--max-batch", "8"});
  const auto status =
      ApplyConfig(p.app, "model: /m\nmax-batch: 4\ndrain-delay: 2s\nserved-name: a b\n", "c.yaml");
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(p.options.model, "/m");
  EXPECT_EQ(p.options.max_batch, 8);
  EXPECT_EQ(p.options.drain_delay, "2s");
  EXPECT_EQ(p.options.served_name, "a b");
  EXPECT_TRUE(ApplyConfig(p.app, "", "c.yaml").ok());
}

TEST(ServeConfig, NamesWhatIsWrong) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"modell: x", "modell"},       {"help: x", "help"},
      {"insecure: yes", "insecure"}, {"config: x", "config"},
      {"max-batch: x", "max-batch"}, {"max-batch: 0", "max-batch"},
      {"model: [a]", "model"},       {"- a", "map"},
      {"a: b: c", "c.yaml"}};
  for (const auto& [yaml, word] : cases) {
    Parsed p({});
    const auto status = ApplyConfig(p.app, yaml, "c.yaml");
    ASSERT_FALSE(status.ok()) << yaml;
    EXPECT_NE(std::string(status.message()).find(word), std::string::npos) << status;
  }
}

TEST(ServeFlags, UnknownOnesAreRefused) {
  EXPECT_THROW(Parsed({"--grcp", "x"}), CLI::ParseError);
  EXPECT_THROW(Parsed({"--max-connections", "0"}), CLI::ParseError);
}

TEST(ServeConfig, FlagsAndLists) {
  Parsed p({});
  const auto status = ApplyConfig(
      p.app, "insecure: true\ncors-origin: https://a.example,https://b.example\n", "c.yaml");
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_TRUE(p.options.insecure);
  EXPECT_EQ(p.options.cors_origins,
            (std::vector<std::string>{"https://a.example", "https://b.example"}));
  Parsed off({});
  ASSERT_TRUE(ApplyConfig(off.app, "insecure: false\n", "c.yaml").ok());
  EXPECT_FALSE(off.options.insecure);
}

TEST(ServeConfig, LogLevel) {
  EXPECT_EQ(*LogLevelOf("log-level: debug\nmodel: x\n", "c.yaml"), "debug");
  EXPECT_EQ(*LogLevelOf("", "c.yaml"), "info");
  EXPECT_FALSE(LogLevelOf("log-level: loud\n", "c.yaml").ok());
  EXPECT_FALSE(LogLevelOf("log-levle: debug\n", "c.yaml").ok());
}

TEST(ServeFlags, TheEdge) {
  const auto check = [](std::vector<std::string> args) {
    return CheckEdgeOptions(Parsed(std::move(args)).options);
  };
  for (const std::vector<std::string>& good : std::vector<std::vector<std::string>>{
           {},
           {"--grpc", "127.0.0.1:9000"},
           {"--grpc", "[::1]:9000"},
           {"--grpc", "localhost:9000"},
           {"--grpc", "0.0.0.0:9000", "--insecure"},
           {"--grpc", "0.0.0.0:9000", "--tls-cert", "c", "--tls-key", "k"},
           {"--tls-cert", "c", "--tls-key", "k", "--client-ca", "a"},
           {"--api-keys", "f", "--max-requests-per-key", "8"},
           {"--max-requests-per-key", "0"},
           {"--cors-origin", "https://a.example,https://b.example"}}) {
    EXPECT_TRUE(check(good).ok()) << check(good);
  }
  for (const std::vector<std::string>& bad :
       std::vector<std::vector<std::string>>{{"--grpc", "0.0.0.0:9000"},
                                             {"--grpc", ":9000"},
                                             {"--grpc", "10.0.0.1:9000"},
                                             {"--grpc", "[::]:9000"},
                                             {"--grpc", "127.0.0.1"},
                                             {"--tls-cert", "c"},
                                             {"--tls-key", "k"},
                                             {"--client-ca", "a"},
                                             {"--max-requests-per-key", "8"},
                                             {"--cors-origin", "*"},
                                             {"--cors-origin", "https://a.example,b.example"}}) {
    EXPECT_FALSE(check(bad).ok()) << bad.back();
  }
}

TEST(ServeFlags, Switches) {
  Parsed p({"--prefix-cache", "off"});
  ASSERT_TRUE(ApplyConfig(p.app, "prefix-cache: on\nmax-queue-delay: 2s\n", "c.yaml").ok());
  EXPECT_EQ(p.options.prefix_cache, "off");
  EXPECT_EQ(p.options.max_queue_delay, "2s");
  Parsed limited({});
  ASSERT_TRUE(ApplyConfig(limited.app, "max-requests-per-key: 8\n", "c.yaml").ok());
  EXPECT_EQ(limited.options.max_requests_per_key, 8);
  EXPECT_TRUE(*ParseSwitchFlag("--x", Parsed({}).options.prefix_cache));
  EXPECT_FALSE(*ParseSwitchFlag("--x", "off"));
  EXPECT_EQ(ParseSwitchFlag("--x", "yes").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(ServeFlags, Isa) {
  EXPECT_EQ(ToModelOptions(Parsed({}).options)->isa, "auto");
  EXPECT_EQ(ToModelOptions(Parsed({"--isa", "avx2"}).options)->isa, "avx2");
  ::setenv("DEEPSEEK_ISA", "avx512", 1);
  EXPECT_EQ(ToModelOptions(Parsed({}).options)->isa, "avx512");
  EXPECT_EQ(ToModelOptions(Parsed({"--isa", "avx2"}).options)->isa, "avx2");
  ::unsetenv("DEEPSEEK_ISA");
}

TEST(ServeFlags, GpuMetrics) {
  EXPECT_EQ(Parsed({}).options.gpu_metrics, "off");
  EXPECT_EQ(Parsed({"--gpu-metrics", "on"}).options.gpu_metrics, "on");
  ::setenv("DEEPSEEK_GPU_METRICS", "auto", 1);
  EXPECT_EQ(Parsed({}).options.gpu_metrics, "auto");
  EXPECT_EQ(Parsed({"--gpu-metrics", "on"}).options.gpu_metrics, "on");
  ::unsetenv("DEEPSEEK_GPU_METRICS");
  Parsed p({});
  ASSERT_TRUE(ApplyConfig(p.app, "gpu-metrics: on\n", "c.yaml").ok());
  EXPECT_EQ(p.options.gpu_metrics, "on");
}

TEST(ServeFlags, DurationsAndBytes) {
  EXPECT_EQ(*ParseDurationFlag("--x", "1m30s"), absl::Seconds(90));
  EXPECT_EQ(*ParseDurationFlag("--x", "0"), absl::ZeroDuration());
  for (const char* bad : {"", "5", "-1s", "5x", "inf"})
    EXPECT_FALSE(ParseDurationFlag("--x", bad).ok()) << bad;
  EXPECT_EQ(*ParseBytesFlag("--x", "0"), 0);
  EXPECT_EQ(*ParseBytesFlag("--x", "512Mi"), int64_t{512} << 20);
  EXPECT_EQ(*ParseBytesFlag("--x", "2G"), 2'000'000'000);
  for (const char* bad : {"", "-1", "1.5Gi", "Gi", "99999999999Ti", "1 G"}) {
    EXPECT_FALSE(ParseBytesFlag("--x", bad).ok()) << bad;
  }
}

TEST(ServeFlags, ModelOptionsAreChecked) {
  ServeOptions options;
  options.kv_memory = "1Gi";
  EXPECT_EQ(ToModelOptions(options)->kv_memory_bytes, int64_t{1} << 30);
  options.device = "tpu";
  EXPECT_FALSE(ToModelOptions(options).ok());
}

}  // namespace
}  // namespace deepseek::agent
