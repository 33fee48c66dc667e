#include "agent/grammar/grammar.h"

#include <algorithm>
#include <array>

#include "base/strings.h"

namespace deepseek::agent::grammar {
namespace {

/// Calls `edge(cost, height, to)` for every way on from `node`, as a cost of bytes and a height.
template <typename Edge>
void ForEachWay(const Grammar& grammar, const Node& node, Edge edge) {
  for (const ByteEdge& e : node.bytes) edge(1, 0, e.to);
  for (const TokenEdge& e : node.tokens) edge(1, 0, e.to);
  for (const int32_t to : node.empty) edge(0, 0, to);
  for (const CallEdge& e : node.calls) {
    const Node& entry = grammar.nodes[grammar.entries[e.rule]];
    edge(entry.cost, std::min(entry.height + 1, kNoWay), e.to);
  }
  if (node.string >= 0) {
    const StringBody& body = grammar.strings[node.string];
    edge(body.min_chars + 1, 0, body.to);
  }
}

/// Least cost and height of every node: repeated until nothing gets better. Nodes are mostly made
/// in the order of the text, so going backwards settles most of them in the first round.
void Settle(Grammar* grammar) {
  for (Node& node : grammar->nodes) {
    if (node.end) node.cost = node.height = 0;
  }
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t i = grammar->nodes.size(); i-- > 0;) {
      Node& node = grammar->nodes[i];
      int32_t cost = node.cost, height = node.height;
      ForEachWay(*grammar, node, [&](int32_t c, int32_t h, int32_t to) {
        const Node& next = grammar->nodes[to];
        cost = std::min(cost, std::min(c + next.cost, kNoWay));
        height = std::min(height, std::max(h, next.height));
      });
      changed = changed || cost != node.cost || height != node.height;
      node.cost = cost;
      node.height = height;
    }
  }
}

/// Edges that lead nowhere go: whatever a Matcher reaches can be brought to an end.
void Prune(Grammar* grammar) {
  const auto dead = [&](int32_t to) { return grammar->nodes[to].cost >= kNoWay; };
  for (Node& node : grammar->nodes) {
    std::erase_if(node.bytes, [&](const ByteEdge& e) { return dead(e.to); });
    std::erase_if(node.tokens, [&](const TokenEdge& e) { return dead(e.to); });
    std::erase_if(node.empty, dead);
    std::erase_if(node.calls,
                  [&](const CallEdge& e) { return dead(e.to) || dead(grammar->entries[e.rule]); });
  }
}

/// A rule that can call itself before it takes a byte would make stacks without end.
bool CallsItselfAtOnce(const Grammar& grammar) {
  const size_t rules = grammar.entries.size();
  std::vector<std::vector<int32_t>> first(rules);  // rules called before the first byte
  for (size_t r = 0; r < rules; ++r) {
    std::vector<int32_t> todo = {grammar.entries[r]};
    std::vector<int32_t> seen = todo;
    while (!todo.empty()) {
      const Node& node = grammar.nodes[todo.back()];
      todo.pop_back();
      for (const CallEdge& call : node.calls) first[r].push_back(call.rule);
      for (const int32_t to : node.empty) {
        if (std::find(seen.begin(), seen.end(), to) != seen.end()) continue;
        seen.push_back(to);
        todo.push_back(to);
      }
    }
  }
  // Rules without a way back fall out one by one; a cycle stays.
  std::vector<int32_t> callers(rules, 0);
  for (const auto& calls : first) {
    for (const int32_t rule : calls) ++callers[rule];
  }
  std::vector<size_t> free;
  for (size_t r = 0; r < rules; ++r) {
    if (callers[r] == 0) free.push_back(r);
  }
  size_t gone = 0;
  for (; !free.empty(); ++gone) {
    const size_t r = free.back();
    free.pop_back();
    for (const int32_t rule : first[r]) {
      if (--callers[rule] == 0) free.push_back(static_cast<size_t>(rule));
    }
  }
  return gone < rules;
}

struct Utf8Length {
  uint32_t last;  ///< the last code point of so many bytes
  int bytes;
};
constexpr std::array<Utf8Length, 4> kLengths = {
    Utf8Length{0x7F, 1}, {0x7FF, 2}, {0xFFFF, 3}, {0x10FFFF, 4}};

std::string Encode(uint32_t point, int bytes) {
  if (bytes == 1) return {static_cast<char>(point)};
  std::string out;
  constexpr std::array<uint8_t, 5> kLead = {0, 0, 0xC0, 0xE0, 0xF0};
  out += static_cast<char>(kLead[static_cast<size_t>(bytes)] | (point >> (6 * (bytes - 1))));
  for (int i = bytes - 2; i >= 0; --i) out += static_cast<char>(0x80 | ((point >> (6 * i)) & 0x3F));
  return out;
}

}  // namespace

