#pragma once
// TLS material that may change while gRPC serves. Internal to agent/rpc: knows gRPC.

#include <grpcpp/security/server_credentials.h>

#include <memory>

#include "base/http/server_tls.h"

namespace deepseek::agent::rpc {

/// Each handshake takes what `tls` has then; ServerTls never has a pair that does not belong
/// together, which in gRPC 1.51 would stop all handshakes. Client certificates are asked for if
/// `tls` names authorities now. They must outlive the server, which does not keep them. TLS 1.2 or
/// later (1.51 has no setting; that is its default).
std::shared_ptr<grpc::ServerCredentials> ReloadingCredentials(
    std::shared_ptr<const http::ServerTls> tls);

}  // namespace deepseek::agent::rpc
