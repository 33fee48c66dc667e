#pragma once
// Reads the golden files of tests/golden and the tokenizers they belong to.

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "base/json_full.h"
#include "engine/tokenizer/tokenizer.h"
#include "gtest/gtest.h"

namespace deepseek::engine::testing {

inline std::optional<std::string> ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::nullopt;
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

inline std::string Source(const std::string& path) {
  return std::string(TEST_SOURCE_DIR) + "/" + path;
}

inline Json ReadJson(const std::string& path) {
  const std::optional<std::string> text = ReadFile(path);
  EXPECT_TRUE(text.has_value()) << path;
  return text ? Json::parse(*text) : Json();
}

/// Folder with <name>/tokenizer{,_config}.json of the real models, as scripts/fetch-tokenizers
/// fills it; they are too large, and not ours, to be stored here.
inline std::string RealTokenizers() {
  if (const char* folder = std::getenv("DEEPSEEK_TOKENIZERS")) return folder;
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  const std::string base = cache != nullptr ? cache : std::string(home ? home : "") + "/.cache";
  return base + "/deepseek-operator/tokenizers";
}

/// Where the vectors of the real models are. DEEPSEEK_VECTORS names another set: a folder with
/// strings.json, vectors/, conversations.json and chat/.
struct VectorSet {
  std::string strings, vectors, conversations, chat;
};

inline VectorSet RealVectors() {
  if (const char* other = std::getenv("DEEPSEEK_VECTORS")) {
    const std::string folder = std::string(other) + "/";
    return {folder + "strings.json", folder + "vectors", folder + "conversations.json",
            folder + "chat"};
  }
  return {Source("tests/golden/tokenizer/strings.json"), Source("tests/golden/tokenizer/vectors"),
          Source("tests/golden/chat/conversations.json"), Source("tests/golden/chat/real")};
}

/// Names of the vector files in a folder, for INSTANTIATE_TEST_SUITE_P.
inline std::vector<std::string> VectorNames(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".json") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

/// The tokenizers that have a vector file or a prompt format.
inline std::vector<std::string> TokenizerNames() {
  std::vector<std::string> names = VectorNames(RealVectors().vectors);
  names.push_back("qwen3");  // its ids are those of Qwen2.5, its template is its own
  return names;
}

/// "deepseek-v3.1" -> "deepseek_v3_1", which a test may be called.
inline std::string TestName(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  return name;
}

inline std::unique_ptr<Tokenizer> LoadTokenizer(const std::string& path) {
  const std::optional<std::string> text = ReadFile(path);
  EXPECT_TRUE(text.has_value()) << path;
  if (!text) return nullptr;
  absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = ParseTokenizer(*text);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return tokenizer.ok() ? *std::move(tokenizer) : nullptr;
}

inline std::unique_ptr<Tokenizer> DemoTokenizer() {
  return LoadTokenizer(Source("models/demo-v3/tokenizer.json"));
}

}  // namespace deepseek::engine::testing
