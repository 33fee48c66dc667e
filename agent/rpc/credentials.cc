#include "agent/rpc/credentials.h"

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#include <mutex>
#include <string>
#include <utility>

namespace deepseek::agent::rpc {
namespace {

// grpcpp 1.51 wraps no server credentials that reload; the core library below it has them.
class Credentials : public grpc::ServerCredentials {
 public:
  explicit Credentials(std::shared_ptr<const http::ServerTls> tls) : tls_(std::move(tls)) {
    const bool mutual = !tls_->material()->client_ca_pem.empty();
    credentials_ = grpc_ssl_server_credentials_create_with_options(
        grpc_ssl_server_credentials_create_options_using_config_fetcher(
            mutual ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                   : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE,
            &Credentials::Fetch, this));
  }
  ~Credentials() override { grpc_server_credentials_release(credentials_); }

  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>&) override {}

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }

  static grpc_ssl_certificate_config_reload_status Fetch(
      void* self, grpc_ssl_server_certificate_config** config) {
    return static_cast<Credentials*>(self)->Fetch(config);
  }

  grpc_ssl_certificate_config_reload_status Fetch(grpc_ssl_server_certificate_config** config) {
    const std::lock_guard lock(mutex_);
    std::shared_ptr<const http::TlsMaterial> now = tls_->material();
    if (now == used_) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    const grpc_ssl_pem_key_cert_pair pair = {now->key_pem.c_str(), now->cert_pem.c_str()};
    // 1.51 insists on roots even where no client is asked for a certificate and none is checked.
    const std::string& roots = now->client_ca_pem.empty() ? now->cert_pem : now->client_ca_pem;
    *config = grpc_ssl_server_certificate_config_create(roots.c_str(), &pair, 1);
    used_ = std::move(now);
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
  }

  const std::shared_ptr<const http::ServerTls> tls_;
  std::mutex mutex_;
  std::shared_ptr<const http::TlsMaterial> used_;
  grpc_server_credentials* credentials_ = nullptr;
};

}  // namespace

std::shared_ptr<grpc::ServerCredentials> ReloadingCredentials(
    std::shared_ptr<const http::ServerTls> tls) {
  return std::make_shared<Credentials>(std::move(tls));
}

}  // namespace deepseek::agent::rpc
