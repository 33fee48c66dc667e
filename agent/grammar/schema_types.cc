// The part of SchemaCompiler that knows each type's own keywords.
#include <algorithm>
#include <cmath>
#include <optional>

#include "agent/grammar/json_schema.h"
#include "agent/grammar/number_range.h"
#include "agent/grammar/pattern.h"
#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::agent::grammar {
namespace {

constexpr int64_t kMostItems = 1024;  // beyond this a shorter array is as good
constexpr int64_t kMostLeast = 4096;
constexpr int64_t kMostLength = 1'000'000;
constexpr size_t kMostMembers = 1024;

absl::Status Bad(const std::string& path, std::string_view why) {
  return absl::InvalidArgumentError(StrCat(path, ": ", why));
}

/// A count of 0 or more; `otherwise` if the word is missing.
absl::StatusOr<int64_t> Count(const OrderedJson& schema, const char* word, int64_t otherwise,
                              const std::string& path) {
  const auto it = schema.find(word);
  if (it == schema.end()) return otherwise;
  const double value = it->is_number() ? it->get<double>() : -1;
  if (value < 0 || value != std::floor(value) || value > 1e15)
    return Bad(path, StrCat("'", word, "' must be an integer, 0 or more"));
  return static_cast<int64_t>(value);
}

std::string KeyText(const std::string& name) {
  return OrderedJson(name).dump();
}

}  // namespace

absl::Status SchemaCompiler::Object(const OrderedJson& schema, const std::string& path,
                                    int32_t from, int32_t to) {
  const auto given = schema.find("properties");
  OrderedJson members = given == schema.end() ? OrderedJson::object() : *given;
  if (!members.is_object() || members.size() > kMostMembers)
    return Bad(path, StrCat("'properties' must be an object of up to ", kMostMembers, " schemas"));
  const auto more = schema.find("additionalProperties");
  const OrderedJson more_schema = more == schema.end() ? OrderedJson(true) : *more;
  std::vector<std::string> required;
  if (const auto list = schema.find("required"); list != schema.end()) {
    if (!list->is_array() || list->size() > kMostMembers)
      return Bad(path, StrCat("'required' must be an array of up to ", kMostMembers, " strings"));
    for (const OrderedJson& name : *list) {
      if (!name.is_string()) return Bad(path, "'required' must be an array of strings");
      required.push_back(name.get<std::string>());
      // A member that is required without being described is one of the additional ones.
      if (!members.contains(required.back())) members[required.back()] = more_schema;
    }
  }
  // Without a word about others: only where the schema names none at all may there be any.
  const bool others = more == schema.end() ? given == schema.end() && members.empty()
                                           : more_schema != OrderedJson(false);
  if (others && members.empty() && more_schema == OrderedJson(true)) return AnyObject(from, to);

  // first: nothing has been said yet; later: a comma is due.
  int32_t first = out_.Text(from, "{"), later = -1;
  std::vector<std::string> names;
  for (const auto& [name, value] : members.items()) {
    names.push_back(name);
    const int32_t key = out_.AddNode(), colon = out_.AddNode(), after = out_.AddNode();
    if (first >= 0) out_.Empty(first, key);
    if (later >= 0) Separator(later, ',', key);
    Separator(out_.Text(key, KeyText(name)), ':', colon);
    RETURN_IF_ERROR(Value(value, StrCat(path, ".", name), colon, after));
    const bool must = std::find(required.begin(), required.end(), name) != required.end();
    if (must) {
      first = -1;
    } else if (later >= 0) {
      out_.Empty(later, after);
    }
    later = after;
  }
  if (others) {
    const int32_t key = out_.AddNode(), colon = out_.AddNode(), after = out_.AddNode();
    if (first >= 0) out_.Empty(first, key);
    if (later >= 0) Separator(later, ',', key);
    RETURN_IF_ERROR(More(names, key, colon));
    RETURN_IF_ERROR(Value(more_schema, path + ".additionalProperties", colon, after));
    Separator(after, ',', key);
    out_.TextTo(after, "}", to);
  }
  for (const int32_t at : {first, later}) {
    if (at >= 0) out_.TextTo(at, "}", to);
  }
  return absl::OkStatus();
}

