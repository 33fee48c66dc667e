#include "operator/cli/manifest.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::cli {
namespace {

constexpr int kMaxDepth = 64;
constexpr size_t kMaxNodes = 100'000;  // aliases multiply: a small file can mean a large tree

// Scalars as kubectl reads them: YAML 1.1 as go-yaml v2 has it (its resolve.go).
std::optional<Json> Word(std::string_view text) {
  static const auto* const words = new std::map<std::string_view, Json>([] {
    std::map<std::string_view, Json> out;
    for (const char* word : {"", "~", "null", "Null", "NULL"}) out[word] = Json();
    for (const char* word :
         {"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"}) {
      out[word] = true;
    }
    for (const char* word :
         {"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"}) {
      out[word] = false;
    }
    return out;
  }());
  const auto at = words->find(text);
  return at == words->end() ? std::nullopt : std::optional(at->second);
}

// 0x, 0b, 0o and a mere 0 name the base.
std::optional<Json> Integer(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  int base = 10;
  if (text.size() > 1 && text[0] == '0') {
    const char letter = absl::ascii_tolower(static_cast<unsigned char>(text[1]));
    base = letter == 'x' ? 16 : letter == 'b' ? 2 : 8;
    text.remove_prefix(letter == 'x' || letter == 'b' || letter == 'o' ? 2 : 1);
  }
  uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number, base);
  if (error != std::errc() || rest != end) return std::nullopt;
  if (!negative) return Json(number);
  if (number > uint64_t{1} << 63) return std::nullopt;
  return Json(static_cast<int64_t>(0 - number));
}

// Decimal only; a whole number is an integer in JSON.
std::optional<Json> Float(const std::string& text) {
  constexpr double kWhole = 1e15;
  const bool decimal = text.find_first_not_of("0123456789+-.eE") == std::string::npos;
  double number = 0;
  if (!decimal || !absl::SimpleAtod(text, &number) || !std::isfinite(number)) return std::nullopt;
  if (std::abs(number) < kWhole && number == std::trunc(number)) return Json(std::llround(number));
  return Json(number);
}

bool IsNoJsonNumber(std::string_view text) {
  static const std::set<std::string_view> words = {".inf",  ".Inf",  ".INF",  "+.inf",
                                                   "+.Inf", "+.INF", "-.inf", "-.Inf",
                                                   "-.INF", ".nan",  ".NaN",  ".NAN"};
  return words.contains(text);
}

bool IsQuoted(const YAML::Node& node) {
  return node.Tag() == "!";
}

absl::StatusOr<Json> Scalar(const YAML::Node& node) {
  const std::string& text = node.Scalar();
  const std::string& tag = node.Tag();
  if (tag == "tag:yaml.org,2002:binary") return absl::InvalidArgumentError("!!binary is not read");
  const bool has_type = !tag.empty() && tag != "?" && tag != "tag:yaml.org,2002:int" &&
                        tag != "tag:yaml.org,2002:float" && tag != "tag:yaml.org,2002:bool" &&
                        tag != "tag:yaml.org,2002:null";
  if (has_type) return text;  // it was quoted, or is of a type that is no other in JSON
  if (auto word = Word(text)) return *std::move(word);
  if (IsNoJsonNumber(text))
    return absl::InvalidArgumentError(StrCat(text, " is no number in JSON"));
  std::string plain = text;
  if (std::isdigit(static_cast<unsigned char>(text[0])) != 0 || text[0] == '-' || text[0] == '+') {
    std::erase(plain, '_');
    if (auto integer = Integer(plain)) return *std::move(integer);
  }
  if (auto number = Float(plain)) return *std::move(number);
  return text;
}

absl::StatusOr<std::string> Key(const YAML::Node& node) {
  if (!node.IsScalar()) return absl::InvalidArgumentError("a key must be a single value");
  ASSIGN_OR_RETURN(const Json key, Scalar(node));
  if (key.is_null()) return absl::InvalidArgumentError("a key must not be null");
  return key.is_string() ? key.get<std::string>() : DumpJson(key);
}

