#include "base/http/message.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "base/strings.h"

namespace deepseek::http {

std::string_view FindHeader(const Headers& headers, std::string_view name) {
  for (const Header& h : headers) {
    if (absl::EqualsIgnoreCase(h.name, ToAbsl(name))) return h.value;
  }
  return {};
}

std::string_view Request::credentials() const {
  static constexpr std::string_view kName = "Authorization";
  const auto named = std::count_if(headers.begin(), headers.end(), [](const Header& h) {
    return absl::EqualsIgnoreCase(h.name, ToAbsl(kName));
  });
  return named == 1 ? Get(kName) : std::string_view();
}

std::string_view Request::path() const {
  std::string_view path = target;
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!absl::StartsWithIgnoreCase(target, ToAbsl(scheme))) continue;
    path.remove_prefix(std::min(path.find_first_of("/?", scheme.size()), path.size()));
    if (!path.starts_with('/')) return "/";
    break;
  }
  return path.substr(0, path.find('?'));
}

std::string_view ReasonPhrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 204:
      return "No Content";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    default:
      return "Status";
  }
}

}  // namespace deepseek::http
