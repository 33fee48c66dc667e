#include "operator/kube/http_transport.h"

#include <mutex>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/strip.h"
#include "base/http/client.h"
#include "base/log.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::kube {
namespace {

constexpr absl::Duration kReadAgainAfter = absl::Minutes(1);

// What the files held when they were read last.
struct Credentials {
  std::string ca, cert, key, token;
  bool SameTls(const Credentials& o) const { return ca == o.ca && cert == o.cert && key == o.key; }
};

absl::StatusOr<Credentials> ReadCredentials(const Config& config, ExecCredentialSource* exec,
                                            bool refused) {
  Credentials out;
  ASSIGN_OR_RETURN(out.ca, config.ca.Read());
  ASSIGN_OR_RETURN(out.cert, config.cert.Read());
  ASSIGN_OR_RETURN(out.key, config.key.Read());
  ASSIGN_OR_RETURN(const std::string token, config.token.Read());
  out.token = std::string(absl::StripAsciiWhitespace(token));
  // As in client-go, a token of the kubeconfig goes before the plugin's.
  if (exec == nullptr || !out.token.empty()) return out;
  ASSIGN_OR_RETURN(const ExecCredential given, exec->Get(refused));
  out.token = given.token;
  if (!given.cert_pem.empty()) {
    out.cert = given.cert_pem;
    out.key = given.key_pem;
  }
  return out;
}

class HttpTransport : public Transport {
 public:
  HttpTransport(Config config, std::string_view user_agent, std::function<absl::Time()> now,
                std::unique_ptr<ExecCredentialSource> exec,
                std::shared_ptr<const StopSignal> streams_end)
      : config_(std::move(config)),
        user_agent_(user_agent),
        now_(std::move(now)),
        exec_(std::move(exec)),
        streams_end_(std::move(streams_end)) {}

  absl::Status Start() {
    const std::lock_guard lock(mutex_);
    return Load(/*refused=*/false);
  }

  absl::StatusOr<HttpResponse> Send(const HttpRequest& request) override {
    Refresh(/*at_once=*/false);
    absl::Time deadline = now_() + request.timeout;
    absl::StatusOr<HttpResponse> answer = Once(request, deadline);
    // A token that has just been replaced: once more with the new one. Nothing was done, so nothing
    // is done twice.
    if (!answer.ok() || answer->code != 401) return answer;
    const absl::Time refused = now_();
    if (!Refresh(/*at_once=*/true)) return answer;
    // In the time of the same call, which a lease may bound. Where a plugin asks a person, as in
    // the command line only, that time is not the call's.
    if (exec_ != nullptr) deadline += now_() - refused;
    return now_() < deadline ? Once(request, deadline) : answer;
  }

  absl::StatusOr<HttpResponse> Stream(const HttpRequest& request,
                                      const std::function<bool(std::string_view line)>& on_line,
                                      const std::function<bool()>& stop) override {
    std::string rest;  // of a line that has not ended yet
    const auto on_piece = [&](std::string_view piece) {
      size_t begin = 0;
      for (size_t end; (end = piece.find('\n', begin)) != std::string_view::npos; begin = end + 1) {
        const std::string_view tail = piece.substr(begin, end - begin);
        bool more = true;
        if (rest.empty()) {
          more = on_line(tail);
        } else {
          rest.append(tail);
          more = on_line(rest);
          rest.clear();
        }
        if (!more) return false;
      }
      rest.append(piece.substr(begin));
      return true;
    };
    Refresh(/*at_once=*/false);
    const auto [client, message] = Prepare(request);
    ASSIGN_OR_RETURN(http::Response response,
                     client->Stream(message, request.timeout, on_piece, stop));
    if (response.status == 401) Refresh(/*at_once=*/true);
    return Translate(std::move(response));
  }

 private:
  absl::StatusOr<HttpResponse> Once(const HttpRequest& request, absl::Time deadline) {
    const auto [client, message] = Prepare(request);
    ASSIGN_OR_RETURN(http::Response response, client->Send(message, deadline - now_()));
    return Translate(std::move(response));
  }

  static HttpResponse Translate(http::Response response) {
    HttpResponse out{.code = response.status, .headers = {}, .body = std::move(response.body)};
    for (http::Header& header : response.headers) {
      out.headers[absl::AsciiStrToLower(header.name)] = std::move(header.value);
    }
    return out;
  }

  std::pair<std::shared_ptr<http::Client>, http::Request> Prepare(const HttpRequest& request) {
    http::Request out{.method = request.method,
                      .target = request.path,
                      .headers = {{"User-Agent", user_agent_}},
                      .body = request.body,
                      .peer = ""};
    for (const auto& [name, value] : request.headers) out.headers.push_back({name, value});
    const std::lock_guard lock(mutex_);
    if (!credentials_.token.empty()) {
      out.headers.push_back({"Authorization", "Bearer " + credentials_.token});
    }
    return {client_, std::move(out)};
  }

  // True if the credentials are others than before.
  bool Refresh(bool at_once) {
    const std::lock_guard lock(mutex_);
    if (!at_once && now_() - read_at_ < kReadAgainAfter) return false;
    const Credentials before = credentials_;
    if (const absl::Status status = Load(/*refused=*/at_once); !status.ok()) {
      log::Warn("credentials of the API server cannot be read again; the last good ones stay",
                {{"error", std::string(ToStd(status.message()))}});
      return false;
    }
    return !before.SameTls(credentials_) || before.token != credentials_.token;
  }

  absl::Status Load(bool refused) {
    read_at_ = now_();
    ASSIGN_OR_RETURN(Credentials read, ReadCredentials(config_, exec_.get(), refused));
    if (client_ == nullptr || !read.SameTls(credentials_)) {
      ASSIGN_OR_RETURN(std::unique_ptr<http::Client> client,
                       http::NewClient({.base_url = config_.server,
                                        .tls = {.ca_pem = read.ca,
                                                .cert_pem = read.cert,
                                                .key_pem = read.key,
                                                .server_name = config_.server_name},
                                        .streams_end = streams_end_}));
      client_ = std::move(client);
    }
    credentials_ = std::move(read);
    return absl::OkStatus();
  }

  const Config config_;
  const std::string user_agent_;
  const std::function<absl::Time()> now_;
  std::mutex mutex_;
  const std::unique_ptr<ExecCredentialSource> exec_;
  const std::shared_ptr<const StopSignal> streams_end_;
  absl::Time read_at_ = absl::InfinitePast();
  Credentials credentials_;
  std::shared_ptr<http::Client> client_;  // calls in flight keep the one that they began with
};

}  // namespace

absl::StatusOr<std::shared_ptr<Transport>> NewHttpTransport(
    Config config, std::string_view user_agent, std::function<absl::Time()> now,
    const ExecWorld& exec, std::shared_ptr<const StopSignal> streams_end) {
  std::unique_ptr<ExecCredentialSource> source;
  if (config.exec) {
    if (exec.run == nullptr) {
      return absl::InvalidArgumentError(StrCat(
          config.origin,
          ": exec plugins run in the command line only (give the operator a service account, "
          "a client certificate or a token)"));
    }
    ASSIGN_OR_RETURN(const std::string ca, config.ca.Read());
    source = std::make_unique<ExecCredentialSource>(
        *config.exec, ExecCluster{config.server, config.server_name, ca}, exec.run, exec.terminal,
        exec.wall);
  }
  auto transport = std::make_shared<HttpTransport>(std::move(config), user_agent, std::move(now),
                                                   std::move(source), std::move(streams_end));
  RETURN_IF_ERROR(transport->Start());
  return transport;
}

}  // namespace deepseek::kube
