#include "base/json.h"

#include "base/json_full.h"
#include "base/strings.h"

namespace deepseek {
namespace {

// Nesting depth of brackets outside strings, before the parser recurses into them.
int Depth(std::string_view text) {
  int depth = 0, deepest = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      deepest = std::max(deepest, ++depth);
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return deepest;
}

template <typename J>
absl::StatusOr<J> Parse(std::string_view text, std::string_view what, JsonLimits limits) {
  if (text.size() > limits.max_bytes) {
    return absl::InvalidArgumentError(StrCat(what, ": JSON text of ", text.size(),
                                             " bytes is over the limit of ", limits.max_bytes));
  }
  if (Depth(text) > limits.max_depth) {
    return absl::InvalidArgumentError(
        StrCat(what, ": JSON is nested deeper than ", limits.max_depth, " levels"));
  }
  try {
    return J::parse(text);
  } catch (const nlohmann::json::parse_error& e) {
    return absl::InvalidArgumentError(
        StrCat(what, ": not valid JSON: byte ", e.byte, ": ", e.what()));
  } catch (const std::exception& e) {
    return absl::InvalidArgumentError(StrCat(what, ": not valid JSON: ", e.what()));
  }
}

}  // namespace

absl::StatusOr<Json> ParseJson(std::string_view text, std::string_view what, JsonLimits limits) {
  return Parse<Json>(text, what, limits);
}

absl::StatusOr<OrderedJson> ParseOrderedJson(std::string_view text, std::string_view what,
                                             JsonLimits limits) {
  return Parse<OrderedJson>(text, what, limits);
}

std::string DumpJson(const Json& json) {
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace deepseek
