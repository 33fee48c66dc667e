#include "base/status.h"

#include <gtest/gtest.h>

namespace deepseek {
namespace {

std::string Line(const std::string& message) {
  return ErrorLine(absl::DataLossError(message));
}

TEST(ErrorLine, IsOneLineWithoutControlCharacters) {
  EXPECT_EQ(Line("a: b"), "error: a: b");
  EXPECT_EQ(Line("a\nb\tc\r\x1b[31md\x7f"), "error: a b c[31md");
  EXPECT_EQ(Line("a\xC2\x9B"
                 "31mb"),
            "error: a31mb");
}

TEST(ErrorLine, KeepsCharactersAndRepairsBytes) {
  EXPECT_EQ(Line("h\xC3\xA9 \xE4\xBD\xA0 \xF0\x9F\x8D\x8B"),
            "error: h\xC3\xA9 \xE4\xBD\xA0 \xF0\x9F\x8D\x8B");
  const std::string bad = "\xEF\xBF\xBD";
  EXPECT_EQ(Line("\xFF"), "error: " + bad);
  EXPECT_EQ(Line("\xC3("), "error: " + bad + "(");
  EXPECT_EQ(Line("\xE4\xBD"), "error: " + bad + bad);
  EXPECT_EQ(Line("\xC0\x80"), "error: " + bad + bad) << "overlong";
  EXPECT_EQ(Line("\xED\xA0\x80"), "error: " + bad + bad + bad) << "surrogate";
}

}  // namespace
}  // namespace deepseek
