#pragma once
// Text in which every byte knows where it comes from: the template, or the request. All string
// operations of the template interpreter are built on this, so the marks survive whatever a
// template does.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace deepseek::engine {

class MarkedText {
 public:
  struct Run {
    size_t end;  ///< bytes; runs cover the text in order, neighbours differ in `input`
    bool input;
  };

  MarkedText() = default;
  MarkedText(std::string_view text, bool input) { Append(text, input); }

  void Append(std::string_view text, bool input);
  void Append(const MarkedText& other) { Append(other, 0, other.size()); }
  /// Appends bytes [begin, end) of `other`, which is not *this.
  void Append(const MarkedText& other, size_t begin, size_t end);
  MarkedText Slice(size_t begin, size_t end) const;

  const std::string& text() const { return text_; }
  const std::vector<Run>& runs() const { return runs_; }
  size_t size() const { return text_.size(); }
  bool empty() const { return text_.empty(); }
  /// Whether the byte at `at` comes from the request.
  bool IsInput(size_t at) const;
  /// Whether any byte does.
  bool HasInput() const;

 private:
  size_t RunAt(size_t at) const;
  std::string text_;
  std::vector<Run> runs_;
};

}  // namespace deepseek::engine
