#pragma once
// Typed, range-checked fields of config.json. The first error is kept and every later read is a
// no-op, so that a family's parser is a list of fields followed by one check of status().

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "base/json.h"

namespace deepseek::engine {

class ConfigReader {
 public:
  /// `object` must outlive the reader. `path` prefixes field names in messages ("rope_scaling.").
  ConfigReader(const Json& object, std::string path);

  /// An integer in [min, max].
  void Int(std::string_view field, int64_t min, int64_t max, int32_t* out);
  /// As Int, but a missing or null field leaves *out as it is.
  void OptionalInt(std::string_view field, int64_t min, int64_t max, int32_t* out);
  /// A finite number in [min, max].
  void Number(std::string_view field, double min, double max, double* out);
  void OptionalNumber(std::string_view field, double min, double max, double* out);
  void Bool(std::string_view field, bool* out);
  void OptionalBool(std::string_view field, bool* out);
  void OptionalString(std::string_view field, std::string* out);
  void String(std::string_view field, std::string* out);
  /// A missing or null field passes; any other value than `served` is refused as not served.
  void Only(std::string_view field, const Json& served);

  /// The member, or null when it is missing or JSON null.
  const Json* Find(std::string_view field) const;
  /// kDataLoss: `config.json: FIELD is VALUE, expected EXPECTED`.
  void Fail(std::string_view field, std::string_view expected);
  void Fail(absl::Status status);
  bool ok() const { return status_.ok(); }
  const absl::Status& status() const { return status_; }

 private:
  const Json& object_;
  std::string path_;
  absl::Status status_;
};

}  // namespace deepseek::engine
