#include "operator/kube/event_head.h"

#include <simdjson.h>

namespace deepseek::kube {

std::optional<EventHead> PeekEvent(std::string_view line) {
  if (line.empty()) return std::nullopt;  // simdjson copies from where there is nothing
  simdjson::dom::parser parser;
  simdjson::dom::element event;
  if (parser.parse(line.data(), line.size()).get(event) != simdjson::SUCCESS) return std::nullopt;
  const auto text = [&event](std::string_view pointer) {
    std::string_view found;
    return event.at_pointer(pointer).get(found) == simdjson::SUCCESS ? std::string(found) : "";
  };
  EventHead head{.type = text("/type"),
                 .ns = text("/object/metadata/namespace"),
                 .name = text("/object/metadata/name"),
                 .uid = text("/object/metadata/uid"),
                 .resource_version = text("/object/metadata/resourceVersion")};
  const bool complete = !head.type.empty() && !head.name.empty() && !head.uid.empty() &&
                        !head.resource_version.empty();
  return complete ? std::optional(std::move(head)) : std::nullopt;
}

}  // namespace deepseek::kube
