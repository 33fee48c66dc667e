#include "operator/cli/manifest.h"

#include <yaml-cpp/yaml.h>

#include <cmath>
#include <cstdlib>

#include "absl/strings/numbers.h"
#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::cli {
namespace {

constexpr int kMaxDepth = 64;
constexpr size_t kMaxNodes = 100'000;  // aliases multiply: a small file can mean a large tree

bool IsDecimal(const std::string& text) {
  const size_t start = text[0] == '-' || text[0] == '+' ? 1 : 0;
  return text.size() > start && text.find_first_not_of("0123456789", start) == std::string::npos;
}

Json Scalar(const YAML::Node& node) {
  const std::string& text = node.Scalar();
  if (node.Tag() == "!") return text;  // it was quoted
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL")
    return Json();
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  int64_t integer = 0;
  if (IsDecimal(text) && absl::SimpleAtoi(text, &integer)) return integer;
  double number = 0;
  const bool numeric = text.find_first_not_of("0123456789+-.eE") == std::string::npos &&
                       text.find_first_of("0123456789") != std::string::npos;
  if (numeric && absl::SimpleAtod(text, &number) && std::isfinite(number)) return number;
  return text;
}

absl::StatusOr<Json> Convert(const YAML::Node& node, std::string_view what, int depth,
                             size_t* nodes) {
  const auto bad = [&](std::string_view why) {
    return absl::InvalidArgumentError(StrCat(what, ": line ", node.Mark().line + 1, ": ", why));
  };
  if (depth > kMaxDepth) return bad("nested too deeply");
  if (++*nodes > kMaxNodes) return bad("too large");
  switch (node.Type()) {
    case YAML::NodeType::Scalar:
      return Scalar(node);
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
      for (const auto& entry : node) {
        if (!entry.first.IsScalar()) return bad("a key must be a single value");
        const std::string& key = entry.first.Scalar();
        if (map.contains(key)) return bad(StrCat("key ", key, " is there twice"));
        ASSIGN_OR_RETURN(map[key], Convert(entry.second, what, depth + 1, nodes));
      }
      return map;
    }
    default:
      return Json();
  }
}

}  // namespace

absl::StatusOr<std::vector<Json>> ReadManifest(std::string_view text, std::string_view what) {
  std::vector<Json> out;
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