// What "<<" brings: a map, or several of which the first has the last word. As with kubectl, keys
// of the map that stand after the "<<" outrank it, those before do not.
absl::Status Merge(const Json& value, Json* map) {
  const Json maps = value.is_array() ? value : Json::array({value});
  for (auto it = maps.rbegin(); it != maps.rend(); ++it) {
    if (!it->is_object()) return absl::InvalidArgumentError("<< needs a map or a list of maps");
    map->update(*it);
  }
  return absl::OkStatus();
}

absl::StatusOr<Json> Convert(const YAML::Node& node, std::string_view what, int depth,
                             size_t* nodes) {
  const auto bad = [&](std::string_view why) {
    return absl::InvalidArgumentError(StrCat(what, ": line ", node.Mark().line + 1, ": ", why));
  };
  if (depth > kMaxDepth) return bad("nested too deeply");
  if (++*nodes > kMaxNodes) return bad("too large");
  switch (node.Type()) {
    case YAML::NodeType::Scalar: {
      absl::StatusOr<Json> value = Scalar(node);
      if (!value.ok()) return bad(ToStd(value.status().message()));
      return value;
    }
    case YAML::NodeType::Sequence: {
      Json list = Json::array();
      for (const YAML::Node& item : node) {
        ASSIGN_OR_RETURN(Json value, Convert(item, what, depth + 1, nodes));
        list.push_back(std::move(value));
      }
      return list;
    }
    case YAML::NodeType::Map: {
      Json map = Json::object();
      std::set<std::string> keys;
      for (const auto& entry : node) {
        const bool merges =
            entry.first.IsScalar() && entry.first.Scalar() == "<<" && !IsQuoted(entry.first);
        const absl::StatusOr<std::string> key = Key(entry.first);
        if (!key.ok()) return bad(ToStd(key.status().message()));
        if (!merges && !keys.insert(*key).second)
          return bad(StrCat("key ", *key, " is there twice"));
        ASSIGN_OR_RETURN(Json value, Convert(entry.second, what, depth + 1, nodes));
        if (!merges) {
          map[*key] = std::move(value);
        } else if (const absl::Status merged = Merge(value, &map); !merged.ok()) {
          return bad(ToStd(merged.message()));
        }
      }
      return map;
    }
    default:
      return Json();
  }
}

// kubectl cuts the text at "---" before it reads YAML, and takes nothing else on that line.
absl::Status CheckSeparators(std::string_view text, std::string_view what) {
  int number = 0;
  for (const absl::string_view line : absl::StrSplit(ToAbsl(text), '\n')) {
    ++number;
    const absl::string_view rest =
        absl::StripAsciiWhitespace(line.substr(std::min<size_t>(3, line.size())));
    if (absl::StartsWith(line, "---") && !rest.empty() && rest[0] != '#') {
      return absl::InvalidArgumentError(
          StrCat(what, ": line ", number, ": only a comment may follow --- on its line"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<Json>> ReadManifest(std::string_view text, std::string_view what) {
  std::vector<Json> out;
  if (absl::StartsWith(absl::StripLeadingAsciiWhitespace(ToAbsl(text)), "{")) {
    // JSON with tabs, or with characters in two halves, is no YAML to every reader.
    absl::StatusOr<Json> json = ParseJson(text, what);
    if (json.ok()) return std::vector<Json>{*std::move(json)};
  }
  RETURN_IF_ERROR(CheckSeparators(text, what));
  try {
    size_t nodes = 0;
    for (const YAML::Node& document : YAML::LoadAll(std::string(text))) {
      ASSIGN_OR_RETURN(Json json, Convert(document, what, 0, &nodes));
      if (!json.is_null()) out.push_back(std::move(json));
    }
  } catch (const YAML::Exception& e) {
    return absl::InvalidArgumentError(StrCat(what, ": ", e.what()));
  }
  return out;
}

}  // namespace deepseek::cli
