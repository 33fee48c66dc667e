#include "tests/support/http/raw_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "absl/time/clock.h"
#include "base/strings.h"

namespace deepseek::testing {
namespace {

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return text;
}

}  // namespace

RawClient::RawClient(const std::string& address) {
  const size_t colon = address.rfind(':');
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(std::atoi(address.c_str() + colon + 1)));
  inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr);
  fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof(to)) != 0) Close();
}

RawClient::~RawClient() {
  Close();
}

void RawClient::Close() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

void RawClient::HalfClose() {
  shutdown(fd_, SHUT_WR);
}

void RawClient::Reset() {
  const linger hard{1, 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
  Close();
}

bool RawClient::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

bool RawClient::Post(std::string_view path, std::string_view body, std::string_view extra_headers) {
  return Send(StrCat("POST ", path, " HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n",
                     extra_headers, "Content-Length: ", body.size(), "\r\n\r\n", body));
}

bool RawClient::Get(std::string_view path) {
  return Send(StrCat("GET ", path, " HTTP/1.1\r\nHost: test\r\n\r\n"));
}

bool RawClient::Fill(absl::Time deadline) {
  if (eof_ || fd_ < 0) return false;
  pollfd p{fd_, POLLIN, 0};
  const auto ms = std::max<int64_t>(0, absl::ToInt64Milliseconds(deadline - absl::Now()));
  if (poll(&p, 1, static_cast<int>(ms)) <= 0) return false;
  char bytes[65536];
  const ssize_t n = recv(fd_, bytes, sizeof(bytes), 0);
  if (n <= 0) {
    eof_ = true;
    return false;
  }
  in_.append(bytes, static_cast<size_t>(n));
  return true;
}

bool RawClient::WaitFor(std::string_view text, absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  while (in_.find(text) == std::string::npos) {
    if (!Fill(deadline)) return false;
  }
  return true;
}

bool RawClient::ClosedByPeer(absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  while (Fill(deadline)) {
  }
  return eof_;
}

RawResponse RawClient::Read(absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  RawResponse out;
  size_t end;
  while ((end = in_.find("\r\n\r\n")) == std::string::npos) {
    if (!Fill(deadline)) return out;
  }
  const std::string head = in_.substr(0, end + 2);
  in_.erase(0, end + 4);
  out.status = std::atoi(head.c_str() + head.find(' ') + 1);
  for (size_t at = head.find("\r\n") + 2; at < head.size();) {
    const size_t eol = head.find("\r\n", at);
    const size_t colon = head.find(": ", at);
    out.headers[Lower(head.substr(at, colon - at))] = head.substr(colon + 2, eol - colon - 2);
    at = eol + 2;
  }
  if (out.status == 100) return Read(timeout);
  if (out.headers["transfer-encoding"] == "chunked") {
    for (;;) {
      size_t eol;
      while ((eol = in_.find("\r\n")) == std::string::npos) {
        if (!Fill(deadline)) return out;
      }
      const size_t size = std::strtoul(in_.c_str(), nullptr, 16);
      while (in_.size() < eol + 2 + size + 2) {
        if (!Fill(deadline)) return out;
      }
      out.body += in_.substr(eol + 2, size);
      in_.erase(0, eol + 2 + size + 2);
      if (size == 0) break;
    }
    out.complete = true;
  } else if (out.headers.contains("content-length")) {
    const size_t size = std::strtoul(out.headers["content-length"].c_str(), nullptr, 10);
    while (in_.size() < size && Fill(deadline)) {
    }
    out.complete = in_.size() >= size;
    out.body = in_.substr(0, size);
    in_.erase(0, size);
  } else {
    while (Fill(deadline)) {
    }
    out.body = std::move(in_);
    in_.clear();
    out.complete = eof_;
  }
  return out;
}

RawResponse HttpGet(const std::string& address, std::string_view path) {
  RawClient client(address);
  client.Get(path);
  return client.Read();
}

RawResponse HttpPost(const std::string& address, std::string_view path, std::string_view body,
                     std::string_view extra_headers) {
  RawClient client(address);
  client.Post(path, body, extra_headers);
  return client.Read();
}

std::vector<std::string> Events(std::string_view body) {
  std::vector<std::string> events;
  constexpr std::string_view kData = "data: ";
  for (size_t at = 0; (at = body.find(kData, at)) != std::string_view::npos;) {
    const size_t end = body.find("\n\n", at);
    events.emplace_back(body.substr(at + kData.size(), end - at - kData.size()));
    at = end;
  }
  return events;
}

}  // namespace deepseek::testing
