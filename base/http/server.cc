#include "base/http/server.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <map>
#include <thread>
#include <utility>

#include "absl/strings/numbers.h"
#include "base/caught.h"
#include "base/http/session.h"
#include "base/log.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::http {
namespace {

constexpr size_t kLoggedIdBytes = 128;

std::string Text(const Tcp::endpoint& endpoint) {
  const std::string host = endpoint.address().to_string();
  return endpoint.address().is_v6() ? StrCat("[", host, "]:", endpoint.port())
                                    : StrCat(host, ":", endpoint.port());
}

class BeastServer : public Server, public SessionHost {
 public:
  BeastServer(ServerOptions options, Handler& handler)
      : options_(std::move(options)),
        handler_(handler),
        workers_(static_cast<size_t>(std::max(1, options_.worker_threads))) {}

  ~BeastServer() override { Stop(absl::InfinitePast()); }

  absl::Status Start() {
    for (const std::string& address : options_.addresses) RETURN_IF_ERROR(Listen(address));
    for (auto& acceptor : acceptors_) Accept(*acceptor);
    for (int i = 0; i < std::max(1, options_.io_threads); ++i) {
      io_threads_.emplace_back([this] { io_->run(); });
    }
    return absl::OkStatus();
  }

  std::vector<std::string> addresses() const override { return bound_; }
  void CloseAfterResponse() override { closing_ = true; }

  int connections() const override {
    const std::lock_guard lock(mutex_);
    return static_cast<int>(sessions_.size());
  }

  int Stop(absl::Time deadline) override {
    if (stopped_.exchange(true)) return 0;
    closing_ = true;
    asio::post(*io_, [this] {
      boost::system::error_code ec;
      for (auto& acceptor : acceptors_) acceptor->close(ec);
    });
    for (const auto& session : Sessions()) session->EndWhenIdle();
    const auto empty = [this] { return sessions_.empty(); };
    {
      std::unique_lock lock(mutex_);
      // Not wait_until(system time): a clock that is set must not cut answers.
      const absl::Duration wait =
          std::clamp(deadline - absl::Now(), absl::ZeroDuration(), absl::Hours(24));
      changed_.wait_for(lock, absl::ToChronoMilliseconds(wait), empty);
    }
    std::atomic<int> cut = 0;
    for (const auto& session : Sessions()) {
      session->Abort([&cut](bool was_busy) { cut += was_busy ? 1 : 0; });
    }
    if (!io_threads_.empty()) {
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, std::chrono::seconds(5), empty);
    }
    workers_.join();
    work_.reset();
    for (std::thread& t : io_threads_) t.join();
    io_threads_.clear();
    return cut;
  }

 private:
  absl::Status Listen(const std::string& address) {
    ASSIGN_OR_RETURN(const HostPort where, ParseHostPort(address));
    boost::system::error_code ec;
    Tcp::endpoint endpoint(asio::ip::address_v4::any(), static_cast<uint16_t>(where.port));
    if (!where.host.empty()) {
      Tcp::resolver resolver(*io_);
      const auto found =
          resolver.resolve(where.host, std::to_string(where.port),
                           Tcp::resolver::passive | Tcp::resolver::numeric_service, ec);
      if (ec) return absl::InvalidArgumentError(StrCat("listen: ", address, ": ", ec.message()));
      endpoint = found.begin()->endpoint();
    }
    auto acceptor = std::make_unique<Tcp::acceptor>(*io_);
    acceptor->open(endpoint.protocol(), ec);
    if (!ec) acceptor->set_option(Tcp::acceptor::reuse_address(true), ec);
    if (!ec) acceptor->bind(endpoint, ec);
    if (!ec) acceptor->listen(asio::socket_base::max_listen_connections, ec);
    if (ec) {
      return absl::UnavailableError(StrCat("listen: ", address, ": ", ec.message(),
                                           " (is another program using this port?)"));
    }
    bound_.push_back(Text(acceptor->local_endpoint()));
    acceptors_.push_back(std::move(acceptor));
    return absl::OkStatus();
  }

