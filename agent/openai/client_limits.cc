#include "agent/openai/client_limits.h"

#include <utility>

#include "agent/openai/error.h"
#include "base/strings.h"

namespace deepseek::agent {

std::shared_ptr<ClientLimits> ClientLimits::Make(int most) {
  return std::shared_ptr<ClientLimits>(new ClientLimits(most));
}

ClientLimits::Places::Places(Places&& other) noexcept {
  *this = std::move(other);
}

ClientLimits::Places& ClientLimits::Places::operator=(Places&& other) noexcept {
  if (this == &other) return *this;
  GiveBack();
  limits_ = std::move(other.limits_);
  client_ = std::move(other.client_);
  count_ = std::exchange(other.count_, 0);
  return *this;
}

void ClientLimits::Places::GiveBack() {
  const std::shared_ptr<ClientLimits> limits = std::exchange(limits_, nullptr);
  if (limits == nullptr) return;
  const std::lock_guard lock(limits->mutex_);
  const auto it = limits->in_progress_.find(client_);
  it->second -= std::exchange(count_, 0);
  if (it->second == 0) limits->in_progress_.erase(it);
}

absl::StatusOr<ClientLimits::Places> ClientLimits::Take(const std::string& client,
                                                        int64_t answers) {
  Places places;
  if (most_ == 0 || client.empty()) return places;
  if (answers > most_) {
    return BadParam("n",
                    StrCat("this request asks for ", answers, " answers, an API key may have ",
                           most_, " in progress (--max-requests-per-key; send smaller requests)"),
                    "invalid_value");
  }
  const std::lock_guard lock(mutex_);
  const auto it = in_progress_.find(client);
  const int before = it == in_progress_.end() ? 0 : it->second;
  if (before + answers > most_) {
    return ToStatus({429,
                     StrCat("this API key has ", before, " answers in progress, of at most ", most_,
                            " (--max-requests-per-key), no room for ", answers,
                            " more: wait for one of them to end"),
                     "rate_limit_error", "", "client_limit"});
  }
  in_progress_[client] += static_cast<int>(answers);
  places.limits_ = shared_from_this();
  places.client_ = client;
  places.count_ = static_cast<int>(answers);
  return places;
}

int ClientLimits::InProgress(const std::string& client) const {
  const std::lock_guard lock(mutex_);
  const auto it = in_progress_.find(client);
  return it == in_progress_.end() ? 0 : it->second;
}

size_t ClientLimits::clients() const {
  const std::lock_guard lock(mutex_);
  return in_progress_.size();
}

}  // namespace deepseek::agent
