#pragma once
// docs/reference/deepseekdeployment.md, generated from the table of fields.

#include <string>

namespace deepseek::api {

std::string ReferenceMarkdown();

}  // namespace deepseek::api