  void Accept(Tcp::acceptor& acceptor) {
    auto socket = std::make_shared<Socket>(asio::make_strand(io_->get_executor()));
    acceptor.async_accept(*socket, [this, &acceptor, socket](boost::system::error_code ec) {
      if (!acceptor.is_open()) return;
      if (ec) return AcceptAgainLater(acceptor, ec);
      Admit(std::move(*socket));
      Accept(acceptor);
    });
  }

  /// Out of file descriptors: accepting at once again would spin.
  void AcceptAgainLater(Tcp::acceptor& acceptor, const boost::system::error_code& why) {
    log::Warn("accept failed", {{"reason", why.message()}});
    auto timer = std::make_shared<asio::steady_timer>(*io_, std::chrono::milliseconds(100));
    timer->async_wait([this, &acceptor, timer](boost::system::error_code ec) {
      if (!ec && acceptor.is_open()) Accept(acceptor);
    });
  }

  void Admit(Socket socket) {
    auto session = std::make_shared<Session>(io_, std::move(socket), *this);
    size_t count;
    {
      const std::lock_guard lock(mutex_);
      sessions_[session.get()] = session;
      count = sessions_.size();
    }
    const auto limit = static_cast<size_t>(options_.limits.max_connections);
    // Somewhat above the limit clients are told; far above they are dropped, or refusals would use
    // up the descriptors.
    if (count > limit + limit / 4 + 16) return session->Abort([](bool) {});
    if (count > limit) return session->RunRefusal(503, "too many connections, try again later");
    session->Run();
    if (stopped_) session->EndWhenIdle();
  }

  const ServerOptions& options() const override { return options_; }
  bool closing() const override { return closing_; }

  void Dispatch(Request request, std::shared_ptr<ExchangeWriter> writer) override {
    asio::post(workers_,
               [this, request = std::move(request), writer = std::move(writer)]() mutable {
                 const std::string id(request.Get("x-request-id").substr(0, kLoggedIdBytes));
                 const absl::Status status = Caught(id, [&] {
                   handler_.Handle(std::move(request), writer);
                   return absl::OkStatus();
                 });
                 if (!status.ok()) writer->Fail();
               });
  }

  void Remove(Session* session) override {
    const std::lock_guard lock(mutex_);
    sessions_.erase(session);
    if (sessions_.empty()) changed_.notify_all();
  }

  std::vector<std::shared_ptr<Session>> Sessions() const {
    std::vector<std::shared_ptr<Session>> all;
    const std::lock_guard lock(mutex_);
    for (const auto& [_, session] : sessions_) all.push_back(session);
    return all;
  }

  const ServerOptions options_;
  Handler& handler_;
  const std::shared_ptr<asio::io_context> io_ = std::make_shared<asio::io_context>();
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work_{
      io_->get_executor()};
  asio::thread_pool workers_;
  std::vector<std::unique_ptr<Tcp::acceptor>> acceptors_;
  std::vector<std::string> bound_;
  std::vector<std::thread> io_threads_;
  std::atomic<bool> closing_ = false, stopped_ = false;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<Session*, std::shared_ptr<Session>> sessions_;
};

}  // namespace

absl::StatusOr<HostPort> ParseHostPort(std::string_view address) {
  const auto bad = [&] {
    return absl::InvalidArgumentError(
        StrCat("address '", address, "': expected HOST:PORT, [IPV6]:PORT or :PORT"));
  };
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return bad();
  HostPort out;
  std::string_view host = address.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return bad();
  }
  out.host = std::string(host);
  const std::string_view port = address.substr(colon + 1);
  if (port.empty() || port.find_first_not_of("0123456789") != std::string_view::npos ||
      !absl::SimpleAtoi(ToAbsl(port), &out.port) || out.port > 65535) {
    return bad();
  }
  return out;
}

absl::StatusOr<std::unique_ptr<Server>> StartServer(ServerOptions options, Handler& handler) {
  auto server = std::make_unique<BeastServer>(std::move(options), handler);
  RETURN_IF_ERROR(server->Start());
  return server;
}

}  // namespace deepseek::http
