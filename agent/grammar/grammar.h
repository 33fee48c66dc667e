#pragma once
// A grammar over bytes and control tokens: rules that call each other, each a small automaton of
// nodes. What an answer may be is compiled into one of these (json_schema.h, tool_grammar.h); a
// Matcher (matcher.h) walks it.

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace deepseek::agent::grammar {

inline constexpr int32_t kUnbounded = INT32_MAX;
inline constexpr int32_t kNoWay = INT32_MAX / 4;  ///< a cost: it cannot be done

struct ByteEdge {
  uint8_t low = 0, high = 0;
  int32_t to = 0;
};
struct TokenEdge {
  int32_t id = 0;
  int32_t to = 0;
};
struct CallEdge {
  int32_t rule = 0;
  int32_t to = 0;  ///< where it goes on when the rule is done
};

/// The inside of a JSON string, from behind its opening quote to behind its closing one, of
/// min_chars to max_chars characters. A kind of node of its own: nearly the whole vocabulary may
/// come next there, and lengths are counted instead of unrolled.
struct StringBody {
  int32_t min_chars = 0;
  int32_t max_chars = kUnbounded;
  int32_t to = 0;
};

struct Node {
  std::vector<ByteEdge> bytes;
  std::vector<TokenEdge> tokens;
  std::vector<int32_t> empty;  ///< edges that take nothing
  std::vector<CallEdge> calls;
  int32_t string = -1;      ///< index into Grammar::strings; then the node has no edges
  bool end = false;         ///< the rule is done here
  int32_t cost = kNoWay;    ///< bytes (a control token counts as one) that end the rule soonest
  int32_t height = kNoWay;  ///< calls inside each other that this needs at least
};

/// Immutable after Finish, hence thread-safe.
struct Grammar {
  std::vector<Node> nodes;
  std::vector<int32_t> entries;  ///< node by rule; rule 0 is the whole
  std::vector<StringBody> strings;
  int32_t most_growth = 0;  ///< the highest cost of a rule that can be ended
};

/// Inclusive ranges of code points, ascending, apart.
using CodePoints = std::vector<std::pair<uint32_t, uint32_t>>;

class Builder {
 public:
  /// Nodes beyond this are refused by Finish.
  static constexpr size_t kMaxNodes = 200'000;

  Builder();
  int32_t AddNode();
  /// A new rule; its nodes go from entry to exit.
  struct Rule {
    int32_t id = 0, entry = 0, exit = 0;
  };
  Rule AddRule();
  Rule root() const { return root_; }

  void Byte(int32_t from, uint8_t low, uint8_t high, int32_t to);
  void Empty(int32_t from, int32_t to);
  void Call(int32_t from, int32_t rule, int32_t to);
  void Token(int32_t from, int32_t id, int32_t to);
  void String(int32_t from, int32_t min_chars, int32_t max_chars, int32_t to);
  /// The end of a chain of new nodes that spells `bytes`.
  int32_t Text(int32_t from, std::string_view bytes);
  void TextTo(int32_t from, std::string_view bytes, int32_t to);
  /// One character of `points`, in UTF-8. Surrogates are left out.
  void Utf8(int32_t from, const CodePoints& points, int32_t to);

  bool full() const { return grammar_.nodes.size() > kMaxNodes; }
  /// kInvalidArgument: too large, or nothing can be said that ends.
  absl::StatusOr<Grammar> Finish() &&;

 private:
  Grammar grammar_;
  Rule root_;
};

}  // namespace deepseek::agent::grammar
