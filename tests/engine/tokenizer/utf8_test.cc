#include "engine/tokenizer/utf8.h"

#include <random>

#include "engine/tokenizer/normalize.h"
#include "gtest/gtest.h"

namespace deepseek::engine {
namespace {

const std::string kBad = "\xEF\xBF\xBD";

struct Repair {
  std::string in, out;
};

TEST(Utf8, CostsOneReplacementPerMaximalInvalidPrefix) {
  const Repair cases[] = {
      {"", ""},
      {"abc", "abc"},
      {"\xC3\xA9", "\xC3\xA9"},
      {"\xE4\xBD\xA0\xF0\x9F\x98\x80", "\xE4\xBD\xA0\xF0\x9F\x98\x80"},
      {"\x80", kBad},
      {"\x80\x80\x80", kBad + kBad + kBad},
      {"\xC3", kBad},
      {"\xC3"
       "A",
       kBad + "A"},
      {"\xC0\x80", kBad + kBad},
      {"\xC1\xBF", kBad + kBad},
      {"\xE4\xBD", kBad},
      {"\xE4\xBD"
       "A",
       kBad + "A"},
      {"\xE4"
       "A\xBD",
       kBad + "A" + kBad},
      {"\xE0\x80\x80", kBad + kBad + kBad},
      {"\xED\xA0\x80", kBad + kBad + kBad},
      {"\xED\x9F\xBF", "\xED\x9F\xBF"},
      {"\xF0\x9F\x98", kBad},
      {"\xF0\x9F"
       "x\x98",
       kBad + "x" + kBad},
      {"\xF0\x80\x80\x80", kBad + kBad + kBad + kBad},
      {"\xF4\x8F\xBF\xBF", "\xF4\x8F\xBF\xBF"},
      {"\xF4\x90\x80\x80", kBad + kBad + kBad + kBad},
      {"\xF5\x80", kBad + kBad},
      {"\xFF\xFE", kBad + kBad},
      {std::string("a\0b", 3), std::string("a\0b", 3)},
  };
  for (const auto& [in, out] : cases) {
    EXPECT_EQ(RepairUtf8(in), out);
    EXPECT_EQ(IsValidUtf8(in), in == out);
  }
}

TEST(Utf8, WritesWhatItReads) {
  for (uint32_t c = 0; c < 0x110000; c += c < 0x3000 ? 1 : 97) {
    if (c >= 0xD800 && c < 0xE000) continue;
    std::string text;
    AppendUtf8(c, &text);
    const Utf8Char read = FirstChar(text);
    ASSERT_EQ(read.state, Utf8::kComplete);
    ASSERT_EQ(read.code_point, c);
    ASSERT_EQ(read.length, text.size());
    for (size_t cut = 1; cut < text.size(); ++cut) {
      ASSERT_EQ(FirstChar(text.substr(0, cut)).state, Utf8::kIncomplete);
    }
  }
}

TEST(Utf8, RepairIsValidAndStable) {
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes;
    for (auto i = random() % 40; i > 0; --i)
      bytes += static_cast<char>(random() % 4 ? random() | 0x80 : random());
    const std::string once = RepairUtf8(bytes);
    ASSERT_TRUE(IsValidUtf8(once));
    ASSERT_EQ(RepairUtf8(once), once);
  }
}

TEST(Nfc, ComposesAndOrders) {
  EXPECT_EQ(Nfc("e\xCC\x81"), "\xC3\xA9");
  EXPECT_EQ(Nfc("\xE2\x84\xAB"), "\xC3\x85");                              // Angstrom sign
  EXPECT_EQ(Nfc("\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB"), "\xED\x95\x9C");  // Hangul
  EXPECT_EQ(Nfc("a\xCC\x81\xCC\xA3"), "\xE1\xBA\xA1\xCC\x81");             // dot below comes first
  EXPECT_EQ(Nfc("plain"), "plain");
}

// Marks younger than Unicode 9 stay where they are: U+08D2 (class 220) is not put before U+0610
// (230).
TEST(Nfc, LeavesYoungerMarksWhereTheyAre) {
  EXPECT_EQ(Nfc("\xD8\xA8\xD8\x90\xE0\xA3\x92"), "\xD8\xA8\xD8\x90\xE0\xA3\x92");
}

TEST(Nfc, IsLinearInARunOfMarks) {
  std::string marks = "a";
  for (int i = 0; i < 200000; ++i) marks += i % 2 ? "\xCC\x81" : "\xCC\xA3";
  EXPECT_EQ(Nfc(Nfc(marks)), Nfc(marks));
}

// Region borders after normalisation: text that was composed over a border counts as input.
TEST(NfcRegions, NeverTurnInputIntoTemplate) {
  std::vector<Region> regions = {{1, true}, {3, false}, {6, true}};
  EXPECT_EQ(NfcRegions("e\xCC\x81xyz", &regions), "\xC3\xA9xyz");
  ASSERT_EQ(regions.size(), 2u);
  EXPECT_EQ(regions[0].end, 2u);
  EXPECT_FALSE(regions[0].parse_added);
  EXPECT_EQ(regions[1].end, 5u);
  EXPECT_TRUE(regions[1].parse_added);
}

TEST(NfcRegions, LeaveUnchangedTextAlone) {
  std::vector<Region> regions = {{1, true}, {3, false}};
  EXPECT_EQ(NfcRegions("abc", &regions), "abc");
  EXPECT_EQ(regions.size(), 2u);
}

}  // namespace
}  // namespace deepseek::engine
