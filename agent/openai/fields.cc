#include "agent/openai/fields.h"

#include <cmath>
#include <limits>
#include <utility>

#include "agent/openai/error.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::agent {
namespace {

std::string Text(double value) {
  // Limits are small decimal numbers: six digits show them as they are written.
  return StrCat(value);
}

}  // namespace

std::string_view Kind(const OrderedJson& value) {
  switch (value.type()) {
    case OrderedJson::value_t::null:
      return "null";
    case OrderedJson::value_t::object:
      return "an object";
    case OrderedJson::value_t::array:
      return "an array";
    case OrderedJson::value_t::string:
      return "a string";
    case OrderedJson::value_t::boolean:
      return "a boolean";
    default:
      return value.is_number_float() ? "a decimal number" : "an integer";
  }
}

const OrderedJson* Fields::Find(const char* name) const {
  const auto it = object_.find(name);
  return it == object_.end() || it->is_null() ? nullptr : &*it;
}

void Fields::Fail(std::string_view name, std::string_view message, std::string_view code) {
  if (status_.ok())
    status_ = BadParam(StrCat(path_, name), StrCat("'", path_, name, "': ", message), code);
}

void Fields::Unsupported(std::string_view name, std::string_view why) {
  Fail(name, StrCat("this server does not support it", why.empty() ? "" : ": ", why),
       "unsupported_parameter");
}

std::optional<bool> Fields::Bool(const char* name) {
  const OrderedJson* value = Find(name);
  if (!value) return std::nullopt;
  if (!value->is_boolean()) {
    Fail(name, StrCat("expected a boolean, got ", Kind(*value)), "invalid_type");
    return std::nullopt;
  }
  return value->get<bool>();
}

std::optional<std::string> Fields::String(const char* name) {
  const OrderedJson* value = Find(name);
  if (!value) return std::nullopt;
  if (!value->is_string()) {
    Fail(name, StrCat("expected a string, got ", Kind(*value)), "invalid_type");
    return std::nullopt;
  }
  return value->get<std::string>();
}

std::optional<float> Fields::Number(const char* name, double low, double high, bool low_open,
                                    bool high_open) {
  const OrderedJson* value = Find(name);
  if (!value) return std::nullopt;
  if (!value->is_number()) {
    Fail(name, StrCat("expected a number, got ", Kind(*value)), "invalid_type");
    return std::nullopt;
  }
  const double number = value->get<double>();
  if (!std::isfinite(number) || number < low || number > high || (low_open && number == low) ||
      (high_open && number == high)) {
    Fail(name,
         StrCat("expected a number ", low_open ? "above " : "from ", Text(low),
                high_open ? " and below " : " to ", Text(high), ", got ", value->dump()),
         "invalid_value");
    return std::nullopt;
  }
  return static_cast<float>(number);
}

std::optional<int64_t> Fields::Integer(const char* name, int64_t low, int64_t high) {
  const OrderedJson* value = Find(name);
  if (!value) return std::nullopt;
  const auto fail = [&](std::string_view got, std::string_view code) {
    Fail(name, StrCat("expected an integer from ", low, " to ", high, ", got ", got), code);
    return std::nullopt;
  };
  // A number of too many digits reads as a decimal one.
  if (value->is_number_float()) return fail(value->dump(), "invalid_type");
  if (!value->is_number_integer()) return fail(Kind(*value), "invalid_type");
  const bool huge =
      value->is_number_unsigned() &&
      value->get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  const int64_t number = huge ? 0 : value->get<int64_t>();
  if (huge || number < low || number > high) return fail(value->dump(), "invalid_value");
  return number;
}

std::optional<std::vector<int32_t>> Fields::TokenIds(const char* name) {
  const OrderedJson* value = Find(name);
  if (!value) return std::nullopt;
  std::vector<int32_t> ids;
  bool good = value->is_array();
  if (good) {
    ids.reserve(value->size());
    for (const OrderedJson& id : *value) {
      good = id.is_number_unsigned() && id.get<uint64_t>() <= std::numeric_limits<int32_t>::max();
      if (!good) break;
      ids.push_back(id.get<int32_t>());
    }
  }
  if (!good) {
    Fail(name, "expected an array of token ids (integers, 0 or more)", "invalid_type");
    return std::nullopt;
  }
  return ids;
}

absl::StatusOr<OrderedJson> ParseObject(std::string_view body, const RequestLimits& limits) {
  auto parsed = ParseOrderedJson(body, "request body", {.max_bytes = limits.max_body_bytes});
  if (!parsed.ok()) {
    return ToStatus({400, std::string(ToStd(parsed.status().message())), "invalid_request_error",
                     "", "invalid_json"});
  }
  if (!parsed->is_object()) {
    return ToStatus({400, StrCat("request body: expected a JSON object, got ", Kind(*parsed)),
                     "invalid_request_error", "", "invalid_json"});
  }
  return parsed;
}

}  // namespace deepseek::agent
