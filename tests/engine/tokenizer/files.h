#pragma once
// Reads the golden files of tests/golden and the tokenizers they belong to.

#include <cstdlib>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>

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

/// Folder with <name>/tokenizer.json of the real models; they are too large, and not ours, to be
/// stored here.
inline std::optional<std::string> RealTokenizers() {
  const char* folder = std::getenv("DEEPSEEK_TOKENIZERS");
  if (folder == nullptr) return std::nullopt;
  return std::string(folder);
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
