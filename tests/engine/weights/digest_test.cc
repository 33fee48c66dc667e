#include "engine/weights/digest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "engine/weights/verify.h"
#include "tests/support/temp_dir.h"

namespace deepseek::engine {
namespace {

namespace fs = std::filesystem;
using testing::StartsWith;

// A copy of the demo model that a test may damage.
class DigestTest : public testing::Test {
 protected:
  DigestTest() {
    for (const char* name :
         {"config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"}) {
      fs::copy(fs::path(TEST_SOURCE_DIR "/models/demo-v3") / name, path_ / name);
    }
  }

  std::string Digest(int64_t whole = kWholeFileBytes) const {
    const auto digest = WeightsDigest(path_.string(), whole);
    EXPECT_TRUE(digest.ok()) << digest.status();
    return digest.value_or("");
  }
  void Flip(const std::string& name, int64_t offset) const {
    std::fstream file(path_ / name, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(offset);
    const char byte = static_cast<char>(file.get() ^ 1);
    file.seekp(offset);
    file.put(byte);
  }
  int64_t Size(const std::string& name) const {
    return static_cast<int64_t>(fs::file_size(path_ / name));
  }

  const TempDir dir_{"digest_test"};
  const fs::path path_ = dir_.path();
};

TEST_F(DigestTest, IsTheOneThatVerifySays) {
  const auto report = VerifyCheckpoint(path_.string());
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(Digest(), report->digest);
}

TEST_F(DigestTest, AChatTemplateOfItsOwnCounts) {
  const std::string before = Digest();
  std::ofstream(path_ / "chat_template.jinja") << "{{ messages }}";
  EXPECT_NE(Digest(), before);
  EXPECT_EQ(Digest(), VerifyCheckpoint(path_.string())->digest);
}

TEST_F(DigestTest, FilesThatSpeakForTheTokenizerCount) {
  fs::create_directory(path_ / "additional_chat_templates");
  for (const char* name : {"special_tokens_map.json", kToolTemplateFile}) {
    const std::string before = Digest();
    std::ofstream(path_ / name) << "{}";
    EXPECT_NE(Digest(), before) << name;
    EXPECT_EQ(Digest(), VerifyCheckpoint(path_.string())->digest);
  }
}

TEST_F(DigestTest, EveryByteOfASmallModelCounts) {
  const std::string before = Digest();
  Flip("model.safetensors", Size("model.safetensors") - 12345);
  EXPECT_NE(Digest(), before);
  Flip("model.safetensors", Size("model.safetensors") - 12345);
  EXPECT_EQ(Digest(), before);
  Flip("tokenizer.json", 100);
  EXPECT_NE(Digest(), before) << "other tokens make another model";
}

TEST_F(DigestTest, OfLargeFilesSamplesCount) {
  const std::string before = Digest(1000);
  EXPECT_THAT(before, StartsWith("sampled-sha256:"));
  EXPECT_NE(before, Digest());
  const int64_t size = Size("model.safetensors");
  Flip("model.safetensors", size - 1);
  EXPECT_NE(Digest(1000), before) << "the end";
  Flip("model.safetensors", size - 1);
  EXPECT_EQ(Digest(1000), before);
  ASSERT_GT(size, 3 << 20);
  Flip("model.safetensors", 2 << 20);
  EXPECT_EQ(Digest(1000), before) << "a byte between two samples: what `verify` is there for";
}

TEST_F(DigestTest, AFolderWithoutWeightsHasNone) {
  fs::remove(path_ / "model.safetensors");
  EXPECT_TRUE(absl::IsNotFound(WeightsDigest(path_.string()).status()));
}

}  // namespace
}  // namespace deepseek::engine
