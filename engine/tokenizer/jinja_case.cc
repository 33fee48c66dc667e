// upper, lower, title and capitalize as Python has them: one character may become several, and the
// Greek sigma has a form of its own at the end of a word.

#include <utf8proc.h>

#include <algorithm>
#include <iterator>

#include "engine/tokenizer/jinja_eval.h"
#include "engine/tokenizer/utf8.h"

namespace deepseek::engine::jinja {
namespace {

// Unicode's SpecialCasing.txt, the rows without a condition. Where the title is empty, it is one
// character, and utf8proc knows it.
struct Special {
  uint32_t c;
  std::string_view upper, title;
};
// clang-format off
constexpr Special kSpecial[] = {
    {0x00DF, "SS", "Ss"}, {0x0149, "ʼN", "ʼN"}, {0x01F0, "J̌", "J̌"}, {0x0390, "Ϊ́", "Ϊ́"},
    {0x03B0, "Ϋ́", "Ϋ́"}, {0x0587, "ԵՒ", "Եւ"}, {0x1E96, "H̱", "H̱"}, {0x1E97, "T̈", "T̈"},
    {0x1E98, "W̊", "W̊"}, {0x1E99, "Y̊", "Y̊"}, {0x1E9A, "Aʾ", "Aʾ"}, {0x1F50, "Υ̓", "Υ̓"},
    {0x1F52, "Υ̓̀", "Υ̓̀"}, {0x1F54, "Υ̓́", "Υ̓́"}, {0x1F56, "Υ̓͂", "Υ̓͂"}, {0x1F80, "ἈΙ", ""},
    {0x1F81, "ἉΙ", ""}, {0x1F82, "ἊΙ", ""}, {0x1F83, "ἋΙ", ""}, {0x1F84, "ἌΙ", ""},
    {0x1F85, "ἍΙ", ""}, {0x1F86, "ἎΙ", ""}, {0x1F87, "ἏΙ", ""}, {0x1F88, "ἈΙ", ""},
    {0x1F89, "ἉΙ", ""}, {0x1F8A, "ἊΙ", ""}, {0x1F8B, "ἋΙ", ""}, {0x1F8C, "ἌΙ", ""},
    {0x1F8D, "ἍΙ", ""}, {0x1F8E, "ἎΙ", ""}, {0x1F8F, "ἏΙ", ""}, {0x1F90, "ἨΙ", ""},
    {0x1F91, "ἩΙ", ""}, {0x1F92, "ἪΙ", ""}, {0x1F93, "ἫΙ", ""}, {0x1F94, "ἬΙ", ""},
    {0x1F95, "ἭΙ", ""}, {0x1F96, "ἮΙ", ""}, {0x1F97, "ἯΙ", ""}, {0x1F98, "ἨΙ", ""},
    {0x1F99, "ἩΙ", ""}, {0x1F9A, "ἪΙ", ""}, {0x1F9B, "ἫΙ", ""}, {0x1F9C, "ἬΙ", ""},
    {0x1F9D, "ἭΙ", ""}, {0x1F9E, "ἮΙ", ""}, {0x1F9F, "ἯΙ", ""}, {0x1FA0, "ὨΙ", ""},
    {0x1FA1, "ὩΙ", ""}, {0x1FA2, "ὪΙ", ""}, {0x1FA3, "ὫΙ", ""}, {0x1FA4, "ὬΙ", ""},
    {0x1FA5, "ὭΙ", ""}, {0x1FA6, "ὮΙ", ""}, {0x1FA7, "ὯΙ", ""}, {0x1FA8, "ὨΙ", ""},
    {0x1FA9, "ὩΙ", ""}, {0x1FAA, "ὪΙ", ""}, {0x1FAB, "ὫΙ", ""}, {0x1FAC, "ὬΙ", ""},
    {0x1FAD, "ὭΙ", ""}, {0x1FAE, "ὮΙ", ""}, {0x1FAF, "ὯΙ", ""}, {0x1FB2, "ᾺΙ", "Ὰͅ"},
    {0x1FB3, "ΑΙ", ""}, {0x1FB4, "ΆΙ", "Άͅ"}, {0x1FB6, "Α͂", "Α͂"}, {0x1FB7, "Α͂Ι", "ᾼ͂"},
    {0x1FBC, "ΑΙ", ""}, {0x1FC2, "ῊΙ", "Ὴͅ"}, {0x1FC3, "ΗΙ", ""}, {0x1FC4, "ΉΙ", "Ήͅ"},
    {0x1FC6, "Η͂", "Η͂"}, {0x1FC7, "Η͂Ι", "ῌ͂"}, {0x1FCC, "ΗΙ", ""}, {0x1FD2, "Ϊ̀", "Ϊ̀"},
    {0x1FD3, "Ϊ́", "Ϊ́"}, {0x1FD6, "Ι͂", "Ι͂"}, {0x1FD7, "Ϊ͂", "Ϊ͂"}, {0x1FE2, "Ϋ̀", "Ϋ̀"},
    {0x1FE3, "Ϋ́", "Ϋ́"}, {0x1FE4, "Ρ̓", "Ρ̓"}, {0x1FE6, "Υ͂", "Υ͂"}, {0x1FE7, "Ϋ͂", "Ϋ͂"},
    {0x1FF2, "ῺΙ", "Ὼͅ"}, {0x1FF3, "ΩΙ", ""}, {0x1FF4, "ΏΙ", "Ώͅ"}, {0x1FF6, "Ω͂", "Ω͂"},
    {0x1FF7, "Ω͂Ι", "ῼ͂"}, {0x1FFC, "ΩΙ", ""}, {0xFB00, "FF", "Ff"}, {0xFB01, "FI", "Fi"},
    {0xFB02, "FL", "Fl"}, {0xFB03, "FFI", "Ffi"}, {0xFB04, "FFL", "Ffl"}, {0xFB05, "ST", "St"},
    {0xFB06, "ST", "St"}, {0xFB13, "ՄՆ", "Մն"}, {0xFB14, "ՄԵ", "Մե"}, {0xFB15, "ՄԻ", "Մի"},
    {0xFB16, "ՎՆ", "Վն"}, {0xFB17, "ՄԽ", "Մխ"},
};
// clang-format on

struct Range {
  uint32_t first, last;
};
// Cased without being a letter of a case: Other_Lowercase and Other_Uppercase.
constexpr Range kOtherCased[] = {
    {0xAA, 0xAA},       {0xBA, 0xBA},       {0x2B0, 0x2B8},     {0x2C0, 0x2C1},
    {0x2E0, 0x2E4},     {0x345, 0x345},     {0x37A, 0x37A},     {0x1D2C, 0x1D6A},
    {0x1D78, 0x1D78},   {0x1D9B, 0x1DBF},   {0x2071, 0x2071},   {0x207F, 0x207F},
    {0x2090, 0x209C},   {0x2160, 0x217F},   {0x24B6, 0x24E9},   {0x2C7C, 0x2C7D},
    {0xA69C, 0xA69D},   {0xA770, 0xA770},   {0xA7F8, 0xA7F9},   {0xAB5C, 0xAB5F},
    {0x10780, 0x10780}, {0x10783, 0x10785}, {0x10787, 0x107B0}, {0x107B2, 0x107BA},
    {0x1F130, 0x1F149}, {0x1F150, 0x1F169}, {0x1F170, 0x1F189},
};
// Apostrophes, dots and colons within words (Word_Break), which have no case.
constexpr Range kWithinWords[] = {
    {0x27, 0x27},     {0x2E, 0x2E},     {0x3A, 0x3A},     {0xB7, 0xB7},
    {0x387, 0x387},   {0x55F, 0x55F},   {0x5F4, 0x5F4},   {0x2018, 0x2019},
    {0x2024, 0x2024}, {0x2027, 0x2027}, {0xFE13, 0xFE13}, {0xFE52, 0xFE52},
    {0xFE55, 0xFE55}, {0xFF07, 0xFF07}, {0xFF0E, 0xFF0E}, {0xFF1A, 0xFF1A},
};

template <size_t N>
bool Among(const Range (&ranges)[N], uint32_t c) {
  const auto* const range = std::lower_bound(std::begin(ranges), std::end(ranges), c,
                                             [](const Range& r, uint32_t x) { return r.last < x; });
  return range != std::end(ranges) && range->first <= c;
}

int Category(uint32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(c));
}

bool Cased(uint32_t c) {
  const int category = Category(c);
  return category == UTF8PROC_CATEGORY_LU || category == UTF8PROC_CATEGORY_LL ||
         category == UTF8PROC_CATEGORY_LT || Among(kOtherCased, c);
}

bool CaseIgnorable(uint32_t c) {
  const int category = Category(c);
  return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_ME ||
         category == UTF8PROC_CATEGORY_CF || category == UTF8PROC_CATEGORY_LM ||
         category == UTF8PROC_CATEGORY_SK || Among(kWithinWords, c);
}

// Whether the sigma at [at, end) ends a word of `text`.
bool IsFinalSigma(std::string_view text, size_t at, size_t end) {
  bool after_letter = false;
  while (at > 0) {
    do --at;
    while (at > 0 && (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80);
    const uint32_t c = FirstChar(text.substr(at)).code_point;
    if (CaseIgnorable(c)) continue;
    after_letter = Cased(c);
    break;
  }
  if (!after_letter) return false;
  while (end < text.size()) {
    const Utf8Char c = FirstChar(text.substr(end));
    if (!CaseIgnorable(c.code_point)) return !Cased(c.code_point);
    end += c.length;
  }
  return true;
}

void AppendLower(std::string_view text, size_t at, const Utf8Char& c, std::string* out) {
  constexpr uint32_t kDottedI = 0x130, kDotAbove = 0x307;
  constexpr uint32_t kBigSigma = 0x3A3, kSigma = 0x3C3, kFinalSigma = 0x3C2;
  if (c.code_point == kBigSigma)
    return AppendUtf8(IsFinalSigma(text, at, at + c.length) ? kFinalSigma : kSigma, out);
  if (c.code_point == kDottedI) {
    AppendUtf8('i', out);
    return AppendUtf8(kDotAbove, out);
  }
  AppendUtf8(static_cast<uint32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c.code_point))),
             out);
}

