#pragma once
// Walks a grammar over tokens: which may come next, and where each leads.
//
// A position is a set of stacks (a node, and the nodes to return to). Stacks and positions get
// numbers when they are first met, and remember where each byte leads and which tokens they allow:
// an answer mostly goes over known ground. Inside of strings, where nearly all of the vocabulary
// fits, the answer is put together from masks that the vocabulary has ready (StringCut), and only
// tokens with a closing quote in them are followed further.

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "agent/grammar/grammar.h"
#include "agent/grammar/vocabulary.h"

namespace deepseek::agent::grammar {

/// Thread-safe. Positions are numbers that stay valid as long as the matcher.
class Matcher {
 public:
  using Position = int32_t;
  static constexpr Position kNowhere = -1;
  /// Calls inside each other: JSON nests about half as deep.
  static constexpr int32_t kMaxDepth = 96;

  Matcher(std::shared_ptr<const Grammar> grammar, std::shared_ptr<const Vocabulary> vocabulary);

  Position Start();
  /// kNowhere: the token does not fit.
  Position Advance(Position at, int32_t token);
  Position AdvanceBytes(Position at, std::string_view bytes);
  /// What has been said is whole.
  bool CanEnd(Position at);
  /// ... and nothing can follow.
  bool MustEnd(Position at);
  /// Bytes that end it soonest: as many tokens are enough, for every byte is a token too.
  int32_t Cost(Position at);
  /// Sets the bits of the tokens that may come next in `mask` (vocabulary().words() of them, all
  /// zero before). Of these only the ones after which `tokens_left` - 1 more can still end it, if
  /// there are such.
  void Allowed(Position at, int32_t tokens_left, uint64_t* mask);

  /// Makes the masks of positions where many characters may come (those of patterns), which take a
  /// millisecond each: better now than between two tokens. At most so many.
  void Prepare(size_t most_masks = 256);

  const Vocabulary& vocabulary() const { return *vocabulary_; }
  /// How much it remembers; a new one should be begun when that is a lot.
  size_t positions();

 private:
  struct Frame {
    int32_t node, extra, parent;  // extra: of a string body, the state and 16 times the characters
    int32_t depth, cost;
    int32_t string;  ///< the node's: index of its body; -1: none
    int32_t text;    ///< the frame behind one more character of a string; -2: not met
  };
  struct Place {
    std::vector<int32_t> stacks;  // ascending
    bool end = false;
    int32_t cost = kNoWay;
    std::unique_ptr<std::array<int32_t, 256>> next;
    std::unique_ptr<TokenMask> mask;
    int32_t worst = 0;  ///< with `mask`: the highest cost that one of its tokens leaves
  };
  struct Ends;

  int32_t Intern(int32_t node, int32_t extra, int32_t parent);
  void Close(int32_t node, int32_t parent, std::vector<int32_t>* out, bool* end);
  Position Locate(std::vector<int32_t> stacks, bool end);
  Position Single(int32_t frame);
  Position Step(Position at, uint8_t byte);
  Position StepString(int32_t frame, uint8_t byte);
  void StepFrame(int32_t frame, uint8_t byte, std::vector<int32_t>* out, bool* end);
  Position StepToken(Position at, int32_t token);
  bool Admits(int32_t node, int32_t depth) const;
  const StringBody* BodyOf(const Frame& frame) const;
  int32_t CostOf(int32_t node, int32_t extra) const;

  /// Calls emit(number, position behind it) for each string of the tree that fits.
  /// Only strings of up to `longest` bytes.
  template <typename Emit>
  void Walk(Position at, const ByteTree& tree, int longest, Emit emit);
  // These set bits and return the highest cost that one of the tokens leaves.
  int32_t AllowAll(Position at, uint64_t* mask);
  int32_t AllowInside(const Frame& frame, uint64_t* mask);
  int32_t AllowClosing(const Frame& frame, int32_t most_cost, uint64_t* mask);
  int32_t AllowTree(Position at, int32_t most_cost, int longest, uint64_t* mask);
  int32_t AllowTokens(Position at, int32_t most_cost, uint64_t* mask);
  void AllowCheap(Position at, int32_t most_cost, uint64_t* mask);
  Position After(int32_t node, int32_t parent);

  const std::shared_ptr<const Grammar> grammar_;
  const std::shared_ptr<const Vocabulary> vocabulary_;
  std::mutex mutex_;  // guards all below
  std::vector<Frame> frames_;
  absl::flat_hash_map<std::array<int32_t, 3>, int32_t> frame_ids_;
  std::deque<Place> places_;
  absl::flat_hash_map<std::vector<int32_t>, int32_t> place_ids_;  // key: end, then the stacks
  std::vector<int32_t> singles_;  // by frame: the place of this stack alone; -1: not met
  std::vector<Position> path_;    // of a walk
  size_t masks_ = 0;
};

}  // namespace deepseek::agent::grammar
