#include "operator/api/clip.h"

#include <string>
#include <vector>

#include "base/json_full.h"
#include "base/utf8.h"

namespace deepseek::api {
namespace {

void ClipAt(const std::vector<std::string>& segments, size_t depth, size_t max, Json* value) {
  if (depth == segments.size()) {
    if (!value->is_string()) return;
    auto& text = value->get_ref<std::string&>();
    text.resize(Clip(text, max).size());
  } else if (segments[depth] == "[]") {
    if (!value->is_array()) return;
    for (Json& item : *value) ClipAt(segments, depth + 1, max, &item);
  } else if (value->is_object()) {
    const auto at = value->find(segments[depth]);
    if (at != value->end()) ClipAt(segments, depth + 1, max, &*at);
  }
}

}  // namespace

void ClipStrings(const Fields& fields, Json* value) {
  for (const Field& field : fields) {
    if (field.type != Type::kString) continue;
    // Of bytes, of which there are at least as many as characters.
    ClipAt(Segments(field.path), 0, static_cast<size_t>(MaxLength(field)), value);
  }
}

}  // namespace deepseek::api
