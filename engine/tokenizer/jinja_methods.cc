// Methods of strings, dicts and lists, and the global functions.

#include <algorithm>
#include <cctype>
#include <cstring>
#include <ctime>
#include <limits>

#include "base/status.h"
#include "base/strings.h"
#include "engine/tokenizer/jinja_eval.h"
#include "engine/tokenizer/utf8.h"

namespace deepseek::engine::jinja {
namespace {

constexpr std::string_view kMethods[] = {
    "split",    "rsplit", "splitlines", "strip",   "lstrip",     "rstrip",  "startswith",
    "endswith", "upper",  "lower",      "title",   "capitalize", "replace", "find",
    "count",    "join",   "isdigit",    "items",   "keys",       "values",  "get",
    "index",    "format", "cycle",      "changed",
};
constexpr std::string_view kFunctions[] = {"raise_exception", "strftime_now", "namespace", "range",
                                           "dict"};
constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

size_t FindText(std::string_view text, std::string_view part, size_t from) {
  if (from > text.size()) return std::string_view::npos;
  if (part.empty()) return from;
  const void* found = memmem(text.data() + from, text.size() - from, part.data(), part.size());
  return found == nullptr ? std::string_view::npos
                          : static_cast<size_t>(static_cast<const char*>(found) - text.data());
}

bool SpaceAt(std::string_view text, size_t* length) {
  const Utf8Char c = FirstChar(text);
  *length = c.length;
  return IsPythonSpace(c.code_point);
}

// str.split() without a separator: words between runs of white space.
std::vector<Value> SplitWords(const MarkedText& text, int64_t limit) {
  std::vector<Value> parts;
  const std::string_view s = text.text();
  size_t at = 0, length = 0;
  while (true) {
    while (at < s.size() && SpaceAt(s.substr(at), &length)) at += length;
    if (at >= s.size()) return parts;
    size_t end = at;
    if (limit-- == 0) {
      end = s.size();
      parts.push_back(Value::String(text.Slice(at, end)));
      return parts;
    }
    while (end < s.size() && !SpaceAt(s.substr(end), &length)) end += length;
    parts.push_back(Value::String(text.Slice(at, end)));
    at = end;
  }
}

// str.rsplit() without a separator: the last `limit` words and what is left of them.
std::vector<Value> SplitLastWords(const MarkedText& text, int64_t limit) {
  std::vector<Value> parts;
  const std::string_view s = text.text();
  size_t end = s.size(), length = 0;
  const auto before = [&](size_t at) {
    do --at;
    while (at > 0 && (static_cast<uint8_t>(s[at]) & 0xC0) == 0x80);
    return at;
  };
  while (true) {
    while (end > 0 && SpaceAt(s.substr(before(end)), &length)) end = before(end);
    if (end == 0) break;
    size_t begin = limit-- == 0 ? 0 : end;
    while (begin > 0 && !SpaceAt(s.substr(before(begin)), &length)) begin = before(begin);
    parts.push_back(Value::String(text.Slice(begin, end)));
    end = begin;
  }
  std::reverse(parts.begin(), parts.end());
  return parts;
}

absl::StatusOr<Value> Split(Budget& budget, const MarkedText& text, const Arguments& arguments,
                            bool from_right) {
  RETURN_IF_ERROR(arguments.Check(2, {"sep", "maxsplit"}));
  const Value* separator = arguments.Get(0, "sep");
  const Value* limit = arguments.Get(1, "maxsplit");
  int64_t count = -1;
  if (limit != nullptr && limit->integer(&count) == nullptr)
    return Fail("split: the limit must be an integer");
  if (count < 0) count = kNoLimit;
  RETURN_IF_ERROR(budget.Charge(text.size() / 16));
  if (separator == nullptr || separator->none()) {
    const bool right = from_right && count != kNoLimit;
    return MakeList(right ? SplitLastWords(text, count) : SplitWords(text, count));
  }
  if (separator->text() == nullptr) return Fail("split: the separator must be a string");
  const std::string& by = separator->text()->text();
  if (by.empty()) return Fail("split: the separator is empty");
  std::vector<size_t> cuts;
  for (size_t at = 0; (at = FindText(text.text(), by, at)) != std::string_view::npos;
       at += by.size()) {
    if (!from_right && static_cast<int64_t>(cuts.size()) >= count) break;
    cuts.push_back(at);
  }
  if (from_right && static_cast<int64_t>(cuts.size()) > count) {
    // Equal to Python's as long as separators do not overlap each other.
    cuts.erase(cuts.begin(), cuts.end() - static_cast<ptrdiff_t>(count));
  }
  std::vector<Value> parts;
  size_t begin = 0;
  for (const size_t cut : cuts) {
    parts.push_back(Value::String(text.Slice(begin, cut)));
    begin = cut + by.size();
  }
  parts.push_back(Value::String(text.Slice(begin, text.size())));
  RETURN_IF_ERROR(budget.Charge(parts.size()));
  return MakeList(std::move(parts));
}

// str.startswith and str.endswith, with a start and an end as in slices.
absl::StatusOr<Value> StartsOrEnds(Budget& budget, const MarkedText& text,
                                   const Arguments& arguments, bool starts) {
  RETURN_IF_ERROR(arguments.Check(3));
  if (arguments.positional.empty()) return Fail("an argument is missing");
  const Value &wanted = arguments.positional[0], nothing = Value::Nothing();
  Value searched = Value::String(text);
  bool beyond = false;  // not even '' is found where the start lies behind the end
  if (arguments.positional.size() > 1) {
    const auto size = static_cast<int64_t>(CharacterOffsets(text.text()).size()) - 1;
    const auto bound = [&](size_t i, int64_t otherwise) {
      if (i < arguments.positional.size()) (void)arguments.positional[i].integer(&otherwise);
      return otherwise < 0 ? std::max<int64_t>(otherwise + size, 0) : otherwise;
    };
    beyond = bound(1, 0) > std::min(bound(2, size), size);
    const bool both = arguments.positional.size() > 2;
    ASSIGN_OR_RETURN(searched, GetSlice(budget, searched, arguments.positional[1],
                                        both ? arguments.positional[2] : nothing, nothing));
  }
  const std::string& s = searched.text()->text();
  const auto matches = [&](const Value& part) {
    if (beyond || part.text() == nullptr || part.text()->size() > s.size()) return false;
    const size_t at = starts ? 0 : s.size() - part.text()->size();
    return s.compare(at, part.text()->size(), part.text()->text()) == 0;
  };
  if (wanted.text() != nullptr) return Value::Boolean(matches(wanted));
  if (wanted.items() == nullptr)
    return Fail(StrCat("a string is expected, not ", wanted.TypeName()));
  return Value::Boolean(std::any_of(wanted.items()->begin(), wanted.items()->end(), matches));
}

absl::StatusOr<Value> FindOrCount(const MarkedText& text, const Arguments& arguments, bool count) {
  RETURN_IF_ERROR(arguments.Check(1));
  if (arguments.positional.empty() || arguments.positional[0].text() == nullptr)
    return Fail("a string is expected");
  const std::string& part = arguments.positional[0].text()->text();
  if (!count) {
    const size_t at = FindText(text.text(), part, 0);
    if (at == std::string_view::npos) return Value::Integer(-1);
    return Value::Integer(static_cast<int64_t>(CharacterOffsets(text.text().substr(0, at)).size()) -
                          1);
  }
  if (part.empty())
    return Value::Integer(static_cast<int64_t>(CharacterOffsets(text.text()).size()));
  int64_t found = 0;
  for (size_t at = 0; (at = FindText(text.text(), part, at)) != std::string_view::npos;
       at += part.size())
    ++found;
  return Value::Integer(found);
}

absl::StatusOr<Value> CallString(Budget& budget, std::string_view name, const MarkedText& text,
                                 const Arguments& arguments) {
  RETURN_IF_ERROR(budget.ChargeText(text.size()));
  if (name == "split" || name == "rsplit") return Split(budget, text, arguments, name == "rsplit");
  if (name == "startswith" || name == "endswith")
    return StartsOrEnds(budget, text, arguments, name == "startswith");
  if (name == "find" || name == "count") return FindOrCount(text, arguments, name == "count");
  if (name == "strip" || name == "lstrip" || name == "rstrip") {
    RETURN_IF_ERROR(arguments.Check(1));
    const Value* characters = arguments.positional.empty() ? nullptr : arguments.positional.data();
    ASSIGN_OR_RETURN(MarkedText out, Strip(text, characters, name != "rstrip", name != "lstrip"));
    return Value::String(std::move(out));
  }
  if (name == "replace") {
    RETURN_IF_ERROR(arguments.Check(3));
    int64_t count = -1;
    if (arguments.positional.size() < 2 || arguments.positional[0].text() == nullptr ||
        arguments.positional[1].text() == nullptr ||
        (arguments.positional.size() == 3 && arguments.positional[2].integer(&count) == nullptr))
      return Fail("replace takes two strings and a count");
    ASSIGN_OR_RETURN(MarkedText out, Replace(budget, text, *arguments.positional[0].text(),
                                             *arguments.positional[1].text(), count));
    return Value::String(std::move(out));
  }
  if (name == "join") {
    RETURN_IF_ERROR(arguments.Check(1));
    if (arguments.positional.empty()) return Fail("an argument is missing");
    ASSIGN_OR_RETURN(const std::vector<Value> parts, Iterate(budget, arguments.positional[0]));
    MarkedText out;
    for (size_t i = 0; i < parts.size(); ++i) {
      if (parts[i].text() == nullptr)
        return Fail(StrCat("join: a string is expected, not ", parts[i].TypeName()));
      RETURN_IF_ERROR(budget.ChargeText(out.size() + parts[i].text()->size()));
      if (i > 0) out.Append(text);
      out.Append(*parts[i].text());
    }
    return budget.String(std::move(out));
  }
  if (name == "splitlines") {
    RETURN_IF_ERROR(arguments.Check(1, {"keepends"}));
    const Value* keep_ends = arguments.Get(0, "keepends");
    return MakeList(SplitLines(text, keep_ends != nullptr && keep_ends->Truth()));
  }
  RETURN_IF_ERROR(arguments.Check(0));
  if (name == "isdigit") {
    const std::string& s = text.text();
    return Value::Boolean(
        !s.empty() && std::all_of(s.begin(), s.end(), [](char c) { return c >= '0' && c <= '9'; }));
  }
  if (name == "upper" || name == "lower" || name == "title" || name == "capitalize")
    return budget.String(ChangeCase(text, name));
  return Fail(StrCat("strings have no method ", name));
}

absl::StatusOr<Value> CallDict(std::string_view name, const Dict& dict,
                               const Arguments& arguments) {
  if (name == "get") {
    RETURN_IF_ERROR(arguments.Check(2));
    if (arguments.positional.empty()) return Fail("get: a key is missing");
    const MarkedText* key = arguments.positional[0].text();
    const Value* value = key == nullptr ? nullptr : dict.Find(key->text());
    if (value != nullptr) return *value;
    return arguments.positional.size() > 1 ? arguments.positional[1] : Value::Nothing();
  }
  RETURN_IF_ERROR(arguments.Check(0));
  std::vector<Value> out;
  for (const auto& [key, value] : dict.entries) {
    if (name == "keys") {
      out.push_back(Value::String(key));
    } else if (name == "values") {
      out.push_back(value);
    } else if (name == "items") {
      ASSIGN_OR_RETURN(Value pair, MakeList({Value::String(key), value}, true));
      out.push_back(std::move(pair));
    } else {
      return Fail(StrCat("dicts have no method ", name));
    }
  }
  return MakeList(std::move(out));
}

absl::StatusOr<Value> CallLoop(std::string_view name, Loop& loop, const Arguments& arguments) {
  const std::vector<Value>& values = arguments.positional;
  RETURN_IF_ERROR(arguments.Check(values.size()));
  if (name == "cycle") {
    if (values.empty()) return Fail("cycle: there is nothing to choose from");
    return values[loop.index % values.size()];
  }
  if (name != "changed") return Fail(StrCat("loops have no method ", name));
  ASSIGN_OR_RETURN(Value seen, MakeList(values, true));
  const bool changed = !Equal(seen, loop.seen);
  loop.seen = std::move(seen);
  return Value::Boolean(changed);
}

// The time is the template's text unless the request had a hand in the format.
absl::StatusOr<Value> StrftimeNow(const Arguments& arguments, const RenderLimits& limits) {
  RETURN_IF_ERROR(arguments.Check(1));
  if (arguments.positional.empty() || arguments.positional[0].text() == nullptr)
    return Fail("strftime_now: a format is expected");
  const MarkedText& format = *arguments.positional[0].text();
  const std::time_t now =
      limits.now_seconds >= 0 ? static_cast<std::time_t>(limits.now_seconds) : std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  char buffer[1024];
  // A leading character tells an empty result from one that does not fit.
  const size_t size =
      std::strftime(buffer, sizeof(buffer), StrCat("x", format.text()).c_str(), &local);
  if (size == 0) return Fail("strftime_now: the format is too long");
  return Value::String(RepairUtf8(std::string_view(buffer + 1, size - 1)), format.HasInput());
}

absl::StatusOr<Value> Range(Budget& budget, const Arguments& arguments) {
  RETURN_IF_ERROR(arguments.Check(3));
  int64_t numbers[3] = {0, 0, 1};
  const size_t count = arguments.positional.size();
  if (count == 0) return Fail("range: a number is missing");
  for (size_t i = 0; i < count; ++i) {
    if (arguments.positional[i].integer(&numbers[count == 1 ? 1 : i]) == nullptr)
      return Fail("range takes integers");
  }
  const auto [start, stop, step] = numbers;
  if (step == 0) return Fail("range: the step must not be zero");
  std::vector<Value> out;
  for (int64_t i = start; step > 0 ? i < stop : i > stop;) {
    RETURN_IF_ERROR(budget.Charge());
    out.push_back(Value::Integer(i));
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return MakeList(std::move(out));
}

}  // namespace

bool IsKnownMethod(std::string_view name) {
  return std::find(std::begin(kMethods), std::end(kMethods), name) != std::end(kMethods) &&
         name != "format" && name != "index";
}

bool IsKnownFunction(std::string_view name) {
  return std::find(std::begin(kFunctions), std::end(kFunctions), name) != std::end(kFunctions);
}

absl::StatusOr<Value> CallMethod(Budget& budget, std::string_view name, const Value& self,
                                 const Arguments& arguments) {
  if (const Undefined* missing = self.As<Undefined>())
    return Fail(StrCat("'", missing->name, "' is undefined"));
  if (const LoopRef* loop = self.As<LoopRef>()) return CallLoop(name, **loop, arguments);
  if (self.text() != nullptr) return CallString(budget, name, *self.text(), arguments);
  if (self.As<DictRef>() != nullptr) {
    RETURN_IF_ERROR(budget.Charge(self.dict()->entries.size()));
    return CallDict(name, *self.dict(), arguments);
  }
  if (self.items() != nullptr && name == "count") {
    RETURN_IF_ERROR(arguments.Check(1));
    if (arguments.positional.empty()) return Fail("an argument is missing");
    return Value::Integer(
        std::count_if(self.items()->begin(), self.items()->end(),
                      [&](const Value& item) { return Equal(item, arguments.positional[0]); }));
  }
  return Fail(StrCat("a value of type ", self.TypeName(), " has no method ", name));
}

absl::StatusOr<Value> CallFunction(Budget& budget, std::string_view name,
                                   const Arguments& arguments, std::vector<Namespace>* namespaces) {
  if (name == "raise_exception") {
    const Value* message = arguments.Get(0, "message");
    return absl::InvalidArgumentError(
        StrCat("chat template refuses the conversation: ",
               message == nullptr ? std::string() : ToText(*message).text()));
  }
  if (name == "strftime_now") return StrftimeNow(arguments, budget.limits());
  if (name == "range") return Range(budget, arguments);
  if (name != "namespace" && name != "dict") return Fail(StrCat("there is no function ", name));
  Dict dict;
  RETURN_IF_ERROR(budget.Charge(16));
  if (!arguments.positional.empty()) {
    if (arguments.positional.size() > 1 || arguments.positional[0].dict() == nullptr)
      return Fail(StrCat(name, " takes a dict or keywords"));
    dict = *arguments.positional[0].dict();
  }
  for (const auto& [key, value] : arguments.keywords) dict.Set(MarkedText(key, false), value);
  if (name == "dict") return MakeDict(std::move(dict));
  namespaces->push_back(std::make_shared<Dict>(std::move(dict)));
  return Value(Value::Variant(namespaces->back()));
}

namespace {

// str.splitlines: also at \v, \f, the separators 1C to 1E, NEL and the Unicode separators.
bool EndsLine(uint32_t c) {
  return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 ||
         c == 0x2029;
}

}  // namespace

std::vector<Value> SplitLines(const MarkedText& text, bool keep_ends) {
  std::vector<Value> lines;
  const std::string_view s = text.text();
  for (size_t begin = 0, end = 0; begin < s.size(); begin = end) {
    Utf8Char c{};
    for (; end < s.size(); end += c.length) {
      c = FirstChar(s.substr(end));
      if (EndsLine(c.code_point)) break;
    }
    const size_t line = end;
    if (end < s.size()) end += s.substr(end, 2) == "\r\n" ? 2 : c.length;
    lines.push_back(Value::String(text.Slice(begin, keep_ends ? end : line)));
  }
  return lines;
}

absl::StatusOr<MarkedText> Strip(const MarkedText& text, const Value* characters, bool left,
                                 bool right) {
  std::vector<uint32_t> set;
  if (characters != nullptr && !characters->none()) {
    if (characters->text() == nullptr) return Fail("strip: a string is expected");
    std::string_view rest = characters->text()->text();
    for (; !rest.empty(); rest.remove_prefix(FirstChar(rest).length))
      set.push_back(FirstChar(rest).code_point);
  }
  const bool space = characters == nullptr || characters->none();
  const auto drops = [&](std::string_view at) {
    const uint32_t c = FirstChar(at).code_point;
    return space ? IsPythonSpace(c) : std::find(set.begin(), set.end(), c) != set.end();
  };
  const std::string_view s = text.text();
  size_t begin = 0, end = s.size();
  while (left && begin < end && drops(s.substr(begin))) begin += FirstChar(s.substr(begin)).length;
  while (right && end > begin) {
    size_t last = end - 1;
    while (last > begin && (static_cast<uint8_t>(s[last]) & 0xC0) == 0x80) --last;
    if (!drops(s.substr(last))) break;
    end = last;
  }
  return text.Slice(begin, end);
}

absl::StatusOr<MarkedText> Replace(Budget& budget, const MarkedText& text, const MarkedText& from,
                                   const MarkedText& to, int64_t count) {
  MarkedText out;
  const std::string& s = text.text();
  if (count < 0) count = kNoLimit;
  size_t done = 0;
  if (from.empty()) {  // before each character and at the end
    for (const size_t at : CharacterOffsets(s)) {
      out.Append(text, done, at);
      done = at;
      if (count-- <= 0) break;
      RETURN_IF_ERROR(budget.ChargeText(out.size() > budget.limits().max_output_bytes ? out.size()
                                                                                      : to.size()));
      out.Append(to);
    }
  } else {
    for (size_t at = 0;
         count-- > 0 && (at = FindText(s, from.text(), at)) != std::string_view::npos;) {
      RETURN_IF_ERROR(budget.ChargeText(out.size() > budget.limits().max_output_bytes ? out.size()
                                                                                      : to.size()));
      out.Append(text, done, at);
      out.Append(to);
      done = at = at + from.size();
    }
  }
  out.Append(text, done, s.size());
  RETURN_IF_ERROR(budget.ChargeText(out.size()));
  return out;
}

}  // namespace deepseek::engine::jinja
