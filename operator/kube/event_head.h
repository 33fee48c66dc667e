#pragma once
// What a watch event is about: most events tell an operator what it has just written itself, and
// building their trees would be for nothing.

#include <optional>
#include <string>
#include <string_view>

namespace deepseek::kube {

struct EventHead {
  std::string type;  ///< as written: "MODIFIED"
  std::string ns, name, uid, resource_version;
};

/// nullopt where `line` does not tell (it may still be an event: of an error, a bookmark, or
/// malformed).
std::optional<EventHead> PeekEvent(std::string_view line);

}  // namespace deepseek::kube
