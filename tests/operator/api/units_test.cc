#include "operator/api/units.h"

#include <gtest/gtest.h>

namespace deepseek::api {
namespace {

TEST(DurationTest, Reads) {
  EXPECT_EQ(*ParseDuration("90s"), absl::Seconds(90));
  EXPECT_EQ(*ParseDuration("1h30m"), absl::Minutes(90));
  EXPECT_EQ(*ParseDuration("250ms"), absl::Milliseconds(250));
  EXPECT_EQ(*ParseDuration("1m1ms"), absl::Minutes(1) + absl::Milliseconds(1));
  EXPECT_EQ(*ParseDuration("0s"), absl::ZeroDuration());
}

TEST(DurationTest, Refuses) {
  for (const char* text : {"", "5", "s", "-1s", "1.5s", "1d", "1 s", "10000000000000000000s",
                           "99999999h", "1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s"}) {
    EXPECT_FALSE(ParseDuration(text).ok()) << text;
  }
}

TEST(DurationTest, TextReadsBack) {
  for (const int64_t ms :
       {0, 1, 999, 1000, 60'000, 61'000, 3'600'000, 3'661'000, 90'000, 86'400'000}) {
    const absl::Duration duration = absl::Milliseconds(ms);
    EXPECT_EQ(*ParseDuration(DurationText(duration)), duration) << DurationText(duration);
  }
  EXPECT_EQ(DurationText(absl::Seconds(3661)), "1h1m1s");
  EXPECT_EQ(DurationText(absl::ZeroDuration()), "0s");
}

TEST(QuantityTest, OneValueHasOneText) {
  const std::pair<const char*, const char*> same[] = {
      {"1", "1000m"},      {"1Gi", "1073741824"}, {"0.5", "500m"},  {"1e3", "1k"},
      {"1.5Gi", "1536Mi"}, {"1E", "1000P"},       {"100n", "0.1u"}, {"1.", "1"},
      {".5", "500m"},      {"1E2", "100"},        {"5e-1", "500m"}};
  for (const auto& [a, b] : same)
    EXPECT_EQ(*CanonicalQuantity(a), *CanonicalQuantity(b)) << a << " " << b;
  EXPECT_EQ(*CanonicalQuantity("0"), "0");
  EXPECT_EQ(*CanonicalQuantity("1500m"), "1500000000n");
}

TEST(QuantityTest, Refuses) {
  for (const char* text :
       {"", "x", "-1", "+1", "1KiB", "1K", "1gi", "1e", "1e+", "1e99", "9e30", ".", "1 Gi",
        "99999999999999999999999999999999999999999999999999999999999999999"}) {
    EXPECT_FALSE(CanonicalQuantity(text).ok()) << text;
  }
}

TEST(QuantityTest, Bytes) {
  EXPECT_EQ(*ParseBytes("1Gi"), int64_t{1} << 30);
  EXPECT_EQ(*ParseBytes("1500m"), 2) << "rounded up";
  EXPECT_EQ(*ParseBytes("4Ei"), int64_t{1} << 62);
  EXPECT_FALSE(ParseBytes("8Ei").ok());
}

}  // namespace
}  // namespace deepseek::api
