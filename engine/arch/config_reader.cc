#include "engine/arch/config_reader.h"

#include <cmath>
#include <utility>

#include "base/json_full.h"
#include "base/strings.h"

namespace deepseek::engine {
namespace {

// A value for a message: short, whatever the file holds.
std::string Shown(const Json* value) {
  if (value == nullptr) return "missing";
  std::string text = DumpJson(*value);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}

std::string RangeText(std::string_view kind, double min, double max) {
  return StrCat(kind, " from ", min, " to ", max);
}

}  // namespace

ConfigReader::ConfigReader(const Json& object, std::string path)
    : object_(object), path_(std::move(path)) {}

const Json* ConfigReader::Find(std::string_view field) const {
  if (!object_.is_object()) return nullptr;
  const auto it = object_.find(std::string(field));
  return it == object_.end() || it->is_null() ? nullptr : &*it;
}

void ConfigReader::Fail(std::string_view field, std::string_view expected) {
  const Json* value = Find(field);
  Fail(absl::DataLossError(
      StrCat("config.json: ", path_, field, " is ", Shown(value), ", expected ", expected)));
}

void ConfigReader::Fail(absl::Status status) {
  if (status_.ok()) status_ = std::move(status);
}

void ConfigReader::Int(std::string_view field, int64_t min, int64_t max, int32_t* out) {
  const Json* value = Find(field);
  const auto refuse = [&] { Fail(field, StrCat("an integer from ", min, " to ", max)); };
  if (value == nullptr || !value->is_number_integer()) return refuse();
  // An unsigned value above the signed range would wrap when read as int64.
  if (value->is_number_unsigned() && value->get<uint64_t>() > uint64_t{INT32_MAX}) return refuse();
  const int64_t n = value->get<int64_t>();
  if (n < min || n > max) return refuse();
  *out = static_cast<int32_t>(n);
}

void ConfigReader::OptionalInt(std::string_view field, int64_t min, int64_t max, int32_t* out) {
  if (Find(field) != nullptr) Int(field, min, max, out);
}

void ConfigReader::Number(std::string_view field, double min, double max, double* out) {
  const Json* value = Find(field);
  const auto refuse = [&] { Fail(field, RangeText("a number", min, max)); };
  if (value == nullptr || !value->is_number()) return refuse();
  const double n = value->get<double>();
  if (!std::isfinite(n) || n < min || n > max) return refuse();
  *out = n;
}

void ConfigReader::OptionalNumber(std::string_view field, double min, double max, double* out) {
  if (Find(field) != nullptr) Number(field, min, max, out);
}

void ConfigReader::Bool(std::string_view field, bool* out) {
  const Json* value = Find(field);
  if (value == nullptr || !value->is_boolean()) return Fail(field, "true or false");
  *out = value->get<bool>();
}

void ConfigReader::OptionalBool(std::string_view field, bool* out) {
  if (Find(field) != nullptr) Bool(field, out);
}

void ConfigReader::String(std::string_view field, std::string* out) {
  const Json* value = Find(field);
  if (value == nullptr || !value->is_string()) return Fail(field, "a string");
  *out = value->get<std::string>();
}

void ConfigReader::OptionalString(std::string_view field, std::string* out) {
  if (Find(field) != nullptr) String(field, out);
}

void ConfigReader::Only(std::string_view field, const Json& served) {
  const Json* value = Find(field);
  if (value == nullptr || *value == served) return;
  Fail(absl::UnimplementedError(
      StrCat("config.json: ", path_, field, " is ", Shown(value), ", served: ", DumpJson(served))));
}

}  // namespace deepseek::engine
