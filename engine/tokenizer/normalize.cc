#include "engine/tokenizer/normalize.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>

#include "engine/tokenizer/utf8.h"

namespace deepseek::engine {
namespace {

bool IsAscii(char c) {
  return static_cast<unsigned char>(c) < 0x80;
}

// Below U+0300 there is nothing to compose or to reorder. Lead bytes up to 0xCB are below U+0300.
bool IsInert(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0xCC; });
}

int CombiningClass(uint32_t code_point) {
  return utf8proc_get_property(static_cast<utf8proc_int32_t>(code_point))->combining_class;
}

// utf8proc orders combining marks by exchange of neighbours, which is quadratic in a hostile run of
// them. Sorting long runs first (stably, by class: the canonical ordering itself) makes its pass
// linear.
std::string OrderLongRuns(std::string_view text) {
  constexpr size_t kLong = 32;
  std::string out;
  out.reserve(text.size());
  std::vector<std::pair<int, std::string_view>> run;
  const auto flush = [&] {
    if (run.size() > kLong) {
      std::stable_sort(run.begin(), run.end(),
                       [](const auto& a, const auto& b) { return a.first < b.first; });
    }
    for (const auto& mark : run) out.append(mark.second);
    run.clear();
  };
  while (!text.empty()) {
    const Utf8Char c = FirstChar(text);
    const std::string_view bytes = text.substr(0, c.length);
    const int mark_class = c.code_point < 0x300 ? 0 : CombiningClass(c.code_point);
    if (mark_class == 0) {
      flush();
      out.append(bytes);
    } else {
      run.emplace_back(mark_class, bytes);
    }
    text.remove_prefix(c.length);
  }
  flush();
  return out;
}

bool IsOpaque(uint32_t code_point) {
  const auto& ranges = NfcOpaqueRanges();
  const auto after =
      std::upper_bound(ranges.begin(), ranges.end(), code_point,
                       [](uint32_t point, const std::pair<uint32_t, uint32_t>& range) {
                         return point < range.first;
                       });
  return after != ranges.begin() && code_point <= std::prev(after)->second;
}

std::string NfcWhole(std::string_view text) {
  const std::string ordered = OrderLongRuns(text);
  utf8proc_uint8_t* mapped = nullptr;
  const utf8proc_ssize_t size =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(ordered.data()),
                   static_cast<utf8proc_ssize_t>(ordered.size()), &mapped,
                   static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  if (size < 0) return std::string(text);  // only for invalid UTF-8, which callers have repaired
  std::string out(reinterpret_cast<const char*>(mapped), static_cast<size_t>(size));
  std::free(mapped);
  return out;
}

}  // namespace

void AppendRegion(size_t end, bool parse_added, std::vector<Region>* regions) {
  const size_t begin = regions->empty() ? 0 : regions->back().end;
  if (end <= begin) return;
  if (!regions->empty() && regions->back().parse_added == parse_added) {
    regions->back().end = end;
  } else {
    regions->push_back({end, parse_added});
  }
}

std::string Nfc(std::string_view text) {
  if (IsInert(text)) return std::string(text);
  // Opaque characters are starters that compose with nothing: the text is cut before and after
  // each.
  std::string out;
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = FirstChar(text.substr(at));
    if (c.code_point >= 0x300 && IsOpaque(c.code_point)) {
      out += NfcWhole(text.substr(begin, at - begin));
      out += text.substr(at, c.length);
      begin = at + c.length;
    }
    at += c.length;
  }
  return out + NfcWhole(text.substr(begin));
}

std::string NfcRegions(std::string_view text, std::vector<Region>* regions) {
  std::string whole = Nfc(text);
  if (whole == text) return whole;
  if (regions->size() <= 1) {
    if (!regions->empty()) regions->front().end = whole.size();
    return whole;
  }
  // ASCII characters are starters that never compose with what stands before them, so text may be
  // cut before each.
  std::string out;
  std::vector<Region> marks;
  size_t region = 0;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = begin + 1;
    while (end < text.size() && !IsAscii(text[end])) ++end;
    while ((*regions)[region].end <= begin) ++region;
    bool parse_added = true;
    for (size_t r = region;; ++r) {
      parse_added = parse_added && (*regions)[r].parse_added;
      if ((*regions)[r].end >= end) break;
    }
    out += Nfc(text.substr(begin, end - begin));
    AppendRegion(out.size(), parse_added, &marks);
    begin = end;
  }
  *regions = std::move(marks);
  return out;
}

}  // namespace deepseek::engine