void AppendUpper(uint32_t c, bool title, std::string* out) {
  const auto* const special =
      std::lower_bound(std::begin(kSpecial), std::end(kSpecial), c,
                       [](const Special& row, uint32_t x) { return row.c < x; });
  if (special != std::end(kSpecial) && special->c == c) {
    const std::string_view text = title ? special->title : special->upper;
    if (!text.empty()) {
      *out += text;
      return;
    }
  }
  const auto point = static_cast<utf8proc_int32_t>(c);
  AppendUtf8(static_cast<uint32_t>(title ? utf8proc_totitle(point) : utf8proc_toupper(point)), out);
}

// The filter `title` splits at [-\s({\[<]+.
bool BeginsWords(uint32_t c) {
  return c == '-' || c == '(' || c == '{' || c == '[' || c == '<' || IsPythonSpace(c);
}

}  // namespace

MarkedText ChangeCase(const MarkedText& text, std::string_view how) {
  MarkedText out;
  const bool words = how == "words";
  bool word = false;   // inside of a word
  size_t context = 0;  // where the text begins whose letters tell a final sigma
  size_t at = 0;
  const std::string_view s = text.text();
  for (const MarkedText::Run& run : text.runs()) {
    std::string changed;
    while (at < run.end) {
      const Utf8Char c = FirstChar(s.substr(at));
      if (how == "upper" || (how != "lower" && !word)) {
        AppendUpper(c.code_point, !words && how != "upper", &changed);
        // jinja2 makes the rest of a word small on its own.
        if (words) context = at + c.length;
      } else {
        AppendLower(s.substr(context), at - context, c, &changed);
      }
      word = how == "title" ? Cased(c.code_point) : !words || !BeginsWords(c.code_point);
      at += c.length;
    }
    out.Append(changed, run.input);
  }
  return out;
}

}  // namespace deepseek::engine::jinja
