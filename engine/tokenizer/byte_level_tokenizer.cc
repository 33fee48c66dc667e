#include "engine/tokenizer/byte_level_tokenizer.h"

#include <algorithm>

#include "base/strings.h"
#include "engine/tokenizer/utf8.h"

namespace deepseek::engine {
namespace {

// Repairs broken UTF-8 and moves the borders of the regions with it.
std::string RepairRegions(std::string_view text, std::vector<Region>* regions) {
  std::string out;
  std::vector<Region> marks;
  size_t region = 0;
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = FirstChar(text.substr(at));
    // A character that straddles a border belongs to the text as soon as one byte of it is input.
    bool parse_added = true;
    for (size_t r = region; parse_added; ++r) {
      parse_added = (*regions)[r].parse_added;
      if ((*regions)[r].end >= at + c.length) break;
    }
    AppendUtf8(c.code_point, &out);
    AppendRegion(out.size(), parse_added, &marks);
    at += c.length;
    while (region < regions->size() && (*regions)[region].end <= at) ++region;
  }
  *regions = std::move(marks);
  return out;
}

// Composition takes at most 7 bytes to 2 (U+1FBE U+0308 U+0301 to U+0390).
constexpr size_t kMostComposed = 4;

}  // namespace

ByteLevelTokenizer::ByteLevelTokenizer(TokenizerParts parts)
    : parts_(std::move(parts)), special_(parts_.tokens.size()), is_added_(parts_.tokens.size()) {
  for (const AddedToken& token : parts_.added) {
    (token.normalized ? normalized_ : raw_).Add(token.content, token.id);
    special_[static_cast<size_t>(token.id)] = token.special;
    is_added_[static_cast<size_t>(token.id)] = true;
    added_ids_.emplace(token.content, token.id);
  }
  for (int byte = 0; byte < 256; ++byte) {
    // Bytes without a token vanish.
    if (parts_.pairs.Find(std::string(1, static_cast<char>(byte))) < 0) return;
  }
  for (const std::string& token : parts_.tokens) longest_ = std::max(longest_, token.size());
  if (parts_.nfc) longest_ *= kMostComposed;
}

template <typename Rest>
void ByteLevelTokenizer::CutAdded(const AddedTokenSet& set, bool keep_special,
                                  std::string_view text, const std::vector<Region>& regions,
                                  std::vector<int32_t>* out, Rest rest) const {
  size_t done = 0;
  size_t first = 0;  // region that `done` lies in: parts come in order, so this never goes back
  const auto pass_on = [&](size_t end) {
    if (end == done) return;
    std::vector<Region> part;
    while (regions[first].end <= done) ++first;
    for (size_t r = first; r < regions.size(); ++r) {
      AppendRegion(std::min(regions[r].end, end) - done, regions[r].parse_added, &part);
      if (regions[r].end >= end) break;
    }
    rest(text.substr(done, end - done), std::move(part));
  };
  size_t begin = 0;
  for (const Region& region : regions) {
    size_t at = begin;
    while (!set.empty() && region.parse_added && at < region.end) {
      const AddedTokenSet::Match match = set.Longest(text.substr(at, region.end - at));
      if (match.id < 0) {
        ++at;
        continue;
      }
      if (!keep_special || !IsSpecial(match.id)) {
        pass_on(at);
        out->push_back(match.id);
        done = at + match.length;
      }
      at += match.length;
    }
    begin = region.end;
  }
  pass_on(text.size());
}

std::vector<int32_t> ByteLevelTokenizer::EncodeRegions(std::string_view text,
                                                       const std::vector<Region>& regions,
                                                       bool keep_special) const {
  std::vector<int32_t> out;
  CutAdded(raw_, keep_special, text, regions, &out,
           [&](std::string_view part, std::vector<Region> marks) {
             if (!parts_.nfc && normalized_.empty()) return EncodePlain(part, &out);
             const std::string normal = parts_.nfc ? NfcRegions(part, &marks) : std::string(part);
             CutAdded(normalized_, keep_special, normal, marks, &out,
                      [&](std::string_view plain, const std::vector<Region>&) {
                        EncodePlain(plain, &out);
                      });
           });
  return out;
}

