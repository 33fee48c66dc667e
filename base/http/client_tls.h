#pragma once
// TLS settings of the client on an OpenSSL context. Internal to base/http.

#include <openssl/ssl.h>

#include "absl/status/status.h"
#include "base/http/client.h"

namespace deepseek::http {

/// Verifies the peer, trusts exactly tls.ca_pem (the system's roots if it is empty), presents the
/// client certificate, asks for TLS 1.2 or later.
absl::Status ConfigureTls(const ClientTls& tls, SSL_CTX* context);

}  // namespace deepseek::http
