#include "base/metrics/metrics.h"

#include <gtest/gtest.h>

namespace deepseek::metrics {
namespace {

bool Has(const Registry& registry, const std::string& line) {
  return registry.Text().find(line + "\n") != std::string::npos;
}

TEST(Metrics, CountersGaugesAndHistogramsAreWritten) {
  Registry registry;
  Counter counter = registry.AddCounter("vllm:things_total", "Things.", {{"kind", "a"}});
  Gauge gauge = registry.AddGauge("level", "Level.");
  Histogram histogram = registry.AddHistogram("wait_seconds", "Wait.", {0.5, 1});
  counter.Add(2);
  gauge.Set(3);
  gauge.Add(-1);
  histogram.Observe(0.7);
  EXPECT_TRUE(Has(registry, "# HELP vllm:things_total Things."));
  EXPECT_TRUE(Has(registry, "vllm:things_total{kind=\"a\"} 2"));
  EXPECT_TRUE(Has(registry, "level 2"));
  EXPECT_TRUE(Has(registry, "wait_seconds_bucket{le=\"0.5\"} 0"));
  EXPECT_TRUE(Has(registry, "wait_seconds_bucket{le=\"1\"} 1"));
  EXPECT_TRUE(Has(registry, "wait_seconds_bucket{le=\"+Inf\"} 1"));
}

TEST(Metrics, TheSameNameAndLabelsAreTheSameSeries) {
  Registry registry;
  registry.AddCounter("a_total", "A.").Add();
  registry.AddCounter("a_total", "A.").Add();
  registry.AddCounter("a_total", "A.", {{"x", "1"}}).Add();
  EXPECT_TRUE(Has(registry, "a_total 2"));
  EXPECT_TRUE(Has(registry, "a_total{x=\"1\"} 1"));
}

TEST(Metrics, TotalsKeptElsewhereOnlyRise) {
  Registry registry;
  Counter counter = registry.AddCounter("a_total", "A.");
  counter.RaiseTo(5);
  counter.RaiseTo(3);
  EXPECT_EQ(counter.Value(), 5);
}

TEST(Metrics, UpdatesRunBeforeTheText) {
  Registry registry;
  Gauge gauge = registry.AddGauge("g", "G.");
  registry.BeforeScrape([&] { gauge.Add(1); });
  EXPECT_TRUE(Has(registry, "g 1"));
  EXPECT_TRUE(Has(registry, "g 2"));
}

TEST(Metrics, WhatIsReadAtAScrapeIsForgottenAfterIt) {
  Registry registry;
  std::vector<GaugeFamily> now = {
      {"heat", "Heat.", {{{{"place", "a"}}, 20.5}, {{{"place", "b\""}}, 30}}},
      {"cold", "Cold.", {}}};
  registry.AtScrape([&] { return now; });
  EXPECT_TRUE(Has(registry, "# TYPE heat gauge"));
  EXPECT_TRUE(Has(registry, "heat{place=\"a\"} 20.5"));
  EXPECT_TRUE(Has(registry, "heat{place=\"b\\\"\"} 30"));
  EXPECT_EQ(registry.Text().find("cold"), std::string::npos);
  now.clear();
  EXPECT_EQ(registry.Text(), "");
}

}  // namespace
}  // namespace deepseek::metrics
