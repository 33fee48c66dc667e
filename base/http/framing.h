#pragma once
// What frames the server's messages (RFC 9112). Pure text; internal to base/http.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/http/message.h"

namespace deepseek::http {

struct Misframed {
  int status;
  std::string message;
};

/// Why the end of this request's body cannot be told, or not by everyone alike: what one server
/// takes for a body, another would take for the next request.
std::optional<Misframed> CheckFraming(const Request& head, bool http10);

/// Why the header of a request that is framed well is not taken.
std::optional<Misframed> CheckHeaders(const Request& head, bool http10, bool has_body);

/// How an answer's body and its connection end.
struct Framing {
  std::optional<size_t> length;  ///< of the body; else chunks, or the end of the connection
  bool chunked = false;          ///< without a length
  bool close = false;            ///< the connection ends with this answer
  bool http10 = false;           ///< the client has to be told of a connection that is kept
};

/// The status line and headers, with the empty line.
std::string HeadText(const Response& response, const Framing& framing);

/// `piece` as a chunk; must not be empty, which would end the body.
std::string Chunk(std::string_view piece);

}  // namespace deepseek::http
