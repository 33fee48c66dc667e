#include "base/json.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/json_full.h"
#include "base/json_tree.h"
#include "base/strings.h"

namespace deepseek {
namespace {

struct Extent {
  int depth = 0;       // nesting of brackets outside strings
  size_t longest = 0;  // string, in bytes as written
};

// Before the parser recurses into brackets or copies a string.
Extent Measure(std::string_view text) {
  Extent extent;
  int depth = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') {
      const size_t begin = ++i;
      while (i < text.size() && text[i] != '"') i += text[i] == '\\' ? 2 : 1;
      extent.longest = std::max(extent.longest, std::min(i, text.size()) - begin);
    } else if (c == '[' || c == '{') {
      extent.depth = std::max(extent.depth, ++depth);
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return extent;
}

template <typename J>
absl::StatusOr<J> Parse(std::string_view text, std::string_view what, const JsonLimits& limits,
                        const std::vector<JsonStream>* streams) {
  if (text.size() > limits.max_bytes) {
    return absl::InvalidArgumentError(StrCat(what, ": JSON text of ", text.size(),
                                             " bytes is over the limit of ", limits.max_bytes));
  }
  // The parser takes it for the end of the text.
  if (const size_t nul = text.find('\0'); nul != std::string_view::npos) {
    return absl::InvalidArgumentError(
        StrCat(what, ": not valid JSON: byte ", nul + 1, " is a NUL"));
  }
  const Extent extent = Measure(text);
  if (extent.depth > limits.max_depth) {
    return absl::InvalidArgumentError(
        StrCat(what, ": JSON is nested deeper than ", limits.max_depth, " levels"));
  }
  if (extent.longest > limits.max_string_bytes) {
    return absl::InvalidArgumentError(StrCat(what, ": JSON has a string of ", extent.longest,
                                             " bytes, at most ", limits.max_string_bytes));
  }
  try {
    JsonTree<J> tree(what, limits, streams);
    if (J::sax_parse(text, &tree)) return tree.Take();
    if (!tree.status().ok()) return tree.status();
    return absl::InvalidArgumentError(StrCat(what, ": not valid JSON"));
  } catch (const std::exception& e) {
    return absl::InvalidArgumentError(StrCat(what, ": not valid JSON: ", e.what()));
  }
}

}  // namespace

absl::StatusOr<Json> ParseJson(std::string_view text, std::string_view what, JsonLimits limits) {
  return Parse<Json>(text, what, limits, nullptr);
}

absl::StatusOr<OrderedJson> ParseOrderedJson(std::string_view text, std::string_view what,
                                             JsonLimits limits) {
  return Parse<OrderedJson>(text, what, limits, nullptr);
}

absl::StatusOr<Json> ParseJsonStream(std::string_view text, std::string_view what,
                                     JsonLimits limits, const std::vector<JsonStream>& streams) {
  return Parse<Json>(text, what, limits, &streams);
}

Json JsonOf(JsonMembers members) {
  const auto in_order = [](const auto& a, const auto& b) { return a.first < b.first; };
  const auto not_before = [](const auto& a, const auto& b) { return a.first >= b.first; };
  if (std::adjacent_find(members.begin(), members.end(), not_before) != members.end()) {
    std::stable_sort(members.begin(), members.end(), in_order);
    // Of each run of one name the last stays.
    auto end = members.begin();
    for (auto it = members.begin(); it != members.end(); ++it) {
      const auto next = std::next(it);
      if (next != members.end() && next->first == it->first) continue;
      if (end != it) *end = std::move(*it);
      ++end;
    }
    members.erase(end, members.end());
  }
  Json out = Json::object();
  out.get_ref<Json::object_t&>().adopt_sequence(boost::container::ordered_unique_range,
                                                std::move(members));
  return out;
}

std::string DumpJson(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace deepseek
