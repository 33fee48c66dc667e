#include "agent/grammar/matcher.h"

#include <algorithm>
#include <utility>

namespace deepseek::agent::grammar {
namespace {

constexpr int32_t kBottom = -1;     // no node to return to
constexpr int32_t kUnknown = -2;    // not worked out yet
constexpr int32_t kStateSpan = 16;  // Frame::extra holds state + kStateSpan * characters
static_assert(kStringStates <= kStateSpan);
// 16 KB each with a vocabulary of 129k.
constexpr size_t kMostMasks = 512;

StringState StateOf(int32_t extra) {
  return static_cast<StringState>(extra % kStateSpan);
}
int32_t CharsOf(int32_t extra) {
  return extra / kStateSpan;
}

}  // namespace

Matcher::Matcher(std::shared_ptr<const Grammar> grammar,
                 std::shared_ptr<const Vocabulary> vocabulary)
    : grammar_(std::move(grammar)), vocabulary_(std::move(vocabulary)) {}

const StringBody* Matcher::BodyOf(const Frame& frame) const {
  return frame.string < 0 ? nullptr : &grammar_->strings[frame.string];
}

int32_t Matcher::CostOf(int32_t node, int32_t extra) const {
  const int32_t string = grammar_->nodes[node].string;
  if (string < 0) return grammar_->nodes[node].cost;
  const StringBody& body = grammar_->strings[string];
  return std::max(body.min_chars - CharsOf(extra), 0) + BytesToFinish(StateOf(extra)) + 1 +
         grammar_->nodes[body.to].cost;
}

int32_t Matcher::Intern(int32_t node, int32_t extra, int32_t parent) {
  const auto [it, fresh] =
      frame_ids_.try_emplace({node, extra, parent}, static_cast<int32_t>(frames_.size()));
  if (fresh) {
    const int32_t depth = parent == kBottom ? 0 : frames_[parent].depth + 1;
    const int64_t cost =
        int64_t{CostOf(node, extra)} + (parent == kBottom ? 0 : frames_[parent].cost);
    frames_.push_back({node, extra, parent, depth,
                       static_cast<int32_t>(std::min<int64_t>(cost, kNoWay)),
                       grammar_->nodes[node].string, kUnknown});
    singles_.push_back(kUnknown);
  }
  return it->second;
}

bool Matcher::Admits(int32_t node, int32_t depth) const {
  const int32_t height = grammar_->nodes[node].height;
  // Grammars that need more than kMaxDepth at all are let through.
  return depth + height <= std::max(kMaxDepth, grammar_->nodes[grammar_->entries[0]].height);
}

/// Follows what takes no byte: the stacks that wait for one go to `out`.
void Matcher::Close(int32_t node, int32_t parent, std::vector<int32_t>* out, bool* end) {
  const int32_t frame = Intern(node, 0, parent);
  // Also ends loops of empty edges. Sets are small: a handful of alternatives.
  if (std::find(out->begin(), out->end(), frame) != out->end()) return;
  out->push_back(frame);
  const Node& n = grammar_->nodes[node];
  const int32_t depth = frames_[frame].depth;
  if (n.end) {
    if (parent == kBottom) {
      *end = true;
    } else {
      const Frame back = frames_[parent];
      Close(back.node, back.parent, out, end);
    }
  }
  for (const int32_t to : n.empty) {
    if (Admits(to, depth)) Close(to, parent, out, end);
  }
  for (const CallEdge& call : n.calls) {
    const int32_t entry = grammar_->entries[call.rule];
    if (Admits(call.to, depth) && Admits(entry, depth + 1))
      Close(entry, Intern(call.to, 0, parent), out, end);
  }
}

Matcher::Position Matcher::Locate(std::vector<int32_t> stacks, bool end) {
  // Those that only passed on are not waiting for anything.
  std::erase_if(stacks, [&](int32_t s) {
    const Node& n = grammar_->nodes[frames_[s].node];
    return n.bytes.empty() && n.tokens.empty() && n.string < 0;
  });
  std::sort(stacks.begin(), stacks.end());
  stacks.erase(std::unique(stacks.begin(), stacks.end()), stacks.end());
  if (stacks.empty() && !end) return kNowhere;
  if (stacks.size() == 1 && !end) return Single(stacks.front());
  std::vector<int32_t> key = stacks;
  key.push_back(end ? -1 : -2);
  const auto [it, fresh] =
      place_ids_.try_emplace(std::move(key), static_cast<int32_t>(places_.size()));
  if (fresh) {
    Place& place = places_.emplace_back();
    place.end = end;
    place.cost = end ? 0 : kNoWay;
    for (const int32_t s : stacks) place.cost = std::min(place.cost, frames_[s].cost);
    place.stacks = std::move(stacks);
  }
  return it->second;
}

Matcher::Position Matcher::Single(int32_t frame) {
  if (singles_[frame] == kUnknown) {
    singles_[frame] = static_cast<int32_t>(places_.size());
    Place& place = places_.emplace_back();
    place.stacks = {frame};
    place.cost = frames_[frame].cost;
  }
  return singles_[frame];
}

Matcher::Position Matcher::After(int32_t node, int32_t parent) {
  std::vector<int32_t> stacks;
  bool end = false;
  Close(node, parent, &stacks, &end);
  return Locate(std::move(stacks), end);
}

/// One stack inside a string, which is most of the work: no sets, no closing.
Matcher::Position Matcher::StepString(int32_t id, uint8_t byte) {
  const Frame frame = frames_[id];
  const StringBody& body = *BodyOf(frame);
  const StringMove move = StringStep(StateOf(frame.extra), byte);
  int32_t chars = CharsOf(frame.extra);
  if (move.kind == StringMove::kRefused) return kNowhere;
  if (move.kind == StringMove::kClosed)
    return chars < body.min_chars ? kNowhere : After(body.to, frame.parent);
  if (move.begins_char) {
    if (chars >= body.max_chars) return kNowhere;
    // Without an upper bound there is nothing to count beyond the lower one.
    if (body.max_chars != kUnbounded || chars < body.min_chars) ++chars;
  }
  const int32_t extra = static_cast<int32_t>(move.next) + kStateSpan * chars;
  if (extra == frame.extra) return Single(id);
  if (move.next != StringState::kText) return Single(Intern(frame.node, extra, frame.parent));
  // Most steps by far: the way is kept, so that nothing is looked up.
  if (frame.text == kUnknown || frames_[frame.text].extra != extra) {
    const int32_t text = Intern(frame.node, extra, frame.parent);
    frames_[id].text = text;
    return Single(text);
  }
  return Single(frame.text);
}

void Matcher::StepFrame(int32_t id, uint8_t byte, std::vector<int32_t>* out, bool* end) {
  const Frame frame = frames_[id];
  if (BodyOf(frame) != nullptr) {
    const Position to = StepString(id, byte);
    if (to == kNowhere) return;
    out->insert(out->end(), places_[to].stacks.begin(), places_[to].stacks.end());
    *end = *end || places_[to].end;
    return;
  }
  for (const ByteEdge& edge : grammar_->nodes[frame.node].bytes) {
    if (byte >= edge.low && byte <= edge.high && Admits(edge.to, frame.depth))
      Close(edge.to, frame.parent, out, end);
  }
}

Matcher::Position Matcher::Step(Position at, uint8_t byte) {
  {
    const Place& place = places_[at];
    if (place.stacks.size() == 1) {
      const int32_t frame = place.stacks.front();
      const StringBody* body = BodyOf(frames_[frame]);
      if (body != nullptr && (byte != '"' || body->max_chars != kUnbounded))
        return StepString(frame, byte);
    }
    if (place.next && (*place.next)[byte] != kUnknown) return (*place.next)[byte];
  }
  std::vector<int32_t> stacks;
  bool end = false;
  for (size_t i = 0; i < places_[at].stacks.size(); ++i)
    StepFrame(places_[at].stacks[i], byte, &stacks, &end);
  const Position to = Locate(std::move(stacks), end);
  Place& place = places_[at];
  if (!place.next) {
    place.next = std::make_unique<std::array<int32_t, 256>>();
    place.next->fill(kUnknown);
  }
  (*place.next)[byte] = to;
  return to;
}

Matcher::Position Matcher::StepToken(Position at, int32_t token) {
  std::vector<int32_t> stacks;
  bool end = false;
  for (size_t i = 0; i < places_[at].stacks.size(); ++i) {
    const Frame frame = frames_[places_[at].stacks[i]];
    for (const TokenEdge& edge : grammar_->nodes[frame.node].tokens) {
      if (edge.id == token) Close(edge.to, frame.parent, &stacks, &end);
    }
  }
  return Locate(std::move(stacks), end);
}

template <typename Emit>
void Matcher::Walk(Position at, const ByteTree& tree, int longest, Emit emit) {
  path_.resize(static_cast<size_t>(tree.max_depth()) + 1);
  path_[0] = at;
  const std::vector<ByteTree::Node>& nodes = tree.nodes();
  const auto count = static_cast<int32_t>(nodes.size()) - 1;
  for (int32_t i = 0; i < count;) {
    const ByteTree::Node& node = nodes[static_cast<size_t>(i)];
    const Position to = node.depth > longest ? kNowhere : Step(path_[node.depth - 1U], node.byte);
    if (to == kNowhere) {
      i = node.after;
      continue;
    }
    path_[node.depth] = to;
    const int32_t last = nodes[static_cast<size_t>(i) + 1].first;
    for (int32_t n = node.first; n < last; ++n) emit(tree.number(n), to);
    ++i;
  }
}

/// The tokens that stay inside a string.
int32_t Matcher::AllowInside(const Frame& frame, uint64_t* mask) {
  const StringBody& body = *BodyOf(frame);
  const StringCut& cut = vocabulary_->cut(StateOf(frame.extra));
  const int32_t room =
      body.max_chars == kUnbounded ? kUnbounded : body.max_chars - CharsOf(frame.extra);
  const TokenMask& inside =
      cut.inside[static_cast<size_t>(std::min(room, StringCut::kFewChars + 1))];
  for (size_t w = 0; w < inside.size(); ++w) mask[w] |= inside[w];
  for (const StringCut::Long& token : cut.longer) {
    if (token.chars > room) mask[token.id / 64] &= ~(uint64_t{1} << (token.id % 64));
  }
  // Nothing is begun there but a character, of at most so many bytes more.
  constexpr int32_t kLongestChar = 4;
  return std::min(frame.cost + kLongestChar, kNoWay);
}

/// The tokens that close a string.
int32_t Matcher::AllowClosing(const Frame& frame, int32_t most_cost, uint64_t* mask) {
  const StringBody& body = *BodyOf(frame);
  const StringCut& cut = vocabulary_->cut(StateOf(frame.extra));
  const int32_t chars = CharsOf(frame.extra);
  const int32_t room = body.max_chars == kUnbounded ? kUnbounded : body.max_chars - chars;
  const Position behind = After(body.to, frame.parent);
  int32_t worst = 0;
  const auto closes = [&](int32_t i, Position to) {
    const StringCut::Closing& token = cut.closing[static_cast<size_t>(i)];
    const int32_t cost = places_[to].cost;
    if (token.chars > room || chars + token.chars < body.min_chars || cost > most_cost) return;
    worst = std::max(worst, cost);
    Allow(mask, token.id);
  };
  for (int32_t i = 0; i < cut.rests.empties(); ++i) closes(cut.rests.number(i), behind);
  Walk(behind, cut.rests, cut.rests.max_depth(), closes);
  return worst;
}

/// Control tokens.
int32_t Matcher::AllowTokens(Position at, int32_t most_cost, uint64_t* mask) {
  int32_t worst = 0;
  for (size_t i = 0; i < places_[at].stacks.size(); ++i) {
    const Frame frame = frames_[places_[at].stacks[i]];
    for (const TokenEdge& edge : grammar_->nodes[frame.node].tokens) {
      if (!Admits(edge.to, frame.depth)) continue;
      const Position to = After(edge.to, frame.parent);
      if (to == kNowhere || places_[to].cost > most_cost) continue;
      worst = std::max(worst, places_[to].cost);
      Allow(mask, edge.id);
    }
  }
  return worst;
}

/// Tokens of up to `longest` bytes, found by trying.
int32_t Matcher::AllowTree(Position at, int32_t most_cost, int longest, uint64_t* mask) {
  int32_t worst = 0;
  Walk(at, vocabulary_->tree(), longest, [&](int32_t id, Position to) {
    const int32_t cost = places_[to].cost;
    if (cost > most_cost) return;
    worst = std::max(worst, cost);
    Allow(mask, id);
  });
  return worst;
}

/// All tokens that fit.
int32_t Matcher::AllowAll(Position at, uint64_t* mask) {
  if (places_[at].mask) {
    const TokenMask& known = *places_[at].mask;
    std::copy(known.begin(), known.end(), mask);
    return places_[at].worst;
  }
  std::vector<int32_t> others;
  bool counted = false;
  int32_t worst = 0;
  for (size_t i = 0; i < places_[at].stacks.size(); ++i) {
    const Frame frame = frames_[places_[at].stacks[i]];
    const StringBody* body = BodyOf(frame);
    if (body == nullptr) {
      others.push_back(places_[at].stacks[i]);
      continue;
    }
    counted = counted || body->max_chars != kUnbounded;
    if (i == 0) {
      worst = std::max(worst, AllowInside(frame, mask));
    } else {
      // It takes tokens out again that are too long for it: not those of others.
      TokenMask own(vocabulary_->words());
      worst = std::max(worst, AllowInside(frame, own.data()));
      for (size_t w = 0; w < own.size(); ++w) mask[w] |= own[w];
    }
    worst = std::max(worst, AllowClosing(frame, kNoWay, mask));
  }
  const int longest = vocabulary_->tree().max_depth();
  if (!others.empty())
    worst = std::max(worst, AllowTree(Locate(std::move(others), false), kNoWay, longest, mask));
  worst = std::max(worst, AllowTokens(at, kNoWay, mask));
  if (counted || masks_ >= kMostMasks) return worst;
  ++masks_;
  places_[at].mask = std::make_unique<TokenMask>(mask, mask + vocabulary_->words());
  places_[at].worst = worst;
  return worst;
}

/// The tokens that fit and leave no more than `most_cost` to do.
void Matcher::AllowCheap(Position at, int32_t most_cost, uint64_t* mask) {
  const Frame first = frames_[places_[at].stacks.front()];
  if (places_[at].stacks.size() == 1 && BodyOf(first) != nullptr) {
    // Inside a string it is time to close, or, where it must go on, to go byte by byte: most of
    // the vocabulary fits, and trying all of it would take too long.
    AllowClosing(first, most_cost, mask);
    AllowTree(at, most_cost, 1, mask);
  } else {
    AllowTree(at, most_cost, vocabulary_->tree().max_depth(), mask);
  }
  AllowTokens(at, most_cost, mask);
}

void Matcher::Allowed(Position at, int32_t tokens_left, uint64_t* mask) {
  const std::lock_guard lock(mutex_);
  if (places_[at].stacks.empty()) return;
  const int32_t worst = AllowAll(at, mask);
  // What cannot be ended any more need not be held back either.
  if (worst < tokens_left || tokens_left < places_[at].cost) return;
  const size_t words = vocabulary_->words();
  TokenMask cheap(words);
  AllowCheap(at, tokens_left - 1, cheap.data());
  if (std::any_of(cheap.begin(), cheap.end(), [](uint64_t w) { return w != 0; }))
    std::copy(cheap.begin(), cheap.end(), mask);
}

void Matcher::Prepare(size_t most_masks) {
  const std::lock_guard lock(mutex_);
  constexpr size_t kMostPositions = 4096;
  constexpr int kManyBytes = 16;
  std::vector<Position> todo = {After(grammar_->entries[0], kBottom)};
  std::vector<bool> seen;
  const auto meet = [&](Position at) {
    if (at == kNowhere) return;
    if (seen.size() <= static_cast<size_t>(at)) seen.resize(static_cast<size_t>(at) + 1);
    if (!seen[static_cast<size_t>(at)]) todo.push_back(at);
    seen[static_cast<size_t>(at)] = true;
  };
  TokenMask mask(vocabulary_->words());
  for (size_t met = 0; met < todo.size() && met < kMostPositions && most_masks > 0; ++met) {
    const Position at = todo[met];
    int bytes = 0;
    for (size_t i = 0; i < places_[at].stacks.size(); ++i) {
      const Frame frame = frames_[places_[at].stacks[i]];
      if (const StringBody* body = BodyOf(frame)) meet(After(body->to, frame.parent));
      const Node& node = grammar_->nodes[frame.node];
      for (const TokenEdge& edge : node.tokens) meet(StepToken(at, edge.id));
      for (const ByteEdge& edge : node.bytes) {
        bytes += edge.high - edge.low + 1;
        for (int b = edge.low; b <= edge.high; ++b) meet(Step(at, static_cast<uint8_t>(b)));
      }
    }
    if (bytes < kManyBytes) continue;
    std::fill(mask.begin(), mask.end(), 0);
    AllowAll(at, mask.data());
    --most_masks;
  }
}

Matcher::Position Matcher::Start() {
  const std::lock_guard lock(mutex_);
  return After(grammar_->entries[0], kBottom);
}

Matcher::Position Matcher::AdvanceBytes(Position at, std::string_view bytes) {
  const std::lock_guard lock(mutex_);
  for (const char c : bytes) {
    if (at == kNowhere) break;
    at = Step(at, static_cast<uint8_t>(c));
  }
  return at;
}

Matcher::Position Matcher::Advance(Position at, int32_t token) {
  if (at == kNowhere || token < 0 || token >= vocabulary_->size()) return kNowhere;
  const std::string_view bytes = vocabulary_->bytes(token);
  if (!bytes.empty()) return AdvanceBytes(at, bytes);
  const std::lock_guard lock(mutex_);
  return StepToken(at, token);
}

bool Matcher::CanEnd(Position at) {
  const std::lock_guard lock(mutex_);
  return places_[at].end;
}

bool Matcher::MustEnd(Position at) {
  const std::lock_guard lock(mutex_);
  return places_[at].end && places_[at].stacks.empty();
}

int32_t Matcher::Cost(Position at) {
  const std::lock_guard lock(mutex_);
  return places_[at].cost;
}

size_t Matcher::positions() {
  const std::lock_guard lock(mutex_);
  return places_.size();
}

}  // namespace deepseek::agent::grammar
