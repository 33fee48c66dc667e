#include "tests/support/fake_request.h"

#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/json_full.h"
#include "base/strings.h"

namespace deepseek::kube {
namespace {

std::string Decode(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      const std::string hex(text.substr(i + 1, 2));
      out += static_cast<char>(std::stoi(hex, nullptr, 16));
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

std::string Trim(std::string_view text) {
  return std::string(absl::StripAsciiWhitespace(ToAbsl(text)));
}

// Commas inside parentheses do not separate.
std::vector<std::string> Terms(std::string_view selector) {
  std::vector<std::string> out(1);
  int depth = 0;
  for (const char c : selector) {
    depth += c == '(' ? 1 : c == ')' ? -1 : 0;
    if (c == ',' && depth == 0) {
      out.emplace_back();
    } else {
      out.back() += c;
    }
  }
  return out;
}

bool InSet(std::string_view value, std::string_view term) {
  const size_t open = term.find('('), close = term.rfind(')');
  for (absl::string_view item :
       absl::StrSplit(ToAbsl(term.substr(open + 1, close - open - 1)), ',')) {
    if (Trim(ToStd(item)) == value) return true;
  }
  return false;
}

bool MatchesLabel(const Json& labels, const std::string& term) {
  const auto value = [&labels](const std::string& key) { return labels.value(key, ""); };
  if (const size_t at = term.find(" notin "); at != std::string::npos) {
    return !InSet(value(Trim(term.substr(0, at))), term);
  }
  if (const size_t at = term.find(" in "); at != std::string::npos) {
    const std::string key = Trim(term.substr(0, at));
    return labels.contains(key) && InSet(value(key), term);
  }
  if (const size_t at = term.find("!="); at != std::string::npos) {
    const std::string key = Trim(term.substr(0, at));
    return !labels.contains(key) || value(key) != Trim(term.substr(at + 2));
  }
  if (const size_t at = term.find('='); at != std::string::npos) {
    const std::string key = Trim(term.substr(0, at));
    const size_t from = term.find_first_not_of('=', at);
    return labels.contains(key) &&
           value(key) == (from == std::string::npos ? "" : Trim(term.substr(from)));
  }
  if (term.starts_with("!")) return !labels.contains(Trim(term.substr(1)));
  return labels.contains(term);
}

}  // namespace

absl::StatusOr<FakeRequestPath> ParseRequestPath(std::string_view path) {
  FakeRequestPath out;
  const size_t mark = path.find('?');
  if (mark != std::string_view::npos) {
    for (absl::string_view pair : absl::StrSplit(ToAbsl(path.substr(mark + 1)), '&')) {
      const std::pair<std::string, std::string> kv = absl::StrSplit(pair, absl::MaxSplits('=', 1));
      out.query[Decode(kv.first)] = Decode(kv.second);
    }
  }
  std::vector<std::string> parts;
  for (absl::string_view part :
       absl::StrSplit(ToAbsl(path.substr(0, mark)), '/', absl::SkipEmpty())) {
    parts.push_back(Decode(ToStd(part)));
  }
  size_t i = 0;
  const auto next = [&] { return i < parts.size() ? parts[i++] : std::string(); };
  const std::string root = next();
  if (root == "apis") {
    out.group = next();
  } else if (root != "api") {
    return absl::NotFoundError(StrCat("the server could not find the requested resource: ", path));
  }
  out.version = next();
  out.plural = next();
  // /namespaces/x itself is an object; /namespaces/x/pods is a collection in it.
  if (out.plural == "namespaces" && parts.size() > i + 1) {
    out.ns = next();
    out.plural = next();
  } else {
    out.all_namespaces = true;
  }
  out.name = next();
  out.subresource = next();
  if (out.plural.empty() || i < parts.size()) {
    return absl::NotFoundError(StrCat("the server could not find the requested resource: ", path));
  }
  return out;
}

bool MatchesLabels(const Json& object, std::string_view selector) {
  if (selector.empty()) return true;
  const Json none = Json::object();
  const Json& meta = object["metadata"];
  const Json& labels = meta.contains("labels") ? meta["labels"] : none;
  for (const std::string& term : Terms(selector)) {
    if (!MatchesLabel(labels, Trim(term))) return false;
  }
  return true;
}

bool MatchesFields(const Json& object, std::string_view selector) {
  if (selector.empty()) return true;
  for (const std::string& term : Terms(selector)) {
    const size_t at = term.find('=');
    if (at == std::string::npos) return false;
    const bool negated = at > 0 && term[at - 1] == '!';
    std::string pointer = "/" + term.substr(0, negated ? at - 1 : at);
    for (char& c : pointer) c = c == '.' ? '/' : c;
    const size_t from = term.find_first_not_of('=', at);
    const std::string wanted = from == std::string::npos ? "" : term.substr(from);
    const Json::json_pointer field(pointer);
    const Json found = object.contains(field) ? object.at(field) : Json("");
    const std::string value = found.is_string() ? found.get<std::string>() : found.dump();
    if ((value == wanted) == negated) return false;
  }
  return true;
}

}  // namespace deepseek::kube
