#pragma once
// Text as UTF-8: where its characters begin and end.

#include <cstddef>
#include <string_view>

namespace deepseek {

/// Bytes of the character that `text`, not empty, begins with; 0: it is malformed (RFC 3629,
/// section 4).
size_t CharacterBytes(std::string_view text);

/// Number of characters; each malformed byte counts as one, as U+FFFD would in its place.
size_t CountCharacters(std::string_view text);

/// The beginning of `text`, at most `max_bytes`, that does not end within a character.
std::string_view Clip(std::string_view text, size_t max_bytes);

}  // namespace deepseek
