#include "agent/cli/json_lines.h"

#include <cstdio>
#include <fstream>
#include <iostream>

#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::agent {

absl::Status ForEachJsonLine(const std::string& flag, const std::string& path,
                             const std::function<absl::Status(const OrderedJson&)>& each) {
  std::ifstream file;
  if (path != "-") file.open(path);
  std::istream& in = path == "-" ? std::cin : file;
  const auto unread = [&](std::string_view hint) {
    return absl::InvalidArgumentError(StrCat(flag, ": ", path, ": cannot be read (", hint, ")"));
  };
  if (!in) return unread("does the file exist?");
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const std::string where = StrCat(flag, ": ", path, ": line ", number);
    ASSIGN_OR_RETURN(const OrderedJson json, ParseOrderedJson(line, where));
    if (!json.is_object()) return absl::InvalidArgumentError(where + ": must be a JSON object");
    const absl::Status status = each(json);
    if (!status.ok())
      return absl::Status(status.code(), ToAbsl(StrCat(where, ": ", status.message())));
  }
  // A folder opens well and fails in the first read.
  if (in.bad()) return unread("is it a file?");
  return absl::OkStatus();
}

void PrintJsonLine(const OrderedJson& json) {
  std::puts(json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace).c_str());
}

}  // namespace deepseek::agent
