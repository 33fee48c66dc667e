#pragma once
// Structured logging: one line per event, JSON for machines, short text for people. Never log user
// text or secrets.

#include <initializer_list>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace deepseek::log {

enum class Level { kDebug, kInfo, kWarn, kError };
enum class Format { kJson, kText };

/// A key and its value; numbers and booleans keep their JSON type.
struct Field {
  Field(std::string_view key, std::string_view value);
  Field(std::string_view key, const char* value);
  Field(std::string_view key, const std::string& value);
  Field(std::string_view key, bool value);
  Field(std::string_view key, double value);
  Field(std::string_view key, int value);
  Field(std::string_view key, long value);
  Field(std::string_view key, long long value);
  Field(std::string_view key, unsigned value);
  Field(std::string_view key, unsigned long value);
  std::string key;
  std::string json;  ///< the value as JSON text
};

/// Thread-safe; lines go to stderr whole.
void Write(Level level, std::string_view message, std::initializer_list<Field> fields = {});
inline void Debug(std::string_view m, std::initializer_list<Field> f = {}) {
  Write(Level::kDebug, m, f);
}
inline void Info(std::string_view m, std::initializer_list<Field> f = {}) {
  Write(Level::kInfo, m, f);
}
inline void Warn(std::string_view m, std::initializer_list<Field> f = {}) {
  Write(Level::kWarn, m, f);
}
inline void Error(std::string_view m, std::initializer_list<Field> f = {}) {
  Write(Level::kError, m, f);
}

/// Settings of the process; may be called at any time (log level reload). Default: info, JSON.
void SetLevel(Level level);
void SetFormat(Format format);

/// "debug", "info", "warn", "error".
absl::Status SetLevelByName(std::string_view name);

}  // namespace deepseek::log
