// `tools`, `tool_choice` and `response_format`.
#include <algorithm>
#include <utility>

#include "agent/openai/fields.h"
#include "base/strings.h"

namespace deepseek::agent {
namespace {

constexpr size_t kMostTools = 128;
constexpr size_t kMostNameBytes = 64;

bool IsName(const std::string& name) {
  return !name.empty() && name.size() <= kMostNameBytes &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '-' || c == '.';
         });
}

/// {"type": "function", "function": {...}} of `object`; null after a failure, which is remembered.
const OrderedJson* FunctionOf(Fields& fields, const std::string& name, const OrderedJson& object) {
  if (!object.is_object()) {
    fields.Fail(name, StrCat("expected an object, got ", Kind(object)), "invalid_type");
    return nullptr;
  }
  const auto type = object.find("type");
  if (type == object.end() || *type != "function") {
    fields.Unsupported(StrCat(name, ".type"), "other types than 'function'");
    return nullptr;
  }
  const auto function = object.find("function");
  if (function == object.end() || !function->is_object()) {
    fields.Fail(StrCat(name, ".function"), "expected an object", "invalid_type");
    return nullptr;
  }
  return &*function;
}

void ReadFunctions(Fields& fields, const OrderedJson& tools, ToolRequest* request) {
  if (!tools.is_array() || tools.size() > kMostTools) {
    return fields.Fail("tools", StrCat("expected an array of up to ", kMostTools, " tools"),
                       "invalid_type");
  }
  for (size_t i = 0; i < tools.size(); ++i) {
    const std::string name = StrCat("tools[", i, "]");
    const OrderedJson* function = FunctionOf(fields, name, tools[i]);
    if (function == nullptr) return;
    Fields inner(*function, name + ".function.");
    ToolRequest::Function& out = request->functions.emplace_back();
    out.name = inner.String("name").value_or("");
    if (!IsName(out.name)) {
      inner.Fail("name", "expected 1 to 64 letters, digits, '_', '-' or '.'", "invalid_value");
    }
    for (size_t other = 0; other < i; ++other) {
      if (request->functions[other].name == out.name)
        inner.Fail("name", StrCat("'", out.name, "' is there twice"), "invalid_value");
    }
    inner.String("description");
    out.strict = inner.Bool("strict").value_or(false);
    if (const OrderedJson* parameters = inner.Find("parameters")) {
      if (!parameters->is_object()) {
        inner.Fail("parameters", StrCat("expected a JSON schema, got ", Kind(*parameters)),
                   "invalid_type");
      }
      out.parameters = std::make_shared<const OrderedJson>(*parameters);
    } else {
      // OpenAI's meaning: a function of no parameters.
      out.parameters = std::make_shared<const OrderedJson>(
          OrderedJson{{"type", "object"}, {"properties", OrderedJson::object()}});
    }
    fields.Adopt(inner);
  }
  request->tools = std::make_shared<const OrderedJson>(tools);
}

/// Only the named functions stay.
void Narrow(Fields& fields, const std::vector<std::string>& names, ToolRequest* request) {
  for (const std::string& name : names) {
    if (std::none_of(request->functions.begin(), request->functions.end(),
                     [&](const auto& f) { return f.name == name; })) {
      return fields.Fail("tool_choice", StrCat("'", name, "' is not among the tools"),
                         "invalid_value");
    }
  }
  std::erase_if(request->functions, [&](const auto& f) {
    return std::find(names.begin(), names.end(), f.name) == names.end();
  });
}

void ReadChoice(Fields& fields, const OrderedJson& choice, ToolRequest* request) {
  if (choice == "none") {
    request->mode = ToolRequest::kNone;
  } else if (choice == "auto") {
    request->mode = ToolRequest::kAuto;
  } else if (choice == "required") {
    request->mode = ToolRequest::kRequired;
  } else if (choice.is_object() && choice.contains("type") && choice["type"] == "function") {
    const OrderedJson* function = FunctionOf(fields, "tool_choice", choice);
    if (function == nullptr) return;
    Fields inner(*function, "tool_choice.function.");
    const auto name = inner.String("name");
    if (!name) inner.Fail("name", "is missing", "missing_required_parameter");
    fields.Adopt(inner);
    request->mode = ToolRequest::kRequired;
    request->parallel = false;
    if (name) Narrow(fields, {*name}, request);
  } else if (choice.is_object() && choice.contains("type")) {
    fields.Unsupported("tool_choice.type", choice["type"].dump());
  } else {
    fields.Fail("tool_choice",
                "expected none, auto, required or {\"type\": \"function\", \"function\": "
                "{\"name\"}}",
                "invalid_value");
  }
}

}  // namespace

void ReadTools(Fields& fields, ToolRequest* request) {
  const OrderedJson* tools = fields.Find("tools");
  const bool any = tools != nullptr && !(tools->is_array() && tools->empty());
  if (any) {
    request->mode = ToolRequest::kAuto;
    ReadFunctions(fields, *tools, request);
  }
  if (const auto parallel = fields.Bool("parallel_tool_calls")) request->parallel = *parallel;
  if (const OrderedJson* choice = fields.Find("tool_choice"); choice != nullptr && fields.ok()) {
    if (any) {
      ReadChoice(fields, *choice, request);
    } else if (*choice != "none" && *choice != "auto") {
      fields.Fail("tool_choice", "only allowed when 'tools' are given", "invalid_value");
    }
  }
  if (const OrderedJson* call = fields.Find("function_call");
      call != nullptr && *call != "none" && *call != "auto") {
    fields.Unsupported("function_call", "use tool_choice");
  }
}

void ReadResponseFormat(Fields& fields, ResponseFormat* format) {
  const OrderedJson* value = fields.Find("response_format");
  if (value == nullptr) return;
  const auto type = value->is_object() ? value->find("type") : value->end();
  if (!value->is_object() || type == value->end() || !type->is_string()) {
    return fields.Fail("response_format", "expected an object with a string 'type'",
                       "invalid_type");
  }
  if (*type == "text") return;
  if (*type == "json_object") {
    format->kind = ResponseFormat::kJsonObject;
    return;
  }
  if (*type != "json_schema") {
    return fields.Unsupported("response_format",
                              StrCat("type '", type->get<std::string>(),
                                     "' (text, json_object and json_schema are served)"));
  }
  const auto outer = value->find("json_schema");
  if (outer == value->end() || !outer->is_object()) {
    return fields.Fail("response_format.json_schema", "expected an object with 'schema'",
                       "invalid_type");
  }
  Fields inner(*outer, "response_format.json_schema.");
  inner.String("name");
  inner.Bool("strict");
  const auto schema = outer->find("schema");
  if (schema == outer->end() || !(schema->is_object() || schema->is_boolean())) {
    inner.Fail("schema", "expected a JSON schema", "invalid_type");
  } else {
    format->kind = ResponseFormat::kJsonSchema;
    format->schema = std::make_shared<const OrderedJson>(*schema);
  }
  fields.Adopt(inner);
}

}  // namespace deepseek::agent
