#include "agent/grammar/pattern.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_format.h"
#include "base/strings.h"

namespace deepseek::agent::grammar {
namespace {

constexpr uint32_t kLastPoint = 0x10FFFF;
// Every token of the vocabulary is tried against all states that are open at once.
constexpr int64_t kMostStates = 2000;
const CodePoints kAnything = {{0, kLastPoint}};

int64_t Saturate(int64_t chars) {
  return std::min<int64_t>(chars, kUnbounded);
}

int32_t CharsOf(const std::vector<Pattern>& parts, bool most) {
  int64_t sum = 0;
  for (const Pattern& part : parts) sum += most ? part.max_chars() : part.min_chars();
  return static_cast<int32_t>(Saturate(sum));
}

int64_t StatesOf(const Pattern& pattern) {
  int64_t sum = 1;
  for (const Pattern& part : pattern.parts) sum += StatesOf(part);
  for (const auto& choice : pattern.choices) {
    for (const Pattern& part : choice) sum += StatesOf(part);
  }
  if (pattern.kind == Pattern::kRepeat)
    sum *= std::max(pattern.most == kUnbounded ? pattern.least : pattern.most, 1);
  return std::min<int64_t>(sum, kMostStates + 1);
}

void Add(Builder* out, int32_t from, const Pattern& pattern, int32_t to);

void AddSequence(Builder* out, int32_t from, const std::vector<Pattern>& parts, int32_t to) {
  for (size_t i = 0; i < parts.size(); ++i) {
    const int32_t next = i + 1 == parts.size() ? to : out->AddNode();
    Add(out, from, parts[i], next);
    from = next;
  }
  if (parts.empty()) out->Empty(from, to);
}

void AddRepeat(Builder* out, int32_t from, const Pattern& pattern, int32_t to) {
  const Pattern& part = pattern.parts.front();
  for (int32_t i = 0; i < pattern.least; ++i) {
    const int32_t next = out->AddNode();
    Add(out, from, part, next);
    from = next;
  }
  if (pattern.most == kUnbounded) {
    const int32_t loop = out->AddNode();
    out->Empty(from, loop);
    Add(out, loop, part, loop);
    return out->Empty(loop, to);
  }
  for (int32_t i = pattern.least; i < pattern.most; ++i) {
    const int32_t next = out->AddNode();
    out->Empty(from, to);
    Add(out, from, part, next);
    from = next;
  }
  out->Empty(from, to);
}

void Add(Builder* out, int32_t from, const Pattern& pattern, int32_t to) {
  if (out->full()) return;
  if (pattern.kind == Pattern::kSet) return AddChar(out, from, pattern.set, to);
  if (pattern.kind == Pattern::kRepeat) return AddRepeat(out, from, pattern, to);
  if (pattern.choices.empty()) return AddSequence(out, from, pattern.parts, to);
  for (const auto& choice : pattern.choices) AddSequence(out, from, choice, to);
}

}  // namespace

int32_t Pattern::min_chars() const {
  if (kind == kSet) return 1;
  if (kind == kRepeat)
    return static_cast<int32_t>(Saturate(int64_t{least} * parts.front().min_chars()));
  if (choices.empty()) return CharsOf(parts, false);
  int32_t best = kUnbounded;
  for (const auto& choice : choices) best = std::min(best, CharsOf(choice, false));
  return best;
}

int32_t Pattern::max_chars() const {
  if (kind == kSet) return 1;
  if (kind == kRepeat) {
    const int64_t one = parts.front().max_chars();
    if (one == 0 || most == 0) return 0;
    return most == kUnbounded ? kUnbounded : static_cast<int32_t>(Saturate(most * one));
  }
  if (choices.empty()) return CharsOf(parts, true);
  int32_t best = 0;
  for (const auto& choice : choices) best = std::max(best, CharsOf(choice, true));
  return best;
}

CodePoints Normalize(CodePoints set) {
  std::sort(set.begin(), set.end());
  CodePoints out;
  for (const auto& [low, high] : set) {
    if (!out.empty() && low <= out.back().second + 1) {
      out.back().second = std::max(out.back().second, high);
    } else {
      out.push_back({low, high});
    }
  }
  return out;
}

CodePoints Complement(const CodePoints& set) {
  CodePoints out;
  uint32_t next = 0;
  for (const auto& [low, high] : set) {
    if (low > next) out.push_back({next, low - 1});
    next = high + 1;
  }
  if (next <= kLastPoint) out.push_back({next, kLastPoint});
  return out;
}

void AddChar(Builder* out, int32_t from, const CodePoints& set, int32_t to) {
  CodePoints plain;
  // What JSON wants escaped, cut out of the ranges.
  constexpr std::array<std::pair<uint32_t, uint32_t>, 3> kPlain = {
      std::pair{0x20U, 0x21U}, {0x23U, 0x5BU}, {0x5DU, kLastPoint}};
  for (const auto& [low, high] : set) {
    for (const auto& [first, last] : kPlain) {
      if (std::max(low, first) <= std::min(high, last))
        plain.push_back({std::max(low, first), std::min(high, last)});
    }
    for (uint32_t c = low; c <= std::min(high, 0x1FU); ++c) {
      constexpr std::string_view kNamed = "\b\f\n\r\t", kNames = "bfnrt";
      const size_t name = kNamed.find(static_cast<char>(c));
      out->TextTo(from,
                  name == std::string_view::npos ? absl::StrFormat("\\u%04x", c)
                                                 : StrCat("\\", kNames.substr(name, 1)),
                  to);
    }
    for (const char c : {'"', '\\'}) {
      if (low <= static_cast<uint32_t>(c) && static_cast<uint32_t>(c) <= high)
        out->TextTo(from, std::string("\\") + c, to);
    }
  }
  out->Utf8(from, plain, to);
}

absl::Status AddPattern(Builder* out, int32_t from, const std::vector<Branch>& branches,
                        int32_t to) {
  int64_t states = 0;
  for (const Branch& branch : branches) states += StatesOf(branch.body);
  if (states > kMostStates) {
    return absl::InvalidArgumentError(
        StrCat("is too large: more than ", kMostStates, " states (use smaller repetitions)"));
  }
  for (const Branch& branch : branches) {
    int32_t at = from;
    if (!branch.at_start) {
      at = out->AddNode();
      out->Empty(from, at);
      AddChar(out, at, kAnything, at);
    }
    const int32_t behind = out->AddNode();
    AddSequence(out, at, branch.body.parts, behind);
    if (branch.at_end) {
      out->TextTo(behind, "\"", to);
    } else {
      out->String(behind, 0, kUnbounded, to);
    }
  }
  return absl::OkStatus();
}

}  // namespace deepseek::agent::grammar
