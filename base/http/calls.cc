#include "base/http/calls.h"

#include <algorithm>
#include <utility>

#include "base/status.h"

namespace deepseek::http {
namespace {

constexpr size_t kMaxIdle = 8;

bool MayRepeat(const Request& request, Connection::Failed failed) {
  switch (failed) {
    case Connection::Failed::kNotSent:
    case Connection::Failed::kClosed:
      return true;
    case Connection::Failed::kUnanswered:
      return request.method == "GET" || request.method == "HEAD";
    case Connection::Failed::kHalfway:
      break;
  }
  return false;
}

}  // namespace

absl::StatusOr<Response> Calls::Send(const Request& request, absl::Time deadline) {
  while (true) {
    if (deadline <= now_()) return absl::DeadlineExceededError("no time left for the call");
    std::unique_ptr<Connection> connection = TakeIdle();
    const bool reused = connection != nullptr;
    if (!reused) {
      ASSIGN_OR_RETURN(
          connection, Connection::Open(endpoint_, tls_.get(), {.deadline = deadline, .now = now_}));
    }
    Connection::Result result = connection->Call(request, deadline);
    if (result.response.ok()) {
      if (result.keep) PutBack(std::move(connection));
      return std::move(result.response);
    }
    // Whoever is behind the other connections is as silent.
    if (absl::IsDeadlineExceeded(result.response.status())) DropIdle();
    if (!reused || !MayRepeat(request, result.failed)) return result.response.status();
  }
}

absl::StatusOr<Response> Calls::Stream(const Request& request,
                                       const Connection::StreamLimits& limits) {
  const absl::Time head = std::min(limits.deadline, now_() + limits.head);
  auto connection =
      Connection::Open(endpoint_, tls_.get(),
                       {.deadline = head, .now = now_, .stop = limits.stop, .ended = limits.ended});
  absl::StatusOr<Response> answer =
      connection.ok() ? (*connection)->Stream(request, limits) : connection.status();
  if (absl::IsCancelled(answer.status())) return Response{};  // stopped before there was any
  return answer;
}

std::unique_ptr<Connection> Calls::TakeIdle() {
  const std::lock_guard lock(mutex_);
  while (!idle_.empty()) {
    std::unique_ptr<Connection> out = std::move(idle_.back());
    idle_.pop_back();
    if (out->IsQuiet()) return out;
  }
  return nullptr;
}

void Calls::PutBack(std::unique_ptr<Connection> connection) {
  const std::lock_guard lock(mutex_);
  if (idle_.size() < kMaxIdle) idle_.push_back(std::move(connection));
}

void Calls::DropIdle() {
  const std::lock_guard lock(mutex_);
  idle_.clear();
}

}  // namespace deepseek::http
