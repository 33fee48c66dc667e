// cpprestsdk stays in this file. What it does not do by itself: a deadline for a whole call (its
// timeout is one of silence), waiting with a deadline (pplx tasks have none on Linux), and roots of
// our own only.
#include "base/http/client.h"

#include <cpprest/http_client.h>
#include <cpprest/producerconsumerstream.h>
#include <pplx/threadpool.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "base/http/client_tls.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::http {
namespace {

using web::http::client::http_client;
using web::http::client::http_client_config;

// Of the whole process for all clients: it only moves bytes. cpprestsdk goes through its pool
// dozens of times per call, and with a second thread each of these wakes one that sleeps.
constexpr size_t kThreads = 1;
// Silence within one call that is not a stream. The deadline of the call ends it earlier as a rule.
constexpr auto kSendIdleTimeout = std::chrono::seconds(60);
constexpr absl::Duration kStopPoll = absl::Milliseconds(500);
constexpr size_t kPieceBytes = size_t{64} << 10;

// cpprestsdk replaces a pooled connection that the server has closed when it notices at the head of
// an exchange, but not when the close arrives while the body is written. The request was not
// delivered whole then, so nothing was done.
constexpr int kStaleConnections = 3;
bool WasNotDelivered(const absl::Status& status) {
  return absl::IsUnavailable(status) &&
         absl::StartsWith(status.message(), "Failed to write request");
}

absl::Status StatusOf(const std::exception& e) {
  if (const auto* http = dynamic_cast<const web::http::http_exception*>(&e)) {
    if (http->error_code() == std::errc::timed_out) return absl::DeadlineExceededError(e.what());
  }
  return absl::UnavailableError(e.what());
}

// The result of a task, to be waited for with a deadline. Shared with the task, so it may be
// abandoned.
template <typename T>
class Outcome {
 public:
  static std::shared_ptr<Outcome> Of(const pplx::task<T>& task) {
    auto outcome = std::make_shared<Outcome>();
    task.then([outcome](pplx::task<T> done) {
      absl::StatusOr<T> value = absl::UnknownError("");
      try {
        value = done.get();
      } catch (const std::exception& e) {
        value = StatusOf(e);
      } catch (...) {
        value = absl::UnavailableError("the call was cancelled");
      }
      const std::lock_guard lock(outcome->mutex_);
      outcome->value_ = std::move(value);
      outcome->ready_.notify_all();
    });
    return outcome;
  }

  // nullopt: stopped.
  std::optional<absl::StatusOr<T>> Wait(absl::Time deadline, const std::function<bool()>& stop) {
    std::unique_lock lock(mutex_);
    while (!value_) {
      const absl::Time now = absl::Now();
      if (now >= deadline) return absl::DeadlineExceededError("no answer within the deadline");
      absl::Duration slice = deadline - now;
      if (stop) {
        lock.unlock();
        if (stop()) return std::nullopt;
        lock.lock();
        slice = std::min(slice, kStopPoll);
      }
      ready_.wait_for(
          lock, absl::ToChronoMilliseconds(std::min(slice, absl::Hours(1)) + absl::Milliseconds(1)),
          [this] { return value_.has_value(); });
    }
    return std::move(*value_);
  }

 private:
  std::mutex mutex_;
  std::condition_variable ready_;
  std::optional<absl::StatusOr<T>> value_;
};

class RestClient : public Client {
 public:
  explicit RestClient(ClientOptions options)
      : options_(std::move(options)), sender_(Make(kSendIdleTimeout)) {}

  absl::StatusOr<Response> Send(const Request& request, absl::Duration timeout) override;
  absl::StatusOr<Response> Stream(const Request& request, absl::Duration timeout,
                                  const std::function<bool(std::string_view)>& on_piece,
                                  const std::function<bool()>& stop) override;

 private:
  http_client Make(std::chrono::milliseconds idle) const {
    http_client_config config;
    config.set_timeout(idle);
    // Checked by NewClient; a connection cannot report an error from here.
    config.set_ssl_context_callback([tls = options_.tls](boost::asio::ssl::context& context) {
      (void)ConfigureTls(tls, context.native_handle());
    });
    return http_client(options_.base_url, config);
  }

  absl::StatusOr<Response> SendOnce(const Request& request, absl::Time deadline);

  web::http::http_request Translate(const Request& request) const {
    web::http::http_request out(request.method);
    out.set_request_uri(web::uri(request.target));
    for (const Header& header : request.headers) out.headers().add(header.name, header.value);
    if (!options_.tls.server_name.empty()) out.headers()["Host"] = options_.tls.server_name;
    if (!request.body.empty()) {
      const std::string type(FindHeader(request.headers, "Content-Type"));
      out.set_body(request.body, type.empty() ? "application/octet-stream" : type);
    }
    return out;
  }

