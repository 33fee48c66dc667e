#include "agent/cli/edge_options.h"

#include "agent/openai/cors.h"
#include "base/http/server.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::agent {

absl::Status CheckEdgeOptions(const ServeOptions& o) {
  const auto bad = [](std::string_view why) {
    return absl::InvalidArgumentError(std::string(why));
  };
  if (o.tls_cert.empty() != o.tls_key.empty())
    return bad("--tls-cert and --tls-key belong together");
  if (!o.client_ca.empty() && o.tls_cert.empty())
    return bad("--client-ca needs --tls-cert and --tls-key");
  if (o.max_requests_per_key > 0 && o.api_keys.empty())
    return bad("--max-requests-per-key needs --api-keys: without, clients cannot be told apart");
  for (const std::string& origin : o.cors_origins) RETURN_IF_ERROR(CheckOrigin(origin));
  if (o.grpc.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const http::HostPort where, http::ParseHostPort(o.grpc));
  const bool loopback = where.host == "localhost" || where.host == "::1" ||
                        (where.host.starts_with("127.") &&
                         where.host.find_first_not_of("0123456789.") == std::string::npos);
  if (!loopback && o.tls_cert.empty() && !o.insecure) {
    return bad(StrCat("--grpc ", o.grpc,
                      ": plain text beyond this machine (give --tls-cert and --tls-key, listen on "
                      "127.0.0.1, or say --insecure)"));
  }
  return absl::OkStatus();
}

}  // namespace deepseek::agent