Builder::Builder() {
  root_ = AddRule();
}

int32_t Builder::AddNode() {
  grammar_.nodes.emplace_back();
  return static_cast<int32_t>(grammar_.nodes.size()) - 1;
}

Builder::Rule Builder::AddRule() {
  Rule rule;
  rule.id = static_cast<int32_t>(grammar_.entries.size());
  rule.entry = AddNode();
  rule.exit = AddNode();
  grammar_.entries.push_back(rule.entry);
  grammar_.nodes[rule.exit].end = true;
  return rule;
}

void Builder::Byte(int32_t from, uint8_t low, uint8_t high, int32_t to) {
  grammar_.nodes[from].bytes.push_back({low, high, to});
}

void Builder::Empty(int32_t from, int32_t to) {
  grammar_.nodes[from].empty.push_back(to);
}

void Builder::Call(int32_t from, int32_t rule, int32_t to) {
  grammar_.nodes[from].calls.push_back({rule, to});
}

void Builder::Token(int32_t from, int32_t id, int32_t to) {
  grammar_.nodes[from].tokens.push_back({id, to});
}

void Builder::String(int32_t from, int32_t min_chars, int32_t max_chars, int32_t to) {
  const int32_t body = AddNode();
  grammar_.nodes[body].string = static_cast<int32_t>(grammar_.strings.size());
  grammar_.strings.push_back({min_chars, max_chars, to});
  Empty(from, body);
}

int32_t Builder::Text(int32_t from, std::string_view bytes) {
  for (const char c : bytes) {
    const int32_t next = AddNode();
    Byte(from, static_cast<uint8_t>(c), static_cast<uint8_t>(c), next);
    from = next;
  }
  return from;
}

void Builder::TextTo(int32_t from, std::string_view bytes, int32_t to) {
  if (bytes.empty()) return Empty(from, to);
  const int32_t last = Text(from, bytes.substr(0, bytes.size() - 1));
  Byte(last, static_cast<uint8_t>(bytes.back()), static_cast<uint8_t>(bytes.back()), to);
}

/// Cuts each range where the number of bytes changes, then where a byte other than the last ones
/// would not run through all its values.
void Builder::Utf8(int32_t from, const CodePoints& points, int32_t to) {
  const auto emit = [&](const std::string& low, const std::string& high) {
    int32_t at = from;
    for (size_t i = 0; i < low.size(); ++i) {
      const int32_t next = i + 1 == low.size() ? to : AddNode();
      Byte(at, static_cast<uint8_t>(low[i]), static_cast<uint8_t>(high[i]), next);
      at = next;
    }
  };
  const auto split = [&](auto&& self, uint32_t low, uint32_t high, int bytes) -> void {
    for (int i = 1; i < bytes; ++i) {
      const uint32_t mask = (1U << (6 * i)) - 1;
      if ((low & ~mask) == (high & ~mask)) continue;
      if ((low & mask) != 0) {
        self(self, low, low | mask, bytes);
        return self(self, (low | mask) + 1, high, bytes);
      }
      if ((high & mask) != mask) {
        self(self, low, (high & ~mask) - 1, bytes);
        return self(self, high & ~mask, high, bytes);
      }
    }
    emit(Encode(low, bytes), Encode(high, bytes));
  };
  for (auto [low, high] : points) {
    // U+D800 to U+DFFF have no UTF-8.
    if (low <= 0xDFFF && high >= 0xD800) {
      if (low < 0xD800) Utf8(from, {{low, 0xD7FF}}, to);
      if (high > 0xDFFF) Utf8(from, {{0xE000, high}}, to);
      continue;
    }
    for (const Utf8Length& length : kLengths) {
      if (low > high || low > length.last) continue;
      split(split, low, std::min(high, length.last), length.bytes);
      low = length.last + 1;
    }
  }
}

absl::StatusOr<Grammar> Builder::Finish() && {
  if (full()) {
    return absl::InvalidArgumentError(StrCat("too large: more than ", kMaxNodes,
                                             " states (use smaller bounds, fewer alternatives)"));
  }
  if (CallsItselfAtOnce(grammar_))
    return absl::InvalidArgumentError("'$ref' leads back to itself without a value in between");
  Settle(&grammar_);
  if (grammar_.nodes[root_.entry].cost >= kNoWay)
    return absl::InvalidArgumentError("nothing can satisfy it");
  Prune(&grammar_);
  for (const int32_t entry : grammar_.entries) {
    const int32_t cost = grammar_.nodes[entry].cost;
    if (cost < kNoWay) grammar_.most_growth = std::max(grammar_.most_growth, cost);
  }
  return std::move(grammar_);
}

}  // namespace deepseek::agent::grammar
