#pragma once
// Reading objects of the API server without trusting their shape: what is absent or of another type
// is the default.

#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "base/json.h"

namespace deepseek::decide {

/// `path` is a JSON pointer: "/metadata/name".
const Json* Find(const Json& json, const std::string& path);
/// The member of an object; null if there is none, or no object.
const Json& At(const Json& object, const char* key);
std::string TextAt(const Json& json, const std::string& path);
int64_t IntegerAt(const Json& json, const std::string& path, int64_t otherwise = 0);
bool BoolAt(const Json& json, const std::string& path);
/// RFC 3339; nullopt if absent or something else.
std::optional<absl::Time> TimeAt(const Json& json, const std::string& path);
std::optional<absl::Time> ParseTime(const std::string& text);

/// The annotation or label of an object, whose key may hold '/' and so is no JSON pointer.
std::string MetadataAt(const Json& object, const char* map, const std::string& key);

/// The entry of a list of conditions with this type; nullptr if there is none.
const Json* FindCondition(const Json& object, const std::string& type);

}  // namespace deepseek::decide
