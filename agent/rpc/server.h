#pragma once
// gRPC on port 9000: deepseek.v1.Inference, grpc.health.v1.Health and reflection. gRPC stays in the
// .cc files and in headers that say so.

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/openai/gate.h"
#include "agent/openai/inference.h"
#include "base/http/server_tls.h"

namespace deepseek::agent::rpc {

struct Options {
  std::string address = "127.0.0.1:0";
  /// Also for connections after a Replace; null: plain text.
  std::shared_ptr<const http::ServerTls> tls = nullptr;
  size_t message_bytes = (size_t{8} << 20) + 4096;  ///< a whole HTTP body and what is typed
  size_t metadata_bytes = size_t{16} << 10;
  size_t max_buffered_bytes = size_t{1} << 20;  ///< of a stream that is not read fast enough
  int max_calls = 4096;                         ///< at once; one more gets RESOURCE_EXHAUSTED
  int streams_per_connection = 1024;
  int worker_threads = 4;
  /// Connections are asked to come anew after this, so that new certificates and authorities reach
  /// all of them; calls in progress finish.
  absl::Duration connection_age = absl::Hours(1);
};

/// SetServing is thread-safe; one thread calls Stop.
class Server {
 public:
  virtual ~Server() = default;  ///< stops at once
  /// "127.0.0.1:43210"
  virtual std::string address() const = 0;
  /// What grpc.health.v1 says; false at first.
  virtual void SetServing(bool serving) = 0;
  /// Lets calls in progress finish until `deadline`, then cuts them; returns how many were cut. New
  /// ones are refused by the Service's phase meanwhile. Connections end (GOAWAY) only when nothing
  /// runs any more: gRPC 1.51 cancels calls that cross a GOAWAY, and closes a connection so soon
  /// after its last answer that the client may lose that too.
  virtual int Stop(absl::Time deadline) = 0;
};

/// Binds and starts. `inference` and `gate` must outlive the server. kInvalidArgument: malformed
/// address; kUnavailable: cannot bind.
absl::StatusOr<std::unique_ptr<Server>> StartServer(Options options, Inference& inference,
                                                    const Gate& gate);

}  // namespace deepseek::agent::rpc
