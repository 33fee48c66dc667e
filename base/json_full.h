#pragma once
// The whole of nlohmann::json: include this in .cc files only (it costs about a second to compile).
#include <boost/container/flat_map.hpp>
#include <compare>
#include <nlohmann/json.hpp>

#include "base/json.h"

namespace deepseek {

template <class Key, class Value, class Compare, class /*Allocator*/>
class JsonObject : public boost::container::flat_map<Key, Value, Compare> {
 public:
  using boost::container::flat_map<Key, Value, Compare>::flat_map;

  // Of the maps that nlohmann may be given C++20 asks for it, and flat_map has only `<`.
  friend std::partial_ordering operator<=>(const JsonObject& a, const JsonObject& b) {
    for (auto x = a.begin(), y = b.begin(); x != a.end() && y != b.end(); ++x, ++y) {
      if (const auto keys = x->first <=> y->first; std::is_neq(keys)) return keys;
      if (const auto values = x->second <=> y->second; std::is_neq(values)) return values;
    }
    return a.size() <=> b.size();
  }
};

/// Members of an object in the order in which they came.
using JsonMembers = Json::object_t::sequence_type;

/// The object of `members`; the last of several of one name counts. Takes n log n, where adding
/// them one by one may take the square.
Json JsonOf(JsonMembers members);

}  // namespace deepseek
