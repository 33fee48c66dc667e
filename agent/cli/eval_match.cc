#include "agent/cli/eval_match.h"

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "base/json_full.h"
#include "base/strings.h"

namespace deepseek::agent {
namespace {

// What Python's str.strip() takes away beyond ASCII, in UTF-8: NEL, NBSP, and the spaces of the General Punctuation and
// CJK blocks.
constexpr std::array<std::string_view, 18> kWideSpaces{
    "\xc2\x85", "\xc2\xa0", "\xe1\x9a\x80", "\xe2\x80\x80", "\xe2\x80\x81", "\xe2\x80\x82",
    "\xe2\x80\x83", "\xe2\x80\x84", "\xe2\x80\x85", "\xe2\x80\x86", "\xe2\x80\x87", "\xe2\x80\x88",
    "\xe2\x80\x89", "\xe2\x80\x8a", "\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x81\x9f", "\xe3\x80\x80"};

bool IsNarrowSpace(char c) { return absl::ascii_isspace(static_cast<unsigned char>(c)) || (c >= 0x1c && c <= 0x1f); }

size_t SpaceAtStart(std::string_view s) {
  if (!s.empty() && IsNarrowSpace(s.front())) return 1;
  for (const std::string_view w : kWideSpaces) {
    if (s.substr(0, w.size()) == w) return w.size();
  }
  return 0;
}

size_t SpaceAtEnd(std::string_view s) {
  if (!s.empty() && IsNarrowSpace(s.back())) return 1;
  for (const std::string_view w : kWideSpaces) {
    if (s.size() >= w.size() && s.substr(s.size() - w.size()) == w) return w.size();
  }
  return 0;
}

std::string_view Strip(std::string_view s) {
  while (const size_t n = SpaceAtStart(s)) s.remove_prefix(n);
  while (const size_t n = SpaceAtEnd(s)) s.remove_suffix(n);
  return s;
}

}  // namespace

absl::StatusOr<MatchRule> ParseMatchRule(std::string_view name) {
  if (name == "exact") return MatchRule::kExact;
  if (name == "json") return MatchRule::kJson;
  if (name == "label") return MatchRule::kLabel;
  return absl::InvalidArgumentError(StrCat("match: ", name, ": must be exact, json or label"));
}

bool Matches(MatchRule rule, std::string_view answer, std::string_view expected) {
  constexpr std::string_view kThinkEnd = "</think>";
  if (const size_t think = answer.rfind(kThinkEnd); think != std::string_view::npos) {
    answer.remove_prefix(think + kThinkEnd.size());
  }
  answer = Strip(answer);
  switch (rule) {
    case MatchRule::kExact:
      return answer == expected;
    case MatchRule::kJson: {
      const auto a = ParseJson(answer, "answer");
      const auto e = ParseJson(expected, "expected");
      return a.ok() && e.ok() && *a == *e;
    }
    case MatchRule::kLabel: {
      std::string label = absl::AsciiStrToLower(ToAbsl(answer));
      while (!label.empty() && label.back() == '.') label.pop_back();
      return label == expected;
    }
  }
  return false;
}

}  // namespace deepseek::agent