  const ClientOptions options_;
  http_client sender_;
};

Response HeadOf(const web::http::http_response& response) {
  Response out{.status = response.status_code(), .content_type = "", .headers = {}, .body = ""};
  for (const auto& [name, value] : response.headers()) out.headers.push_back({name, value});
  out.content_type = std::string(FindHeader(out.headers, "Content-Type"));
  return out;
}

absl::StatusOr<Response> RestClient::Send(const Request& request, absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  absl::StatusOr<Response> answer = SendOnce(request, deadline);
  for (int i = 0; i < kStaleConnections && WasNotDelivered(answer.status()); ++i) {
    answer = SendOnce(request, deadline);
  }
  return answer;
}

absl::StatusOr<Response> RestClient::SendOnce(const Request& request, absl::Time deadline) {
  if (deadline <= absl::Now()) return absl::DeadlineExceededError("no time left for the call");
  pplx::cancellation_token_source cancel;
  try {
    http_client sender = sender_;
    auto call = sender.request(Translate(request), cancel.get_token())
                    .then([](web::http::http_response response) {
                      return response.extract_string(/*ignore_content_type=*/true)
                          .then([response](const std::string& body) {
                            Response out = HeadOf(response);
                            out.body = body;
                            return out;
                          });
                    });
    absl::StatusOr<Response> answer = *Outcome<Response>::Of(call)->Wait(deadline, nullptr);
    if (!answer.ok()) cancel.cancel();
    return answer;
  } catch (const std::exception& e) {
    return StatusOf(e);
  }
}

absl::StatusOr<Response> RestClient::Stream(const Request& request, absl::Duration timeout,
                                            const std::function<bool(std::string_view)>& on_piece,
                                            const std::function<bool()>& stop) {
  const absl::Time deadline = absl::Now() + timeout;
  pplx::cancellation_token_source cancel;
  concurrency::streams::producer_consumer_buffer<uint8_t> pipe;
  // Cancelling alone may miss an operation that starts just now; a closed pipe stops it at its next
  // byte.
  const auto end = [&] {
    cancel.cancel();
    pipe.close();
  };
  try {
    http_client client = Make(absl::ToChronoMilliseconds(options_.stream_idle_timeout));
    web::http::http_request message = Translate(request);
    message.set_response_stream(pipe.create_ostream());
    auto head = Outcome<web::http::http_response>::Of(client.request(message, cancel.get_token()))
                    ->Wait(std::min(deadline, absl::Now() + options_.stream_head_timeout), stop);
    if (!head) {
      end();
      return Response{.status = 200, .content_type = "", .headers = {}, .body = ""};
    }
    if (!head->ok()) {
      end();
      return head->status();
    }
    Response out = HeadOf(**head);
    const bool good = out.status >= 200 && out.status < 300;
    auto body = (*head)->content_ready();
    auto piece = std::make_shared<std::vector<uint8_t>>(kPieceBytes);
    // At the end of the body (or its failure) the reader must see the end of the pipe.
    body.then([pipe](pplx::task<web::http::http_response> done) mutable {
      try {
        done.get();
      } catch (...) {  // read again below, where it is reported
      }
      pipe.close(std::ios_base::out);
    });
    while (true) {
      // One byte waits for data; the rest of what is there follows without waiting.
      auto first = pipe.getn(piece->data(), 1);
      auto got =
          Outcome<size_t>::Of(first.then([piece](size_t n) { return n; }))->Wait(deadline, stop);
      if (!got) break;
      if (!got->ok()) {
        end();
        return got->status();
      }
      size_t size = **got;
      if (size == 0) {
        const auto failed = *Outcome<web::http::http_response>::Of(body)->Wait(deadline, nullptr);
        if (!failed.ok()) return failed.status();
        return out;
      }
      if (const size_t more = std::min(pipe.in_avail(), kPieceBytes - 1); more > 0) {
        size += pipe.getn(piece->data() + 1, more).get();
      }
      const std::string_view bytes(reinterpret_cast<const char*>(piece->data()), size);
      if (!good) {
        StrAppend(&out.body, bytes);
      } else if (!on_piece(bytes)) {
        break;
      }
    }
    end();
    return out;
  } catch (const std::exception& e) {
    end();
    return StatusOf(e);
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Client>> NewClient(ClientOptions options) {
  static std::once_flag once;
  std::call_once(once, [] { crossplat::threadpool::initialize_with_threads(kThreads); });
  try {
    const web::uri url(options.base_url);
    if ((url.scheme() != "https" && url.scheme() != "http") || url.host().empty()) {
      return absl::InvalidArgumentError(
          StrCat("HTTP client: '", options.base_url, "' is no https:// URL"));
    }
    boost::asio::ssl::context probe(boost::asio::ssl::context::tls_client);
    RETURN_IF_ERROR(ConfigureTls(options.tls, probe.native_handle()));
    return std::unique_ptr<Client>(new RestClient(std::move(options)));
  } catch (const std::exception& e) {
    return absl::InvalidArgumentError(StrCat("HTTP client: '", options.base_url, "': ", e.what()));
  }
}

}  // namespace deepseek::http
