#pragma once
// A client that does what it is told, byte for byte: also what no decent client would do.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

namespace deepseek::testing {

struct RawResponse {
  int status = 0;                              ///< 0: the connection ended without an answer
  std::map<std::string, std::string> headers;  ///< names in lower case
  std::string body;                            ///< chunks joined
  bool complete = false;                       ///< framing says that nothing is missing
};

class RawClient {
 public:
  /// `address`: "127.0.0.1:1234".
  explicit RawClient(const std::string& address);
  ~RawClient();
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  bool connected() const { return fd_ >= 0; }
  /// False if the peer has closed.
  bool Send(std::string_view bytes);
  bool Post(std::string_view path, std::string_view body, std::string_view extra_headers = "");
  bool Get(std::string_view path);
  /// The next answer on this connection; waits at most `timeout`.
  RawResponse Read(absl::Duration timeout = absl::Seconds(20));
  /// Reads until `text` has arrived (kept for Read); false at the end of the stream or after
  /// `timeout`.
  bool WaitFor(std::string_view text, absl::Duration timeout = absl::Seconds(20));
  /// True when the peer closed within `timeout`; drops what arrives.
  bool ClosedByPeer(absl::Duration timeout = absl::Seconds(20));
  void HalfClose();
  /// Closes with a reset.
  void Reset();
  void Close();
  const std::string& received() const { return in_; }

 private:
  /// False: nothing more comes.
  bool Fill(absl::Time deadline);
  int fd_ = -1;
  std::string in_;
  bool eof_ = false;
};

/// One request on a connection of its own.
RawResponse HttpGet(const std::string& address, std::string_view path);
RawResponse HttpPost(const std::string& address, std::string_view path, std::string_view body,
                     std::string_view extra_headers = "");

/// The data of each server-sent event, [DONE] included.
std::vector<std::string> Events(std::string_view body);

}  // namespace deepseek::testing
