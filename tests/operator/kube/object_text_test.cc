#include "operator/kube/object_text.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "base/json_full.h"
#include "base/strings.h"

namespace deepseek::kube {
namespace {

std::string Repeated(const std::string& text, int n) {
  std::string out;
  for (int i = 0; i < n; ++i) out += text;
  return out;
}

std::string Kept(std::string_view text, ManagedFields managed_fields = ManagedFields::kSkip) {
  const absl::StatusOr<Json> got = ReadObject(text, "t", managed_fields);
  return got.ok() ? DumpJson(*got) : got.status().ToString();
}

// The types too: 1 and 1.0 are told apart by what is written back.
void ExpectAsParseJson(const std::string& text) {
  const absl::StatusOr<Json> want = ParseJson(text, "t", {.max_depth = 256});
  const absl::StatusOr<Json> got = ReadObject(text, "t", ManagedFields::kKeep);
  ASSERT_EQ(got.ok(), want.ok()) << text << ": " << got.status() << " " << want.status();
  if (!want.ok()) {
    EXPECT_EQ(got.status(), want.status());
    return;
  }
  EXPECT_EQ(*got, *want) << text;
  EXPECT_EQ(DumpJson(*got), DumpJson(*want)) << text;
  EXPECT_EQ(got->type(), want->type()) << text;
}

TEST(ObjectText, ReadsWhatParseJsonReads) {
  for (const char* text : {"null",
                           "true",
                           "false",
                           "0",

                           "1",
                           "-1",
                           "1.0",
                           "-2.5e3",
                           "1e400",
                           "1e-400",
                           "9223372036854775807",
                           "9223372036854775808",
                           "-9223372036854775808",
                           "18446744073709551615",
                           "18446744073709551616",
                           "-9223372036854775809",
                           R"("")",
                           R"("a")",
                           R"("\u00e9\ud83d\ude00\n\u0000")",
                           "[]",
                           "{}",
                           R"([1,[2,[]],{"a":{}}])",
                           R"({"b":1,"a":2,"b":3})",
                           R"({"a":{"b":1},"a":2})",
                           " \n\t[ 1 , 2 ]\r\n"}) {
    ExpectAsParseJson(text);
  }
  EXPECT_EQ(Kept("-0"), "0");
}

TEST(ObjectText, RefusesWhatParseJsonRefuses) {
  for (const char* text :
       {"",     " ",       "{",           "[1,]",   "[1 2]",    R"({"a"})",     R"({"a":1,})",
        "01",   "+1",      ".5",          "1.",     "nul",      "NaN",          "[1] 2",
        "'a'",  R"("\x")", R"("\ud800")", "\"\n\"", "\"\x80\"", "\"\xc0\xaf\"", "\"\xed\xa0\x80\"",
        "[1]//"}) {
    ExpectAsParseJson(text);
  }
}

TEST(ObjectText, AnErrorSaysOfWhatAndWhere) {
  const absl::Status status = ReadObject(R"({"a":1,,})", "list pods ns").status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_NE(status.ToString().find("list pods ns: not valid JSON: byte 8"), std::string::npos)
      << status;
}

TEST(ObjectText, DepthIsLimited) {
  EXPECT_TRUE(ReadObject(Repeated("[", 256) + Repeated("]", 256), "t").ok());
  EXPECT_FALSE(ReadObject(Repeated("[", 257) + Repeated("]", 257), "t").ok());
  EXPECT_FALSE(ReadObject(Repeated("[", 100000) + Repeated("]", 100000), "t").ok());
}

TEST(ObjectText, ManagedFieldsOfMetadataAreNotKept) {
  EXPECT_EQ(Kept(R"({"metadata":{"managedFields":[{"a":[1,{}]},"x"],"name":"n"},"spec":3})"),
            R"({"metadata":{"name":"n"},"spec":3})");
  EXPECT_EQ(Kept(R"({"type":"ADDED","object":{"metadata":{"managedFields":[]}}})"),
            R"({"object":{"metadata":{}},"type":"ADDED"})");
  EXPECT_EQ(Kept(R"({"items":[{"metadata":{"managedFields":1}},{"metadata":{"a":2}}]})"),
            R"({"items":[{"metadata":{}},{"metadata":{"a":2}}]})");
  for (const char* text : {R"({"managedFields":1})", R"({"metadata":[{"managedFields":1}]})",
                           R"({"metadata":{"labels":{"managedFields":"1"}}})"}) {
    EXPECT_EQ(Kept(text), text);
  }
  constexpr char kAll[] = R"({"metadata":{"managedFields":[{}]}})";
  EXPECT_EQ(Kept(kAll, ManagedFields::kKeep), kAll);
  EXPECT_NE(Kept(R"({"metadata":{"managedFields":[1,]}})").find("not valid JSON"),
            std::string::npos)
      << "what is skipped is checked";
}

TEST(ObjectText, OfBytesByChanceBothSayTheSame) {
  std::mt19937 chance(7);
  const std::vector<std::string> pieces = {
      "{",    "}",    "[", "]",  ",",  ":",   "\"a\"", "\"b\"", "1",  "-2.5e1",
      "null", "true", " ", "\"", "\\", "u12", "\xc3",  "\xa9",  "\n", "\"c\":"};
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    for (size_t n = 1 + chance() % 8; n > 0; --n) text += pieces[chance() % pieces.size()];
    ExpectAsParseJson(text);
  }
}

}  // namespace
}  // namespace deepseek::kube
