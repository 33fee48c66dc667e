#pragma once
// The whole of nlohmann::json: include this in .cc files only (it costs about a second to compile).
#include <boost/container/flat_map.hpp>
#include <compare>
#include <nlohmann/json.hpp>

#include "base/json.h"

namespace deepseek {

/// What nlohmann's comparisons look for; flat_map has only `<`.
inline std::partial_ordering operator<=>(const Json::object_t& a, const Json::object_t& b) {
  return a == b  ? std::partial_ordering::equivalent
         : a < b ? std::partial_ordering::less
                 : std::partial_ordering::greater;
}

/// Members of an object in the order in which they came.
using JsonMembers = Json::object_t::sequence_type;

/// The object of `members`; the last of several of one name counts. Takes n log n, where adding
/// them one by one may take the square.
Json JsonOf(JsonMembers members);

}  // namespace deepseek
