#include "base/http/client.h"

#include <cpprest/base_uri.h>

#include <utility>

#include "absl/strings/strip.h"
#include "base/http/calls.h"
#include "base/http/client_tls.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::http {
namespace {

class RestClient : public Client {
 public:
  RestClient(const ClientOptions& options, Endpoint endpoint, TlsContext tls)
      : stream_head_timeout_(options.stream_head_timeout),
        stream_idle_timeout_(options.stream_idle_timeout),
        streams_end_(options.streams_end),
        now_(options.now),
        calls_(std::move(endpoint), std::move(tls), now_) {}

  absl::StatusOr<Response> Send(const Request& request, absl::Duration timeout) override {
    return calls_.Send(request, now_() + timeout);
  }

  absl::StatusOr<Response> Stream(const Request& request, absl::Duration timeout,
                                  const std::function<bool(std::string_view)>& on_piece,
                                  const std::function<bool()>& stop) override {
    return calls_.Stream(request, {.deadline = now_() + timeout,
                                   .head = stream_head_timeout_,
                                   .idle = stream_idle_timeout_,
                                   .stop = stop,
                                   .ended = streams_end_.get(),
                                   .on_piece = on_piece});
  }

 private:
  const absl::Duration stream_head_timeout_, stream_idle_timeout_;
  const std::shared_ptr<const StopSignal> streams_end_;
  const std::function<absl::Time()> now_;
  Calls calls_;
};

absl::StatusOr<Endpoint> ParseUrl(const ClientOptions& options) {
  try {
    const web::uri url(options.base_url);
    Endpoint out{.tls = url.scheme() == "https"};
    out.host = std::string(absl::StripSuffix(absl::StripPrefix(url.host(), "["), "]"));
    if ((out.tls || url.scheme() == "http") && !out.host.empty()) {
      const int port = url.port() > 0 ? url.port() : out.tls ? 443 : 80;
      if (port > 0xffff) {
        return absl::InvalidArgumentError(
            StrCat("HTTP client: '", options.base_url, "': port ", port, " is above 65535"));
      }
      out.port = static_cast<uint16_t>(port);
      if (url.path() != "/") out.prefix = std::string(absl::StripSuffix(url.path(), "/"));
      const std::string& name = options.tls.server_name;
      out.host_header = !name.empty()    ? name
                        : url.port() > 0 ? StrCat(url.host(), ":", port)
                                         : url.host();
      out.verify_name = name.empty() ? out.host : name;
      return out;
    }
  } catch (const std::exception&) {  // refused below
  }
  return absl::InvalidArgumentError(
      StrCat("HTTP client: '", options.base_url, "' is no http:// or https:// URL"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Client>> NewClient(const ClientOptions& options) {
  ASSIGN_OR_RETURN(Endpoint endpoint, ParseUrl(options));
  TlsContext tls(SSL_CTX_new(TLS_client_method()));
  if (tls == nullptr) return absl::InternalError("TLS: no context");
  RETURN_IF_ERROR(ConfigureTls(options.tls, tls.get()));
  return std::make_unique<RestClient>(options, std::move(endpoint), std::move(tls));
}

}  // namespace deepseek::http