void ByteLevelTokenizer::EncodePlain(std::string_view text, std::vector<int32_t>* out) const {
  std::vector<Piece> pieces = {{0, text.size()}}, cut;
  for (const Pattern& step : parts_.steps) {
    cut.clear();
    step.Split(text, pieces, &cut);
    pieces.swap(cut);
  }
  out->reserve(out->size() + pieces.size());
  for (const Piece& piece : pieces) {
    parts_.pairs.Encode(text.substr(piece.begin, piece.end - piece.begin), out);
  }
}

std::vector<int32_t> ByteLevelTokenizer::Encode(std::string_view text, AddedTokens added) const {
  std::vector<Region> regions;
  AppendRegion(text.size(), added != AddedTokens::kNone, &regions);
  const bool keep_special = added == AddedTokens::kNonSpecial;
  if (IsValidUtf8(text)) return EncodeRegions(text, regions, keep_special);
  const std::string repaired = RepairRegions(text, &regions);
  return EncodeRegions(repaired, regions, keep_special);
}

std::vector<int32_t> ByteLevelTokenizer::EncodeSpans(absl::Span<const TextSpan> spans) const {
  std::string text;
  std::vector<Region> regions;
  for (const TextSpan& span : spans) {
    text += span.text;
    AppendRegion(text.size(), span.parse_added, &regions);
  }
  if (!IsValidUtf8(text)) text = RepairRegions(text, &regions);
  return EncodeRegions(text, regions, false);
}

std::string ByteLevelTokenizer::Decode(absl::Span<const int32_t> ids, bool skip_special) const {
  std::string bytes;
  for (const int32_t id : ids) {
    if (!skip_special || !IsSpecial(id)) bytes += TokenBytes(id);
  }
  return RepairUtf8(bytes);
}

std::string_view ByteLevelTokenizer::TokenBytes(int32_t id) const {
  if (id < 0 || id >= size()) return {};
  return parts_.tokens[static_cast<size_t>(id)];
}

int64_t ByteLevelTokenizer::LeastTokens(size_t bytes) const {
  if (longest_ == 0) return 0;
  return static_cast<int64_t>(bytes / longest_ + (bytes % longest_ != 0 ? 1 : 0));
}

bool ByteLevelTokenizer::IsSpecial(int32_t id) const {
  return id >= 0 && id < size() && special_[static_cast<size_t>(id)];
}

bool ByteLevelTokenizer::IsAdded(int32_t id) const {
  return id >= 0 && id < size() && is_added_[static_cast<size_t>(id)];
}

int32_t ByteLevelTokenizer::TokenId(std::string_view content) const {
  if (const auto it = added_ids_.find(ToAbsl(content)); it != added_ids_.end()) return it->second;
  std::string bytes;
  return FromByteAlphabet(content, &bytes) ? parts_.pairs.Find(bytes) : -1;
}

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, bool skip_special)
    : tokenizer_(tokenizer), skip_special_(skip_special) {}

std::string StreamDecoder::Push(int32_t id) {
  if (skip_special_ && tokenizer_.IsSpecial(id)) return {};
  held_ += tokenizer_.TokenBytes(id);
  // All but an incomplete tail of at most three bytes may go out; what is broken in it is certain
  // to be broken.
  size_t ready = 0;
  while (ready < held_.size()) {
    const std::string_view rest = std::string_view(held_).substr(ready);
    const Utf8Char c = FirstChar(rest);
    if (c.state == Utf8::kIncomplete) break;
    // The first two bytes of an encoded surrogate wait for the third, as they do in Python's
    // incremental decoder, so that chunks are the same as those of Python servers. The text is the
    // same either way.
    if (rest.size() == 2 && rest[0] == '\xED' && c.state == Utf8::kInvalid &&
        (static_cast<uint8_t>(rest[1]) & 0xC0) == 0x80) {
      break;
    }
    ready += c.length;
  }
  std::string text = RepairUtf8(std::string_view(held_).substr(0, ready));
  held_.erase(0, ready);
  return text;
}

std::string StreamDecoder::Flush() {
  std::string text = RepairUtf8(held_);
  held_.clear();
  return text;
}

}  // namespace deepseek::engine
