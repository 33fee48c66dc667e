#include "engine/tokenizer/byte_pairs.h"

#include <algorithm>
#include <array>
#include <limits>
#include <queue>

#include "base/strings.h"
#include "engine/tokenizer/utf8.h"

namespace deepseek::engine {
namespace {

constexpr int32_t kMaxId = 1 << 22;
constexpr int32_t kNoRank = std::numeric_limits<int32_t>::max();
// Up to here a linear search for the lowest rank beats the heap.
constexpr size_t kShort = 40;

// code point -> byte; -1 outside the alphabet. Printable bytes stand for themselves, the other 68
// follow from U+0100.
const std::array<int16_t, 0x144>& Alphabet() {
  static const std::array<int16_t, 0x144> table = [] {
    std::array<int16_t, 0x144> t;
    t.fill(-1);
    size_t next = 0x100;
    for (int byte = 0; byte < 256; ++byte) {
      const bool printable =
          (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
      t[printable ? static_cast<size_t>(byte) : next++] = static_cast<int16_t>(byte);
    }
    return t;
  }();
  return table;
}

}  // namespace

bool FromByteAlphabet(std::string_view spelling, std::string* bytes) {
  bytes->clear();
  while (!spelling.empty()) {
    const Utf8Char c = FirstChar(spelling);
    if (c.state != Utf8::kComplete || c.code_point >= Alphabet().size()) return false;
    const int16_t byte = Alphabet()[c.code_point];
    if (byte < 0) return false;
    bytes->push_back(static_cast<char>(byte));
    spelling.remove_prefix(c.length);
  }
  return true;
}

absl::Status BytePairs::AddToken(std::string_view bytes, int32_t id) {
  if (id < 0 || id >= kMaxId) {
    return absl::DataLossError(
        StrCat("tokenizer.json: model.vocab: id ", id, " is outside 0 to ", kMaxId - 1));
  }
  ids_.emplace(std::string(bytes), id);
  return absl::OkStatus();
}

int32_t BytePairs::Find(std::string_view bytes) const {
  const auto it = ids_.find(ToAbsl(bytes));
  return it == ids_.end() ? -1 : it->second;
}

absl::Status BytePairs::AddMerge(std::string_view left, std::string_view right) {
  const int32_t a = Find(left), b = Find(right), both = Find(StrCat(left, right));
  if (a < 0 || b < 0 || both < 0) {
    return absl::DataLossError(StrCat("tokenizer.json: model.merges: merge ", merges_.size(),
                                      " has a part or a result that is not in the vocabulary"));
  }
  merges_.emplace(Key(a, b), Merge{static_cast<int32_t>(merges_.size()), both});
  return absl::OkStatus();
}

void BytePairs::Finish(bool ignore_merges, const std::vector<int32_t>& added) {
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    byte_ids_[byte] = Find(std::string_view(&c, 1));
  }
  const absl::flat_hash_map<int32_t, bool> control = [&] {
    absl::flat_hash_map<int32_t, bool> set;
    for (const int32_t id : added) set.emplace(id, true);
    return set;
  }();
  std::vector<int32_t> out;
  for (const auto& [bytes, id] : ids_) {
    if (control.contains(id)) continue;
    if (!ignore_merges) {
      out.clear();
      MergeAll(bytes, &out);
      if (out.size() != 1 || out[0] != id) continue;
    }
    longest_whole_ = std::max(longest_whole_, bytes.size());
    whole_.emplace(bytes, id);
  }
}

const BytePairs::Merge* BytePairs::FindMerge(int32_t left, int32_t right) const {
  const auto it = merges_.find(Key(left, right));
  return it == merges_.end() ? nullptr : &it->second;
}

void BytePairs::Encode(std::string_view piece, std::vector<int32_t>* out) const {
  if (piece.size() <= longest_whole_) {
    if (const auto it = whole_.find(ToAbsl(piece)); it != whole_.end()) {
      out->push_back(it->second);
      return;
    }
  }
  MergeAll(piece, out);
}

void BytePairs::MergeAll(std::string_view piece, std::vector<int32_t>* out) const {
  const size_t first = out->size();
  for (const char c : piece) {
    const int32_t id = byte_ids_[static_cast<uint8_t>(c)];
    if (id >= 0) out->push_back(id);
  }
  const size_t count = out->size() - first;
  if (count < 2) return;
  if (count <= kShort) {
    MergeShort(*out, first);
  } else {
    MergeLong(*out, first);
  }
}

void BytePairs::MergeShort(std::vector<int32_t>& symbols, size_t first) const {
  size_t count = symbols.size() - first;
  int32_t* ids = symbols.data() + first;
  Merge next[kShort];  // next[i] joins symbols i and i + 1
  const auto look = [&](size_t i) {
    const Merge* merge = FindMerge(ids[i], ids[i + 1]);
    next[i] = merge == nullptr ? Merge{kNoRank, -1} : *merge;
  };
  next[count - 1] = {kNoRank, -1};
  for (size_t i = 0; i + 1 < count; ++i) look(i);
  while (count > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < count; ++i) {
      if (next[i].rank < next[best].rank) best = i;
    }
    if (next[best].rank == kNoRank) break;
    ids[best] = next[best].id;
    for (size_t i = best + 1; i + 1 < count; ++i) {
      ids[i] = ids[i + 1];
      next[i] = next[i + 1];
    }
    --count;
    if (best > 0) look(best - 1);
    if (best + 1 < count) look(best);
  }
  symbols.resize(first + count);
}

void BytePairs::MergeLong(std::vector<int32_t>& symbols, size_t first) const {
  struct Link {
    int32_t id;          // -1: merged into its left neighbour
    int32_t prev, next;  // -1: none
  };
  struct Candidate {
    int32_t rank, at, left, right, id;
    // The queue gives the greatest: lowest rank, then leftmost.
    bool operator<(const Candidate& o) const { return rank != o.rank ? rank > o.rank : at > o.at; }
  };
  const auto count = static_cast<int32_t>(symbols.size() - first);
  std::vector<Link> links(static_cast<size_t>(count));
  for (int32_t i = 0; i < count; ++i) {
    links[i] = {symbols[first + static_cast<size_t>(i)], i - 1, i + 1 < count ? i + 1 : -1};
  }
  std::vector<Candidate> initial;
  const auto candidate = [&](int32_t at, auto&& use) {
    const int32_t right = links[at].next;
    if (right < 0) return;
    if (const Merge* merge = FindMerge(links[at].id, links[right].id)) {
      use(Candidate{merge->rank, at, links[at].id, links[right].id, merge->id});
    }
  };
  for (int32_t i = 0; i < count; ++i) candidate(i, [&](Candidate c) { initial.push_back(c); });
  std::priority_queue<Candidate> queue(std::less<Candidate>(), std::move(initial));
  const auto push = [&](Candidate c) { queue.push(c); };
  while (!queue.empty()) {
    const Candidate c = queue.top();
    queue.pop();
    Link& left = links[c.at];
    // Stale: one of the two has been merged since.
    if (left.id != c.left || left.next < 0 || links[left.next].id != c.right) continue;
    Link& right = links[left.next];
    left.id = c.id;
    left.next = right.next;
    right.id = -1;
    if (left.next >= 0) links[left.next].prev = c.at;
    if (left.prev >= 0) candidate(left.prev, push);
    candidate(c.at, push);
  }
  size_t kept = first;
  for (int32_t i = 0; i >= 0; i = links[i].next) symbols[kept++] = links[i].id;
  symbols.resize(kept);
}

}  // namespace deepseek::engine
