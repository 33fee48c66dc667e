#pragma once
// Turns among clients: who asks for much waits behind who asks for little.

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"

namespace deepseek::engine {

/// Gives each request its turn when it comes; within a priority lower turns are served first, then
/// earlier arrivals (plan.h). A client's requests have turns one after the other, and the first of
/// them is the one after the last that was served: self-clocked fair queueing (Golestani, 1994)
/// with every answer of the same weight. So a client that comes new waits for one place, however
/// many others wait, and clients that always have more to do get places by turns.
///
/// Nobody starves: turns never change, and those that are given rise with each that is served.
class Turns {
 public:
  /// What Take would give. A client without a name has no turns: 0, before all others; among
  /// themselves such requests are served by arrival.
  int64_t Next(std::string_view client) const;
  int64_t Take(std::string_view client);
  // Of each request one of these is told, once:
  /// It has got its place, for the first time.
  void Served(std::string_view client, int64_t turn);
  /// It ended without one. A client that gives up all that waits begins anew.
  void Gone(std::string_view client);

  /// Clients that are remembered: those of which something waits.
  size_t clients() const { return waiting_.size(); }

 private:
  struct Waiting {
    int64_t last = 0;  // turn given
    int64_t count = 0;
  };
  int64_t served_ = 0;
  absl::flat_hash_map<std::string, Waiting> waiting_;  // by client
};

}  // namespace deepseek::engine
