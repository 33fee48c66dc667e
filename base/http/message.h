#pragma once
// HTTP messages as the rest of the program sees them; no library type leaks out of base/http.

#include <string>
#include <string_view>
#include <vector>

namespace deepseek::http {

struct Header {
  std::string name;
  std::string value;
};
using Headers = std::vector<Header>;

/// Value of the first header `name` (case-insensitive); empty if there is none.
std::string_view FindHeader(const Headers& headers, std::string_view name);

struct Request {
  std::string method;  ///< as sent: "GET", "POST", ...
  std::string target;  ///< as sent: "/v1/models?limit=3", "http://host/v1/models"
  Headers headers;
  std::string body;
  std::string peer;  ///< address of the client, for logs

  /// Target up to the query, without scheme and authority (RFC 9112 section 3.2.2).
  std::string_view path() const;
  std::string_view Get(std::string_view name) const { return FindHeader(headers, name); }
  /// Value of Authorization. Empty: none, or more than one, which no honest client sends.
  std::string_view credentials() const;
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  Headers headers;  ///< further ones; framing (length, chunks, Connection) is the server's business
  std::string body;
};

/// "Not Found" for 404; "Status" for numbers without a name.
std::string_view ReasonPhrase(int status);

}  // namespace deepseek::http
