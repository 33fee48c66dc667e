#include "base/auth/api_keys.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/strings.h"
#include "tests/support/temp_dir.h"

namespace deepseek::auth {
namespace {

TEST(ApiKeys, HashIsThatOfSha256sum) {
  // printf %s secret | sha256sum
  EXPECT_EQ(HashOfKey("secret"),
            "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b");
}

TEST(ApiKeys, LinesAndWhoTheyAre) {
  const auto keys = ApiKeys::Parse(
      StrCat("# who\n\n", HashOfKey("a"), " alice\n  ", HashOfKey("b"),
             "\tbob roles=infer,metrics tenant=acme\r\n", HashOfKey("c"), "  carol roles=metrics"),
      "keys");
  ASSERT_TRUE(keys.ok()) << keys.status();
  EXPECT_EQ(keys->size(), 3);
  EXPECT_EQ(keys->Find("a")->name, "alice");
  EXPECT_TRUE(keys->Find("a")->Has(Role::kInfer));
  EXPECT_FALSE(keys->Find("a")->Has(Role::kAdmin));
  EXPECT_EQ(keys->Find("a")->tenant, "");
  EXPECT_EQ(keys->Find("b")->tenant, "acme");
  EXPECT_TRUE(keys->Find("b")->Has(Role::kMetrics));
  EXPECT_FALSE(keys->Find("c")->Has(Role::kInfer));
  for (const std::string& stranger : {std::string(), std::string("A"), std::string("aa"),
                                      HashOfKey("a"), std::string("a\0", 2)}) {
    EXPECT_EQ(keys->Find(stranger), nullptr) << stranger;
  }
}

TEST(ApiKeys, BadLinesAreNamedWithoutWhatTheyHold) {
  const std::string hash = HashOfKey("a");
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"sk-secret alice", ":1: expected the SHA-256"},
      {StrCat(hash, " alice\nsk-secret bob"), ":2: expected the SHA-256"},
      {hash, ":1: expected a name"},
      {StrCat(hash.substr(1), " alice"), ":1: expected the SHA-256"},
      {StrCat(hash, " alice roles=root"), "roles are"},
      {StrCat(hash, " alice roles="), "roles are"},
      {StrCat(hash, " alice tenant="), "plain word"},
      {StrCat(hash, " alice tenant=\"x\""), "plain word"},
      {StrCat(hash, " alice smith"), "roles= or tenant="},
      {StrCat(hash, " alice\n", hash, " bob"), ":2: the same key"},
      {"", "no key in the file"},
      {"# nothing\n", "no key in the file"}};
  for (const auto& [text, why] : cases) {
    const auto status = ApiKeys::Parse(text, "f").status();
    ASSERT_FALSE(status.ok()) << text;
    EXPECT_NE(std::string(status.message()).find(why), std::string::npos) << status;
    EXPECT_EQ(std::string(status.message()).find("sk-secret"), std::string::npos) << status;
  }
}

TEST(ApiKeys, BearerTokens) {
  EXPECT_EQ(BearerToken("Bearer x"), "x");
  EXPECT_EQ(BearerToken("bearer  x y"), "x y");
  for (const char* other : {"", "Bearer", "Bearer ", "Basic x", "x", "BearerX y"})
    EXPECT_EQ(BearerToken(other), "") << other;
}

class ApiKeyFileTest : public ::testing::Test {
 protected:
  void Write(const std::string& text) const { std::ofstream(path_) << text; }
  const TempDir dir_{"api_keys_test"};
  const std::string path_ = (dir_ / "keys").string();
};

TEST_F(ApiKeyFileTest, WhoIsLetIn) {
  Write(StrCat(HashOfKey("a"), " alice\n", HashOfKey("m"), " mon roles=metrics\n"));
  const auto file = ApiKeyFile::Open(path_);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ((*file)->Check("Bearer a", Role::kInfer)->name, "alice");
  EXPECT_EQ((*file)->Check("Bearer m", Role::kMetrics)->name, "mon");
  const auto code = [&](std::string_view header) {
    return (*file)->Check(header, Role::kInfer).status().code();
  };
  EXPECT_EQ(code("Bearer m"), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(code("Bearer b"), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(code(""), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(code("Basic a"), absl::StatusCode::kUnauthenticated);
}

TEST_F(ApiKeyFileTest, ChangesCountAndBadOnesDoNot) {
  Write(StrCat(HashOfKey("a"), " alice\n"));
  const auto file = *ApiKeyFile::Open(path_);
  EXPECT_FALSE(*file->Refresh()) << "nothing new";
  Write(StrCat(HashOfKey("b"), " bob\n"));
  EXPECT_TRUE(*file->Refresh());
  EXPECT_FALSE(file->Check("Bearer a", Role::kInfer).ok()) << "revoked";
  EXPECT_TRUE(file->Check("Bearer b", Role::kInfer).ok());
  for (const std::string& bad : {std::string(), HashOfKey("c"), std::string("garbage\n")}) {
    Write(bad);
    EXPECT_FALSE(file->Refresh().ok());
    EXPECT_TRUE(file->Check("Bearer b", Role::kInfer).ok()) << "the last good keys stay";
  }
  std::filesystem::remove(path_);
  EXPECT_FALSE(file->Refresh().ok());
  EXPECT_TRUE(file->Check("Bearer b", Role::kInfer).ok());
  EXPECT_FALSE(ApiKeyFile::Open(path_).ok());
}

}  // namespace
}  // namespace deepseek::auth
