#include "operator/kube/object_text.h"

#include <simdjson.h>

#include <algorithm>
#include <bit>
#include <string>
#include <utility>

#include "base/json_full.h"

namespace deepseek::kube {
namespace {

// What an API server may send: 500 objects of a page at its own limit of about 1.5 MB each stay
// below this in practice.
constexpr JsonLimits kLimits{.max_bytes = size_t{512} << 20, .max_depth = 256};

// The numbers as ParseJson has them: what is not negative is unsigned.
Json NumberOf(int64_t number) {
  return number < 0 ? Json(number) : Json(static_cast<uint64_t>(number));
}

// Recursion ends at kLimits.max_depth, which the parser has checked.
class Builder {
 public:
  explicit Builder(ManagedFields managed_fields) : managed_fields_(managed_fields) {}

  // `key`: of the member that `element` is; empty for others.
  Json Build(simdjson::dom::element element, std::string_view key) const {
    switch (element.type()) {
      case simdjson::dom::element_type::OBJECT:
        return BuildObject(simdjson::dom::object(element), key == "metadata");
      case simdjson::dom::element_type::ARRAY:
        return BuildArray(simdjson::dom::array(element));
      case simdjson::dom::element_type::STRING:
        return std::string(std::string_view(element));
      case simdjson::dom::element_type::INT64:
        return NumberOf(int64_t(element));
      case simdjson::dom::element_type::UINT64:
        return uint64_t(element);
      case simdjson::dom::element_type::DOUBLE:
        return double(element);
      case simdjson::dom::element_type::BOOL:
        return bool(element);
      case simdjson::dom::element_type::NULL_VALUE:
        break;
    }
    return nullptr;
  }

 private:
  Json BuildObject(simdjson::dom::object object, bool is_metadata) const {
    const bool skips = is_metadata && managed_fields_ == ManagedFields::kSkip;
    JsonMembers out;
    out.reserve(object.size());
    for (const auto [key, value] : object) {
      if (skips && key == "managedFields") continue;
      out.emplace_back(std::string(key), Build(value, key));
    }
    return JsonOf(std::move(out));
  }

  Json BuildArray(simdjson::dom::array array) const {
    Json::array_t out;
    out.reserve(array.size());
    for (const simdjson::dom::element element : array) out.push_back(Build(element, ""));
    return out;
  }

  const ManagedFields managed_fields_;
};

}  // namespace

absl::StatusOr<Json> ReadObject(std::string_view text, std::string_view what,
                                ManagedFields managed_fields) {
  // A parser's tables are several times its text: warm where it is used again.
  constexpr size_t kMostKept = size_t{64} << 10;
  thread_local simdjson::dom::parser kept;
  simdjson::dom::parser large(kLimits.max_bytes);
  const bool keeps = text.size() <= kMostKept;
  simdjson::dom::parser& parser = keeps ? kept : large;
  const size_t room = keeps ? std::bit_ceil(std::max(text.size(), size_t{4} << 10)) : text.size();
  simdjson::dom::element root;
  const bool fits = parser.capacity() > 0 && parser.capacity() >= text.size();
  if (!text.empty() && (fits || parser.allocate(room, kLimits.max_depth) == simdjson::SUCCESS) &&
      parser.parse(text.data(), text.size()).get(root) == simdjson::SUCCESS) {
    return Builder(managed_fields).Build(root, "");
  }
  // It says what is wrong and where, and takes what only simdjson refuses: integers beyond 64 bits.
  return ParseJson(text, what, kLimits);
}

}  // namespace deepseek::kube
