#include "engine/schedule/turns.h"

#include <algorithm>

namespace deepseek::engine {

int64_t Turns::Next(std::string_view client) const {
  if (client.empty()) return 0;
  const auto it = waiting_.find(std::string(client));
  return std::max(served_, it == waiting_.end() ? 0 : it->second.last) + 1;
}

int64_t Turns::Take(std::string_view client) {
  const int64_t turn = Next(client);
  if (client.empty()) return turn;
  Waiting& waiting = waiting_[std::string(client)];
  waiting.last = turn;
  ++waiting.count;
  return turn;
}

void Turns::Served(std::string_view client, int64_t turn) {
  served_ = std::max(served_, turn);
  Gone(client);
}

void Turns::Gone(std::string_view client) {
  if (client.empty()) return;
  const auto it = waiting_.find(std::string(client));
  if (--it->second.count == 0) waiting_.erase(it);
}

}  // namespace deepseek::engine
