#include "engine/weights/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "engine/weights/tensor_values.h"

namespace deepseek::engine {
namespace {

using testing::HasSubstr;

// A file image with this header text and `data` bytes; `claimed` overrides the header length.
std::vector<uint8_t> Image(const std::string& header, size_t data, int64_t claimed = -1) {
  const uint64_t length = claimed < 0 ? header.size() : static_cast<uint64_t>(claimed);
  std::vector<uint8_t> file(8 + header.size() + data, 0);
  std::memcpy(file.data(), &length, 8);
  std::memcpy(file.data() + 8, header.data(), header.size());
  return file;
}

TEST(Safetensors, GoodFile) {
  std::map<std::string, std::string> metadata;
  const auto file = Image(R"({"__metadata__": {"k": "v"},
      "a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
      "s": {"dtype": "BF16", "shape": [], "data_offsets": [24, 26]},
      "e": {"dtype": "I64", "shape": [0, 5], "data_offsets": [26, 26]}}   )",
                          26);
  const auto tensors = ParseSafetensors(file, "f", &metadata);
  ASSERT_TRUE(tensors.ok()) << tensors.status();
  EXPECT_EQ(tensors->size(), 3U);
  EXPECT_EQ(tensors->at("a").ShapeText(), "[2, 3]");
  EXPECT_EQ(tensors->at("a").elements(), 6);
  EXPECT_EQ(tensors->at("s").elements(), 1);
  EXPECT_EQ(tensors->at("e").elements(), 0);
  EXPECT_EQ(metadata.at("k"), "v");
}

std::string One(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"w": {"dtype": )" + dtype + R"(, "shape": )" + shape + R"(, "data_offsets": )" +
         offsets + "}}";
}

// Tensors that nobody reads do not make a file unreadable.
TEST(Safetensors, EveryTypeOfTheFormatHasItsSize) {
  const std::map<std::string, size_t> bytes_of_eight = {
      {"BOOL", 8}, {"F4", 4},          {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},
      {"I8", 8},   {"F8_E4M3", 8},     {"F8_E5M2", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8},
      {"U16", 16}, {"F8_E5M2FNUZ", 8}, {"I16", 16},    {"F16", 16},    {"BF16", 16},
      {"U32", 32}, {"I32", 32},        {"F32", 32},    {"U64", 64},    {"I64", 64},
      {"F64", 64}, {"C64", 64}};
  for (const auto& [dtype, bytes] : bytes_of_eight) {
    const std::string header =
        One('"' + dtype + '"', "[2, 4]", "[0, " + std::to_string(bytes) + "]");
    const auto tensors = ParseSafetensors(Image(header, bytes), "f");
    ASSERT_TRUE(tensors.ok()) << tensors.status();
    EXPECT_EQ(tensors->at("w").data.size(), bytes);
    EXPECT_FALSE(ParseSafetensors(Image(header, bytes - 1), "f").ok()) << dtype;
  }
}

struct Bad {
  const char* name;
  std::string header;
  size_t data;
  int64_t claimed;
  const char* message;
};

class BadFile : public testing::TestWithParam<Bad> {};

