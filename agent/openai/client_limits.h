#pragma once
// How much one client may have in progress, so that it leaves room for the others.

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"

namespace deepseek::agent {

/// Counts answers (each choice of a request is one), running and waiting, by client. Thread-safe.
class ClientLimits : public std::enable_shared_from_this<ClientLimits> {
 public:
  /// `most` of one client; 0: no limit, nothing is counted.
  static std::shared_ptr<ClientLimits> Make(int most);

  /// Holds its places until it is given back or gone. Movable; empty: holds none.
  class Places {
   public:
    Places() = default;
    Places(Places&& other) noexcept;
    Places& operator=(Places&& other) noexcept;
    ~Places() { GiveBack(); }
    void GiveBack();

   private:
    friend class ClientLimits;
    std::shared_ptr<ClientLimits> limits_;
    std::string client_;
    int count_ = 0;
  };

  /// An empty `client` is nobody in particular: not limited. 429 `client_limit` when the client has
  /// no room for so many; 400 when it never will.
  absl::StatusOr<Places> Take(const std::string& client, int64_t answers);

  /// Of `client`, in progress.
  int InProgress(const std::string& client) const;
  /// Clients with something in progress: nothing is kept of the others.
  size_t clients() const;

 private:
  explicit ClientLimits(int most) : most_(most) {}

  const int most_;
  mutable std::mutex mutex_;  // guards all below
  absl::flat_hash_map<std::string, int> in_progress_;
};

}  // namespace deepseek::agent
