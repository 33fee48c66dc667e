#pragma once
// Where a JSON object ends that comes in pieces. Pure.

#include <cstddef>
#include <string_view>

namespace deepseek::agent {

/// Counts brackets outside of strings; what stands between them is not looked at.
class ObjectEnd {
 public:
  /// How many bytes of `text`, which goes on from the last one, belong to the object.
  size_t Push(std::string_view text) {
    size_t i = 0;
    for (; i < text.size() && !done_; ++i) {
      const char c = text[i];
      if (escaped_) {
        escaped_ = false;
      } else if (in_string_) {
        escaped_ = c == '\\';
        in_string_ = c != '"';
      } else if (c == '"') {
        in_string_ = true;
      } else if (c == '{' || c == '[') {
        ++depth_;
      } else if (c == '}' || c == ']') {
        done_ = --depth_ <= 0;
      }
    }
    return i;
  }
  bool done() const { return done_; }

 private:
  int depth_ = 0;
  bool in_string_ = false, escaped_ = false, done_ = false;
};

}  // namespace deepseek::agent
