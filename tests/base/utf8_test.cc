#include "base/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace deepseek {
namespace {

TEST(Utf8Test, ClipKeepsCharactersWhole) {
  EXPECT_EQ(Clip("abc", 3), "abc");
  EXPECT_EQ(Clip("abcd", 3), "abc");
  EXPECT_EQ(Clip("", 0), "");
  const std::string text = "a\xC3\xA9\xE6\xB7\xB1\xF0\x9F\x90\x8B";  // of 1, 2, 3 and 4 bytes
  const size_t whole[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10};
  for (size_t n = 0; n < std::size(whole); ++n) EXPECT_EQ(Clip(text, n).size(), whole[n]) << n;
}

TEST(Utf8Test, CharactersAreCountedNotBytes) {
  EXPECT_EQ(CountCharacters(""), 0u);
  EXPECT_EQ(CountCharacters("a\xC3\xA9\xE6\xB7\xB1\xF0\x9F\x90\x8B"), 4u);
  EXPECT_EQ(CountCharacters("\xE6\xB7"), 2u) << "cut within a character";
  EXPECT_EQ(CountCharacters("\xFF\xC0\x80z"), 4u);
}

}  // namespace
}  // namespace deepseek
