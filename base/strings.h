#pragma once
// Debian's Abseil has a string_view of its own. Our code speaks std::string_view; these few
// functions bridge the two.

#include <string>
#include <string_view>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace deepseek {

inline absl::string_view ToAbsl(std::string_view s) {
  return {s.data(), s.size()};
}
inline std::string_view ToStd(absl::string_view s) {
  return {s.data(), s.size()};
}

namespace internal {
template <typename T>
decltype(auto) StrCatArgument(const T& value) {
  if constexpr (std::is_same_v<T, std::string_view>) {
    return ToAbsl(value);
  } else {
    return (value);
  }
}
}  // namespace internal

/// absl::StrCat that also takes std::string_view.
template <typename... T>
std::string StrCat(const T&... parts) {
  return absl::StrCat(internal::StrCatArgument(parts)...);
}

/// absl::StrAppend that also takes std::string_view.
template <typename... T>
void StrAppend(std::string* out, const T&... parts) {
  absl::StrAppend(out, internal::StrCatArgument(parts)...);
}

}  // namespace deepseek
