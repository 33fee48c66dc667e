#include "base/http/framing.h"

#include <algorithm>
#include <cstdio>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "base/strings.h"

namespace deepseek::http {
namespace {

constexpr std::string_view kTransferEncoding = "Transfer-Encoding";

/// The codings of all Transfer-Encoding headers, in their order; empty ones too.
std::vector<std::string> TransferCodings(const Request& head) {
  std::vector<std::string> codings;
  for (const Header& h : head.headers) {
    if (!absl::EqualsIgnoreCase(h.name, ToAbsl(kTransferEncoding))) continue;
    for (const absl::string_view coding : absl::StrSplit(ToAbsl(h.value), ',')) {
      const size_t begin = std::min(coding.find_first_not_of(" \t"), coding.size());
      const size_t end = coding.find_last_not_of(" \t") + 1;  // 0 if there is nothing
      codings.push_back(absl::AsciiStrToLower(coding.substr(begin, std::max(begin, end) - begin)));
    }
  }
  return codings;
}

}  // namespace

/// RFC 9112 sections 6.1 and 6.3.
std::optional<Misframed> CheckFraming(const Request& head, bool http10) {
  const std::vector<std::string> codings = TransferCodings(head);
  if (codings.empty()) return std::nullopt;
  if (http10) return Misframed{400, "HTTP/1.0 has no Transfer-Encoding"};
  for (const Header& h : head.headers) {
    if (absl::EqualsIgnoreCase(h.name, "Content-Length"))
      return Misframed{400, "Transfer-Encoding and Content-Length exclude each other"};
  }
  bool chunked = false;
  for (const std::string& coding : codings) {
    if (chunked) return Misframed{400, "Transfer-Encoding: chunked must be the last coding"};
    chunked = coding == "chunked";
  }
  if (codings.size() == 1 && chunked) return std::nullopt;
  return Misframed{501, "Transfer-Encoding: only chunked is served"};
}

/// RFC 9112 section 3.2, RFC 9110 section 8.4.
std::optional<Misframed> CheckHeaders(const Request& head, bool http10, bool has_body) {
  int hosts = 0;
  for (const Header& h : head.headers) {
    if (absl::EqualsIgnoreCase(h.name, "Host")) ++hosts;
    if (has_body && absl::EqualsIgnoreCase(h.name, "Content-Encoding") &&
        !absl::EqualsIgnoreCase(h.value, "identity"))
      return Misframed{415, "Content-Encoding: a body must be sent as it is (identity)"};
  }
  if (hosts > 1 || (hosts == 0 && !http10)) return Misframed{400, "HTTP/1.1 needs one Host header"};
  return std::nullopt;
}

std::string HeadText(const Response& response, const Framing& framing) {
  std::string head =
      StrCat("HTTP/1.1 ", response.status, " ", ReasonPhrase(response.status), "\r\n");
  if (!response.content_type.empty())
    StrAppend(&head, "Content-Type: ", response.content_type, "\r\n");
  for (const Header& h : response.headers) StrAppend(&head, h.name, ": ", h.value, "\r\n");
  if (response.status == 204) {
    // has no body, so nothing may frame one: RFC 9110 section 8.6
  } else if (framing.length) {
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