TEST_P(BadFile, IsOneClearLine) {
  const Bad& bad = GetParam();
  const auto tensors = ParseSafetensors(Image(bad.header, bad.data, bad.claimed), "x.safetensors");
  ASSERT_FALSE(tensors.ok());
  EXPECT_EQ(tensors.status().code(), absl::StatusCode::kDataLoss);
  const std::string message(tensors.status().message());
  EXPECT_THAT(message, HasSubstr("x.safetensors"));
  EXPECT_THAT(message, HasSubstr(bad.message));
  EXPECT_EQ(message.find('\n'), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadFile,
    testing::Values(
        Bad{"length_beyond_file", "{}", 0, 1000, "header claims 1000 bytes"},
        Bad{"length_huge", "{}", 0, INT64_MAX, "header claims"},
        Bad{"not_json", "{\"w\": ", 0, -1, "x.safetensors header"},
        Bad{"not_object", "[]", 0, -1, "header is not an object"},
        Bad{"too_deep", "{\"w\":" + std::string(200, '[') + std::string(200, ']') + "}", 0, -1,
            "header"},
        Bad{"entry_not_object", "{\"w\": 5}", 0, -1, "tensor w: header entry is not an object"},
        Bad{"no_dtype", R"({"w": {"shape": [], "data_offsets": [0, 4]}})", 4, -1,
            "dtype is missing"},
        Bad{"unknown_dtype", One("\"Q4\"", "[1]", "[0, 4]"), 4, -1, "dtype \"Q4\" is unknown"},
        Bad{"shape_not_list", One("\"F32\"", "4", "[0, 4]"), 4, -1,
            "shape is missing or not a list"},
        Bad{"negative_dim", One("\"F32\"", "[-1]", "[0, 4]"), 4, -1, "not a size"},
        Bad{"fraction_dim", One("\"F32\"", "[1.5]", "[0, 4]"), 4, -1, "not a size"},
        Bad{"overflow", One("\"F32\"", "[4294967296, 4294967296]", "[0, 0]"), 0, -1, "overflows"},
        Bad{"overflow_wraps_to_zero", One("\"F32\"", "[4611686018427387904]", "[0, 0]"), 0, -1,
            "overflows"},
        Bad{"overflow_before_a_zero", One("\"F8_E4M3\"", "[4611686018427387904, 2, 0]", "[0, 0]"),
            0, -1, "overflows"},
        Bad{"bits_overflow", One("\"U8\"", "[2305843009213693952]", "[0, 0]"), 0, -1, "overflows"},
        Bad{"half_a_byte", One("\"F4\"", "[3]", "[0, 2]"), 2, -1,
            "F4 [3] does not end at a whole byte"},
        Bad{"nine_dims", One("\"U8\"", "[1,1,1,1,1,1,1,1,1]", "[0, 1]"), 1, -1, "dimensions"},
        Bad{"offsets_missing", R"({"w": {"dtype": "F32", "shape": [1]}})", 4, -1, "data_offsets"},
        Bad{"offsets_backwards", One("\"F32\"", "[1]", "[4, 0]"), 4, -1, "ascending"},
        Bad{"offsets_negative", One("\"F32\"", "[1]", "[-4, 0]"), 4, -1, "ascending"},
        Bad{"truncated", One("\"F32\"", "[4]", "[0, 16]"), 12, -1, "has only 12 (truncated?)"},
        Bad{"lying_shape", One("\"F32\"", "[3]", "[0, 16]"), 16, -1,
            "span 16 bytes but F32 [3] needs 12"},
        Bad{"overlap",
            R"({"a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]},
                "b": {"dtype": "U8", "shape": [4], "data_offsets": [2, 6]}})",
            6, -1, "tensor b overlaps"},
        Bad{"hole",
            R"({"a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]},
                "b": {"dtype": "U8", "shape": [4], "data_offsets": [6, 10]}})",
            10, -1, "tensor b leaves a hole"},
        Bad{"tail", One("\"U8\"", "[4]", "[0, 4]"), 9, -1, "5 bytes after the last tensor"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(Safetensors, EmptyAndTinyFiles) {
  for (size_t bytes = 0; bytes < 8; ++bytes) {
    EXPECT_FALSE(ParseSafetensors(std::vector<uint8_t>(bytes), "f").ok());
  }
}

// Any damage of the header is an error or another valid file, never a crash (run under the
// sanitizers).
TEST(Safetensors, FlippedBytesNeverCrash) {
  const auto good = Image(R"({"a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
                             "b": {"dtype": "U8", "shape": [8], "data_offsets": [24, 32]}})",
                          32);
  std::mt19937 random(7);
  for (int i = 0; i < 3000; ++i) {
    auto file = good;
    for (int flips = 1 + static_cast<int>(random() % 3); flips > 0; --flips) {
      file[random() % (file.size() - 32)] = static_cast<uint8_t>(random());
    }
    const auto tensors = ParseSafetensors(file, "f");
    if (!tensors.ok()) continue;
    for (const auto& [name, view] : *tensors) {
      EXPECT_LE(view.data.data() + view.data.size(), file.data() + file.size());
      EXPECT_TRUE(CheckFinite(view).ok());
    }
  }
}

TEST(TensorValues, FirstNonFiniteIsNamed) {
  TensorView view;
  view.name = "w";
  view.shape = {2, 3};
  std::vector<uint8_t> data(6, 0x7e);
  view.dtype = "F8_E4M3";
  view.data = data;
  EXPECT_TRUE(CheckFinite(view).ok());
  data[4] = 0xff;
  EXPECT_EQ(CheckFinite(view).message(), "tensor w holds NaN or infinity at [1, 1]");
  view.shape = {3};
  view.dtype = "BF16";
  data = {0, 0, 0x80, 0x7f, 0, 0};
  view.data = data;
  EXPECT_EQ(CheckFinite(view).message(), "tensor w holds NaN or infinity at [1]");
  view.dtype = "F16";
  EXPECT_EQ(CheckFinite(view).message(), "tensor w holds NaN or infinity at [1]");
}

}  // namespace
}  // namespace deepseek::engine
