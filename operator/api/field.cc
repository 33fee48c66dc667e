#include "operator/api/field.h"

namespace deepseek::api {

int MaxLength(const Field& field) {
  return field.max_length > 0 ? field.max_length : 256;
}
int MaxItems(const Field& field) {
  return field.max_items > 0 ? field.max_items : 32;
}

std::vector<std::string> Segments(const std::string& path) {
  std::vector<std::string> segments;
  std::string current;
  const auto flush = [&] {
    if (!current.empty()) segments.push_back(current);
    current.clear();
  };
  for (size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '.') {
      flush();
    } else if (path[i] == '[' || path[i] == '{') {
      flush();
      segments.push_back(path.substr(i, 2));
      ++i;
    } else {
      current += path[i];
    }
  }
  flush();
  return segments;
}

void Append(Fields* fields, const std::string& prefix, const Fields& rows) {
  for (Field row : rows) {
    const bool bare = row.path.empty() || row.path[0] == '[' || row.path[0] == '{';
    row.path = prefix + (bare ? "" : ".") + row.path;
    fields->push_back(std::move(row));
  }
}

}  // namespace deepseek::api
