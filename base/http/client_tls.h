#pragma once
// TLS settings of the client on an OpenSSL context. Internal to base/http.

#include <openssl/ssl.h>

#include "absl/status/status.h"
#include "base/http/client.h"

namespace deepseek::http {

/// Trusts exactly tls.ca_pem (if given), presents the client certificate, asks for TLS 1.2 or
/// later.
absl::Status ConfigureTls(const ClientTls& tls, SSL_CTX* context);

}  // namespace deepseek::http
