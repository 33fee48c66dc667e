#pragma once
// What a request to the API server is about: its path, query and selectors.

#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/json.h"

namespace deepseek::kube {

struct FakeRequestPath {
  std::string group, version, ns, plural, name, subresource;
  bool all_namespaces = false;
  std::map<std::string, std::string> query;

  std::string Collection() const { return group + "/" + plural; }
  std::string Query(const std::string& key) const {
    const auto it = query.find(key);
    return it == query.end() ? "" : it->second;
  }
};

absl::StatusOr<FakeRequestPath> ParseRequestPath(std::string_view path);

/// `a=b,c!=d,e,!f,g in (h,i),j notin (k)`; empty matches all.
bool MatchesLabels(const Json& object, std::string_view selector);
/// `metadata.name=x,spec.nodeName!=y`.
bool MatchesFields(const Json& object, std::string_view selector);

}  // namespace deepseek::kube
