// What the commands read and write: cases, safetensors, JSON lines.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "agent/cli/cases.h"
#include "agent/cli/json_lines.h"
#include "agent/cli/safetensors_writer.h"
#include "base/json_full.h"
#include "engine/weights/safetensors.h"
#include "tests/support/temp_dir.h"

namespace deepseek::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Files : public ::testing::Test {
 protected:
  std::string Path(const std::string& name) const { return (dir_ / name).string(); }
  std::string Write(const std::string& name, const std::string& text) const {
    std::ofstream(Path(name), std::ios::binary) << text;
    return Path(name);
  }
  const TempDir dir_{"agent_cli"};
};

TEST_F(Files, WrittenTensorsAreReadBack) {
  auto writer = SafetensorsWriter::Create(Path("out"),
                                          {{"a.logits", "F32", {2, 2}}, {"a.greedy", "I32", {3}}});
  ASSERT_TRUE(writer.ok()) << writer.status();
  writer->Append(std::vector<float>{1, 2});
  writer->Append(std::vector<float>{3, 4.5F});
  writer->Append(std::vector<int32_t>{7, 8, 9});
  EXPECT_FALSE(std::filesystem::exists(Path("out"))) << "not before it is whole";
  ASSERT_TRUE(writer->Finish().ok());
  const auto file = engine::SafetensorsFile::Open(Path("out"));
  ASSERT_TRUE(file.ok()) << file.status();
  const auto* logits = file->Find("a.logits");
  ASSERT_NE(logits, nullptr);
  EXPECT_THAT(logits->shape, ElementsAre(2, 2));
  float last = 0;
  std::memcpy(&last, logits->data.data() + 12, 4);
  EXPECT_EQ(last, 4.5F);
  EXPECT_FALSE(std::filesystem::exists(Path("out.part")));
}

TEST_F(Files, AWriterThatIsNotFinishedLeavesNothing) {
  {
    auto writer = SafetensorsWriter::Create(Path("out"), {{"a", "F32", {2}}});
    ASSERT_TRUE(writer.ok());
    writer->Append(std::vector<float>{1});
    EXPECT_EQ(writer->Finish().code(), absl::StatusCode::kInternal);
  }
  EXPECT_TRUE(std::filesystem::is_empty(dir_.path()));
}

TEST_F(Files, ALinkStaysAndItsFileIsReplaced) {
  std::filesystem::create_directory(dir_ / "there");
  std::filesystem::create_symlink("there/file", dir_ / "link");
  for (int round = 0; round < 2; ++round) {  // the file is not there, then it is
    auto writer = SafetensorsWriter::Create(Path("link"), {{"a", "F32", {1}}});
    ASSERT_TRUE(writer.ok()) << writer.status();
    writer->Append(std::vector<float>{1});
    ASSERT_TRUE(writer->Finish().ok());
    EXPECT_TRUE(std::filesystem::is_symlink(dir_ / "link"));
    EXPECT_TRUE(engine::SafetensorsFile::Open(Path("there/file")).ok());
    EXPECT_FALSE(std::filesystem::exists(Path("there/file.part")));
  }
}

TEST_F(Files, WhatIsNoPlainFileIsWrittenToAndStays) {
  ASSERT_EQ(::mkfifo(Path("pipe").c_str(), 0600), 0);
  const int reader = ::open(Path("pipe").c_str(), O_RDONLY | O_NONBLOCK);
  for (const bool whole : {true, false}) {
    auto writer = SafetensorsWriter::Create(Path("pipe"), {{"a", "F32", {1}}});
    ASSERT_TRUE(writer.ok()) << writer.status();
    if (whole) writer->Append(std::vector<float>{1});
    EXPECT_EQ(writer->Finish().ok(), whole);
  }
  EXPECT_TRUE(std::filesystem::is_fifo(dir_ / "pipe"));
  char bytes[4096];
  EXPECT_GT(::read(reader, bytes, sizeof bytes), 12);
  ::close(reader);
  EXPECT_FALSE(SafetensorsWriter::Create(dir_.path(), {}).ok()) << "a folder";
}

TEST_F(Files, AnOutputThatCannotBeWrittenIsNamed) {
  EXPECT_THAT(std::string(SafetensorsWriter::Create("/no/such/folder/x", {}).status().message()),
              HasSubstr("/no/such/folder/x"));
}

TEST_F(Files, CasesOfBothIntegerTypes) {
  auto writer = SafetensorsWriter::Create(Path("in"), {{"b.input_ids", "I32", {2}},
                                                       {"a.input_ids", "I32", {3}},
                                                       {"a.positions", "I32", {1}},
                                                       {"x", "I32", {1}}});
  ASSERT_TRUE(writer.ok());
  writer->Append(std::vector<int32_t>{1, 2, 3, 4, 5, 2, 0});
  ASSERT_TRUE(writer->Finish().ok());
  const auto cases = ReadCases(Path("in"));
  ASSERT_TRUE(cases.ok()) << cases.status();
  ASSERT_EQ(cases->size(), 2U);
  EXPECT_EQ((*cases)[0].name, "a");
  EXPECT_THAT((*cases)[0].input_ids, ElementsAre(3, 4, 5));
  EXPECT_THAT((*cases)[0].positions, ElementsAre(2));
  EXPECT_THAT((*cases)[1].input_ids, ElementsAre(1, 2));
  EXPECT_TRUE((*cases)[1].positions.empty());
}

TEST_F(Files, CasesOfAnotherShapeOrTypeAreAWrongUse) {
  for (const TensorHeader& tensor :
       {TensorHeader{"a.input_ids", "F32", {2}}, TensorHeader{"a.input_ids", "I32", {1, 2}},
        TensorHeader{"a.other", "I32", {2}}}) {
    auto writer = SafetensorsWriter::Create(Path("in"), {tensor});
    ASSERT_TRUE(writer.ok());
    writer->Append(std::vector<int32_t>{1, 2});
    ASSERT_TRUE(writer->Finish().ok());
    EXPECT_EQ(ReadCases(Path("in")).status().code(), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(ReadCases(Write("junk", "hello")).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReadCases(Path("none")).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(Files, JsonLinesSkipBlankOnesAndNameTheBadOne) {
  const std::string path = Write("lines", "{\"a\":1}\n\n  \t\n{\"a\":2}\n[3]\n");
  std::vector<int> seen;
  const absl::Status status = ForEachJsonLine("--f", path, [&seen](const OrderedJson& json) {
    seen.push_back(json.at("a").get<int>());
    return absl::OkStatus();
  });
  EXPECT_THAT(seen, ElementsAre(1, 2));
  EXPECT_THAT(std::string(status.message()), HasSubstr("line 5"));
  for (const std::string& path : {Path("none"), dir_.path().string()}) {
    const absl::Status unread = ForEachJsonLine("--f", path, nullptr);
    EXPECT_EQ(unread.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(unread.message()), HasSubstr(path));
  }
}

}  // namespace
}  // namespace deepseek::agent
