#include "base/http/framing.h"

#include <cstdio>

#include "base/strings.h"

namespace deepseek::http {

std::string HeadText(const Response& response, const Framing& framing) {
  std::string head =
      StrCat("HTTP/1.1 ", response.status, " ", ReasonPhrase(response.status), "\r\n");
  if (!response.content_type.empty())
    StrAppend(&head, "Content-Type: ", response.content_type, "\r\n");
  for (const Header& h : response.headers) StrAppend(&head, h.name, ": ", h.value, "\r\n");
  if (framing.length) {
    StrAppend(&head, "Content-Length: ", *framing.length, "\r\n");
  } else if (framing.chunked) {
    head += "Transfer-Encoding: chunked\r\n";
  }
  if (framing.close) {
    head += "Connection: close\r\n";
  } else if (framing.http10) {
    head += "Connection: keep-alive\r\n";
  }
  return head += "\r\n";
}

std::string Chunk(std::string_view piece) {
  char size[24];
  const int n = std::snprintf(size, sizeof(size), "%zx\r\n", piece.size());
  return StrCat(std::string_view(size, static_cast<size_t>(n)), piece, "\r\n");
}

}  // namespace deepseek::http