/// The key of an additional member, up to its colon: any string but the names of the others. Where
/// it still could become one of these it has no escapes.
absl::Status SchemaCompiler::More(const std::vector<std::string>& names, int32_t from, int32_t to) {
  const int32_t named = out_.AddNode();
  Separator(named, ':', to);
  const int32_t free = out_.AddNode();
  out_.String(free, 0, kUnbounded, named);
  struct Prefix {
    int32_t node;
    std::vector<std::string_view> rests;
  };
  std::vector<Prefix> todo = {{out_.Text(from, "\""), {names.begin(), names.end()}}};
  const CodePoints plain = {{0x20, 0x21}, {0x23, 0x5B}, {0x5D, 0x10FFFF}};
  for (bool root = true; !todo.empty(); root = false) {
    const Prefix prefix = std::move(todo.back());
    todo.pop_back();
    std::map<std::string_view, std::vector<std::string_view>> next;  // by the first character
    bool is_name = false;
    for (const std::string_view rest : prefix.rests) {
      if (rest.empty()) {
        is_name = true;
        continue;
      }
      const auto lead = static_cast<unsigned char>(rest[0]);
      const size_t bytes = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
      next[rest.substr(0, bytes)].push_back(rest.substr(std::min(bytes, rest.size())));
    }
    CodePoints taken;
    for (auto& [character, rests] : next) {
      uint32_t point = static_cast<unsigned char>(character[0]);
      if (character.size() > 1) point &= 0x7FU >> character.size();
      for (size_t i = 1; i < character.size(); ++i)
        point = (point << 6) | (static_cast<unsigned char>(character[i]) & 0x3FU);
      taken.push_back({point, point});
      if (character == "\"" || character == "\\" || point < 0x20) continue;  // needs an escape
      todo.push_back({out_.Text(prefix.node, character), std::move(rests)});
    }
    CodePoints others;
    for (const auto& [low, high] : Complement(Normalize(taken))) {
      for (const auto& [a, b] : plain) {
        if (std::max(low, a) <= std::min(high, b))
          others.push_back({std::max(low, a), std::min(high, b)});
      }
    }
    out_.Utf8(prefix.node, others, free);
    if (!is_name && !root) out_.Byte(prefix.node, '"', '"', named);
  }
  return absl::OkStatus();
}

absl::Status SchemaCompiler::Array(const OrderedJson& schema, const std::string& path, int32_t from,
                                   int32_t to) {
  ASSIGN_OR_RETURN(const int64_t least, Count(schema, "minItems", 0, path));
  ASSIGN_OR_RETURN(int64_t most, Count(schema, "maxItems", INT64_MAX, path));
  if (least > kMostLeast) return Bad(path, StrCat("'minItems' above ", kMostLeast));
  const bool unbounded = most == INT64_MAX;
  most = std::min(most, std::max(least, kMostItems));
  if (const auto unique = schema.find("uniqueItems");
      unique != schema.end() && *unique != OrderedJson(false) && most > 1)
    return Bad(path, "'uniqueItems' is not supported");
  // Draft 7 has an array in `items` and the rest in `additionalItems`.
  const bool draft7 = schema.contains("items") && schema["items"].is_array();
  const OrderedJson first =
      draft7 ? schema["items"] : schema.value("prefixItems", OrderedJson::array());
  const OrderedJson rest = draft7 ? schema.value("additionalItems", OrderedJson(true))
                                  : schema.value("items", OrderedJson(true));
  if (!first.is_array()) return Bad(path, "'prefixItems' must be an array");
  const auto fixed = static_cast<int64_t>(first.size());
  // Without a word about further ones a tuple has none.
  const bool open = rest != OrderedJson(false) &&
                    (fixed == 0 || schema.contains(draft7 ? "additionalItems" : "items"));
  if (!open) most = std::min(most, fixed);
  if (least > most) return Bad(path, "'minItems' is more than the array can have");

  const int32_t begin = out_.Text(from, "[");
  if (least == 0) out_.TextTo(begin, "]", to);
  int32_t rule = -1;
  Builder::Rule body;
  if (open && most > fixed) {
    body = out_.AddRule();
    rule = body.id;
    RETURN_IF_ERROR(Value(rest, path + ".items", body.entry, body.exit));
  }
  // Not `begin` itself: behind a comma there is no closing bracket.
  int32_t at = out_.AddNode();
  out_.Empty(begin, at);
  const bool loops = unbounded && open;
  const int64_t unrolled = loops ? std::max(least, fixed + 1) : most;
  for (int64_t i = 0; i < unrolled; ++i) {
    if (out_.full()) return Bad(path, "the schema is too large");
    const int32_t done = out_.AddNode();
    if (i < fixed) {
      RETURN_IF_ERROR(
          Value(first[static_cast<size_t>(i)], StrCat(path, ".prefixItems[", i, "]"), at, done));
    } else {
      out_.Call(at, rule, done);
    }
    if (i + 1 >= least) out_.TextTo(done, "]", to);
    if (i + 1 < unrolled) {
      at = out_.AddNode();
      Separator(done, ',', at);
    } else if (loops) {
      Separator(done, ',', at);
    }
  }
  return absl::OkStatus();
}

