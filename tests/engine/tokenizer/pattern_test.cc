#include "engine/tokenizer/pattern.h"

#include "gtest/gtest.h"

namespace deepseek::engine {
namespace {

constexpr char kV3[] =
    R"re([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)re";

std::vector<std::string> Split(const Pattern& pattern, std::string_view text) {
  std::vector<Piece> pieces;
  pattern.Split(text, {{0, text.size()}}, &pieces);
  std::vector<std::string> out;
  size_t at = 0;
  for (const Piece& piece : pieces) {
    EXPECT_EQ(piece.begin, at);  // nothing is lost, nothing is empty
    EXPECT_LT(piece.begin, piece.end);
    at = piece.end;
    out.emplace_back(text.substr(piece.begin, piece.end - piece.begin));
  }
  EXPECT_EQ(at, text.size());
  return out;
}

std::vector<std::string> Split(std::string_view regex, std::string_view text) {
  const auto pattern = Pattern::Compile(regex);
  EXPECT_TRUE(pattern.ok()) << pattern.status();
  return pattern.ok() ? Split(*pattern, text) : std::vector<std::string>();
}

using Pieces = std::vector<std::string>;

TEST(Pattern, CutsAsV3Does) {
  EXPECT_EQ(Split(kV3, "Hello, World!"), (Pieces{"Hello", ",", " World", "!"}));
  EXPECT_EQ(Split(kV3, "a   b"), (Pieces{"a", "  ", " b"}));
  EXPECT_EQ(Split(kV3, "x = f(y);\n\n  z"), (Pieces{"x", " =", " f", "(y", ");\n\n", " ", " z"}));
  EXPECT_EQ(Split(kV3, "don't"), (Pieces{"don", "'t"}));
  EXPECT_EQ(Split(kV3, "   "), (Pieces{"   "}));
  EXPECT_EQ(Split(kV3, " \n \n"), (Pieces{" \n \n"}));
  EXPECT_EQ(Split(kV3, ""), Pieces{});
}

TEST(Pattern, GroupsDigitsFromTheLeft) {
  EXPECT_EQ(Split(R"(\p{N}{1,3})", "a12345b"), (Pieces{"a", "123", "45", "b"}));
  EXPECT_EQ(Split(R"(\p{N}{1,3})", "٣٤٥٦½"), (Pieces{"٣٤٥", "٦½"}));
}

TEST(Pattern, FollowsUnicode16) {
  EXPECT_EQ(Split(R"(\p{L}+)", "a\xE1\xB2\x89 b"),
            (Pieces{"a\xE1\xB2\x89", " ", "b"}));  // U+1C89, new in 16
  EXPECT_EQ(Split(R"(\p{Lu}+)", "\xE1\xB2\x89\xE1\xB2\x8A"),
            (Pieces{"\xE1\xB2\x89", "\xE1\xB2\x8A"}));
  EXPECT_EQ(Split(R"([^\p{L}]+)", "\xE1\xB2\x89!"), (Pieces{"\xE1\xB2\x89", "!"}));
  EXPECT_EQ(Split(R"(\P{L}+)", "\xE1\xB2\x89!"), (Pieces{"\xE1\xB2\x89", "!"}));
  EXPECT_EQ(Split(R"(\p{^L}+)", "\xE1\xB2\x89!"), (Pieces{"\xE1\xB2\x89", "!"}));
}

TEST(Pattern, KnowsWhiteSpaceAsUnicodeDoes) {
  for (const char* space : {"\x0b", "\x0c", "\xC2\x85", "\xC2\xA0", "\xE1\x9A\x80", "\xE2\x80\x80",
                            "\xE2\x80\xA8", "\xE2\x80\xAF", "\xE2\x81\x9F", "\xE3\x80\x80"}) {
    EXPECT_EQ(Split(R"(\s)", std::string("a") + space), (Pieces{"a", space}));
    EXPECT_EQ(Split(R"(\S+)", std::string("a") + space + "b").size(), 3u);
  }
  for (const char* other : {"\x1c", "\x1f", "\xE1\xA0\x8E", "\xE2\x80\x8B", "\xEF\xBB\xBF"}) {
    EXPECT_EQ(Split(R"(\s)", std::string("a") + other).size(), 1u);
    EXPECT_EQ(Split(R"([\s])", std::string("a") + other).size(), 1u);
  }
}

TEST(Pattern, FoldsCaseAsOnigurumaDoes) {
  EXPECT_EQ(Split("(?i:'s|'t)", "it'S a'ſ"), (Pieces{"it", "'S", " a", "'ſ"}));
}

TEST(Pattern, EndOfTextIsTheEndOfThePiece) {
  const auto pattern = Pattern::Compile(R"(\s+$)");
  ASSERT_TRUE(pattern.ok());
  EXPECT_EQ(Split(*pattern, "a  "), (Pieces{"a", "  "}));
  EXPECT_EQ(Split(*pattern, "a  b"), (Pieces{"a  b"}));
  std::vector<Piece> out;
  pattern->Split("a  b", {{0, 3}, {3, 4}}, &out);
  EXPECT_EQ(out.size(), 3u);
}

TEST(Pattern, TrailingSpaceIsLinear) {
  const std::string text = std::string(2000000, ' ') + "5";
  EXPECT_EQ(Split(R"(\s+$)", text).size(), 1u);
}

TEST(Pattern, LongPiecesDoNotExhaustAStack) {
  std::string letters, words;
  for (int i = 0; i < 300000; ++i) {
    letters += "é";
    words += i % 2 ? "a" : "́";
  }
  EXPECT_EQ(Split(kV3, letters).size(), 1u);
  EXPECT_EQ(Split(kV3, words).size(), 1u);
  EXPECT_FALSE(Split("(a|b|c)+", std::string(1000000, 'b')).empty());
}

TEST(Pattern, RunawayPatternsLeaveTheTextWhole) {
  EXPECT_EQ(Split("(x+x+)+y", std::string(40, 'x')).size(), 1u);
}

TEST(Pattern, EmptyMatchesAreNoCuts) {
  EXPECT_EQ(Split("x*", "aéxxb"), (Pieces{"aé", "xx", "b"}));
}

TEST(Pattern, LiteralsAreTakenAsTheyAre) {
  const auto pattern = Pattern::Literal("a.b*");
  ASSERT_TRUE(pattern.ok()) << pattern.status();
  EXPECT_EQ(Split(*pattern, "xa.b*yaxb"), (Pieces{"x", "a.b*", "yaxb"}));
}

TEST(Pattern, RefusesWhatTheTwoSyntaxesDoNotShare) {
  for (const char* regex :
       {"(?m:.)", "(?x)a", "[a[b]]", "[a&&b]", "[^\\S]", "[\\P{L}]", "\\h", "\\R", "\\G", "a{,3}",
        "(?<n>a)", "\\pL", "\\p{}", "[abc", "a\\", "\\u12"}) {
    EXPECT_EQ(TranslatePattern(regex).status().code(), absl::StatusCode::kUnimplemented) << regex;
  }
}

TEST(Pattern, NamesABrokenExpression) {
  for (const char* regex : {"(a", "a)", "*a", "[b-a]", "\\p{Nope}", "a{3,1}"}) {
    EXPECT_EQ(Pattern::Compile(regex).status().code(), absl::StatusCode::kDataLoss) << regex;
  }
}

}  // namespace
}  // namespace deepseek::engine