absl::Status SchemaCompiler::Text(const OrderedJson& schema, const std::string& path, int32_t from,
                                  int32_t to) {
  ASSIGN_OR_RETURN(const int64_t least, Count(schema, "minLength", 0, path));
  ASSIGN_OR_RETURN(const int64_t most, Count(schema, "maxLength", INT64_MAX, path));
  if (least > kMostLength) return Bad(path, StrCat("'minLength' above ", kMostLength));
  if (least > most) return Bad(path, "'minLength' is above 'maxLength'");
  const auto pattern = schema.find("pattern");
  const auto format = schema.find("format");
  const int32_t open = out_.Text(from, "\"");
  if (pattern == schema.end() && format == schema.end()) {
    out_.String(open, static_cast<int32_t>(least),
                most > kMostLength ? kUnbounded : static_cast<int32_t>(most), to);
    return absl::OkStatus();
  }
  if (pattern != schema.end() && format != schema.end())
    return Bad(path, "'pattern' together with 'format' is not supported");
  const char* word = pattern != schema.end() ? "pattern" : "format";
  const OrderedJson& text = schema[word];
  if (!text.is_string()) return Bad(path, StrCat("'", word, "' must be a string"));
  std::string expression = text.get<std::string>();
  if (format != schema.end()) {
    const char* known = PatternOfFormat(expression);
    if (known == nullptr) return Bad(path, StrCat("'format' '", expression, "' is not supported"));
    expression = known;
  }
  const auto branches = ParsePattern(expression);
  if (!branches.ok()) return Bad(path, StrCat("'pattern' ", branches.status().message()));
  for (const Branch& branch : *branches) {
    const bool longer = !branch.at_start || !branch.at_end;
    if (branch.body.min_chars() < least ||
        (most != INT64_MAX && (longer || branch.body.max_chars() > most)))
      return Bad(path, StrCat("'minLength' and 'maxLength' are not supported beside '", word,
                              "' unless it implies them (put the bounds into the pattern)"));
  }
  const absl::Status added = AddPattern(&out_, open, *branches, to);
  return added.ok() ? added : Bad(path, StrCat("'pattern' ", ToStd(added.message())));
}

absl::Status SchemaCompiler::Number(const OrderedJson& schema, bool integer,
                                    const std::string& path, int32_t from, int32_t to) {
  std::optional<Scaled> low, high;
  bool low_open = false, high_open = false;
  for (const char* word : {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}) {
    const auto it = schema.find(word);
    if (it == schema.end()) continue;
    if (!it->is_number()) return Bad(path, StrCat("'", word, "' must be a number"));
    const auto bound = ParseScaled(it->dump());
    if (!bound.ok()) return Bad(path, StrCat("'", word, "': ", bound.status().message()));
    const bool open = std::string_view(word).starts_with("exclusive");
    const bool upper = std::string_view(word).ends_with("aximum");
    std::optional<Scaled>& side = upper ? high : low;
    bool& side_open = upper ? high_open : low_open;
    const double value = it->get<double>();
    const auto number = [](const Scaled& s) {
      return static_cast<double>(s.value) / std::pow(10.0, s.digits);
    };
    // The tighter one counts; of two that are the same, the one that leaves the bound itself out.
    if (side && (upper ? value > number(*side) : value < number(*side))) continue;
    side_open = side && value == number(*side) ? side_open || open : open;
    side = *bound;
  }
  if (!low && !high) {
    (integer ? AnyInteger : AnyNumber)(&out_, from, to);
    return absl::OkStatus();
  }
  constexpr int64_t kWhole = 999'999'999'999;
  int digits = std::max(low ? low->digits : 0, high ? high->digits : 0);
  if (!integer) digits = std::max(digits, 2);
  int64_t first = low ? Rescale(*low, digits) : -Rescale({kWhole, 0}, digits);
  int64_t last = high ? Rescale(*high, digits) : Rescale({kWhole, 0}, digits);
  first += low_open ? 1 : 0;
  last -= high_open ? 1 : 0;
  if (integer) {
    // The next integer inwards.
    const int64_t scale = Rescale({1, 0}, digits);
    first = first >= 0 ? (first + scale - 1) / scale : -(-first / scale);
    last = last >= 0 ? last / scale : -((-last + scale - 1) / scale);
  }
  if (first > last) return Bad(path, "no number lies between its bounds");
  if (integer) {
    IntegerRange(&out_, from, first, last, to);
  } else {
    NumberRange(&out_, from, first, last, digits, to);
  }
  return absl::OkStatus();
}

const char* PatternOfFormat(const std::string& format) {
  // Days that every year has, so that the values are real dates.
#define DATE                                                                                    \
  "[1-9][0-9]{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]" \
  "[0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
#define CLOCK "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,6})?"
#define ZONE "(?:Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9])"
#define LABEL "[A-Za-z0-9](?:[A-Za-z0-9-]{0,30}[A-Za-z0-9])?"
#define BYTE "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
  static const auto* patterns = new std::map<std::string, const char*>{
      {"date", "^" DATE "$"},
      {"time", "^" CLOCK ZONE "$"},
      {"date-time", "^" DATE "T" CLOCK ZONE "$"},
      {"uuid", "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"},
      {"ipv4", "^" BYTE "\\." BYTE "\\." BYTE "\\." BYTE "$"},
      {"hostname", "^" LABEL "(?:\\." LABEL "){0,4}$"},
      {"email",
       "^[A-Za-z0-9_+-]{1,40}(?:\\.[A-Za-z0-9_+-]{1,20}){0,2}@" LABEL "(?:\\." LABEL "){1,3}$"},
      {"uri", "^https?://" LABEL "(?:\\." LABEL "){0,4}(?:/[A-Za-z0-9._~-]{0,40}){0,6}$"}};
#undef DATE
#undef CLOCK
#undef ZONE
#undef LABEL
#undef BYTE
  const auto it = patterns->find(format);
  return it == patterns->end() ? nullptr : it->second;
}

}  // namespace deepseek::agent::grammar
