#include "agent/grammar/dsml_grammar.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "agent/grammar/json_schema.h"
#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::agent::grammar {
namespace {

constexpr int kMostReferences = 8;

const OrderedJson& Anything() {
  static const auto* anything = new OrderedJson(true);
  return *anything;
}

/// What a schema says of a parameter's two forms: a text as it is, anything else as JSON.
struct Forms {
  bool other = false;               ///< it may be something else than a text
  bool free_text = false;           ///< it may be a text, and which is not said
  std::vector<std::string> listed;  ///< it may be one of these texts
  std::string unkept;               ///< a word about texts that the grammar does not keep to
};

void AddForms(const OrderedJson& document, const OrderedJson& schema, int references, Forms* out) {
  if (!schema.is_object() || schema.empty()) {
    out->other = out->free_text = true;
    return;
  }
  const auto has = [&](const char* word) { return schema.contains(word); };
  const bool bare = !has("type") && !has("enum") && !has("const");
  if (has("$ref") && bare && references < kMostReferences) {
    const auto target = Resolve(
        document, schema["$ref"].is_string() ? schema["$ref"].get<std::string>() : std::string());
    if (target.ok()) return AddForms(document, **target, references + 1, out);
  }
  for (const char* word : {"anyOf", "oneOf"}) {
    if (!has(word) || !bare || !schema[word].is_array() || references >= kMostReferences) continue;
    for (const OrderedJson& choice : schema[word]) AddForms(document, choice, references + 1, out);
    return;
  }
  if (has("const") || has("enum")) {
    const OrderedJson values =
        has("const") ? OrderedJson::array({schema["const"]}) : schema["enum"];
    for (const OrderedJson& value : values) {
      if (value.is_string()) {
        out->listed.push_back(value.get<std::string>());
      } else {
        out->other = true;
      }
    }
    return;
  }
  for (const std::string& type : TypesOf(schema))
    (type == "string" ? out->free_text : out->other) = true;
  if (!out->free_text) return;
  for (const char* word :
       {"pattern", "format", "minLength", "maxLength", "$ref", "allOf", "anyOf", "oneOf"}) {
    if (has(word)) out->unkept = word;
  }
}

/// A name can stand between quotes as it is.
bool IsPlainName(std::string_view name) {
  return !name.empty() && std::none_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '<' || c == '>';
  });
}

class Calls {
 public:
  Calls(Builder* out, const AnswerShape& shape) : out_(*out), shape_(shape) {}

  absl::Status Compile(int32_t from, int32_t to) {
    const int32_t opened = out_.Text(from, StrCat(shape_.block, ">\n")), done = out_.AddNode();
    const int32_t named = Tag(opened, "<", "invoke name=\"");
    for (size_t i = 0; i < shape_.tools.size(); ++i) {
      const CallableTool& tool = shape_.tools[i];
      const int32_t end = out_.AddNode();
      RETURN_IF_ERROR(Arguments(tool, i, out_.Text(named, StrCat(tool.name, "\">\n")), end));
      out_.Empty(Tag(end, "</", "invoke>\n"), done);
    }
    if (shape_.parallel_calls) out_.Empty(done, opened);
    out_.Empty(Tag(done, "</", StrCat(shape_.block, ">")), to);
    return absl::OkStatus();
  }

 private:
  /// Behind `before`, the token and `after`.
  int32_t Tag(int32_t from, std::string_view before, std::string_view after) {
    const int32_t behind = out_.AddNode();
    out_.Token(out_.Text(from, before), shape_.tokens.dsml, behind);
    return out_.Text(behind, after);
  }

  absl::Status Arguments(const CallableTool& tool, size_t index, int32_t from, int32_t to) {
    std::string why;
    if (tool.parameters != nullptr) {
      absl::Status fits = TryParameters(*tool.parameters);
      if (fits.ok()) fits = Described(tool, from, to);
      if (fits.ok()) return fits;
      why = ToStd(fits.message());
    }
    if (tool.strict && tool.parameters != nullptr) {
      return absl::InvalidArgumentError(StrCat("tools[", index, "].function.parameters: ", why));
    }
    SchemaCompiler any(&out_, Anything());
    return AnyNames(&any, Anything(), Forms{true, true, {}, ""}, from, to);
  }

  /// Fails before it adds an edge at `from`.
  absl::Status Described(const CallableTool& tool, int32_t from, int32_t to) {
    const OrderedJson& schema = *tool.parameters;
    const auto bad = [](std::string_view why) { return absl::InvalidArgumentError(ToAbsl(why)); };
    if (!schema.is_object()) return bad("$: not an object");
    for (const char* word : {"$ref", "anyOf", "oneOf", "allOf", "enum", "const"}) {
      if (schema.contains(word))
        return bad(StrCat("$: '", word, "' is not supported in this model's call format"));
    }
    const bool named = schema.contains("properties");
    const OrderedJson none = OrderedJson::object();
    const OrderedJson& members = named ? schema["properties"] : none;
    const OrderedJson required =
        schema.contains("required") ? schema["required"] : OrderedJson::array();
    for (const OrderedJson& name : required) {
      if (!members.contains(name.get<std::string>()))
        return bad(StrCat("$: ", name.dump(), " is required, but not among the properties"));
    }
    std::vector<Forms> forms;
    for (const auto& [name, member] : members.items()) {
      AddForms(schema, member, 0, &forms.emplace_back());
      if (!IsPlainName(name))
        return bad(StrCat("$.properties: the name ", OrderedJson(name).dump(),
                          " cannot stand in this model's call format"));
      if (tool.strict && !forms.back().unkept.empty())
        return bad(StrCat("$.properties.", name, ": '", forms.back().unkept,
                          "' of a text is not supported in this model's call format"));
    }
    SchemaCompiler compiler(&out_, schema);
    if (members.empty()) {
      const auto more = schema.find("additionalProperties");
      if (more == schema.end() ? named : *more == OrderedJson(false)) {
        out_.Empty(from, to);
        return absl::OkStatus();
      }
      const OrderedJson& value = more == schema.end() ? Anything() : *more;
      Forms form;
      AddForms(schema, value, 0, &form);
      return AnyNames(&compiler, value, form, from, to);
    }
    size_t i = 0;
    for (const auto& [name, member] : members.items()) {
      const int32_t next = out_.AddNode();
      const int32_t value = Tag(from, "<", StrCat("parameter name=\"", name, "\" string=\""));
      RETURN_IF_ERROR(Value(&compiler, member, forms[i++], value, next));
      if (std::find(required.begin(), required.end(), OrderedJson(name)) == required.end())
        out_.Empty(from, next);
      from = next;
    }
    out_.Empty(from, to);
    return absl::OkStatus();
  }

  /// Any number of parameters of any name.
  absl::Status AnyNames(SchemaCompiler* compiler, const OrderedJson& schema, const Forms& forms,
                        int32_t from, int32_t to) {
    static const CodePoints name = {{0x20, 0x21}, {0x23, 0x3B}, {0x3D, 0x3D}, {0x3F, 0x10FFFF}};
    const int32_t begin = out_.AddNode(), letters = out_.AddNode();
    out_.Empty(from, begin);
    out_.Utf8(Tag(begin, "<", "parameter name=\""), name, letters);
    out_.Utf8(letters, name, letters);
    RETURN_IF_ERROR(Value(compiler, schema, forms, out_.Text(letters, "\" string=\""), begin));
    out_.Empty(begin, to);
    return absl::OkStatus();
  }

  /// From behind `string="` to behind the parameter's line.
  absl::Status Value(SchemaCompiler* compiler, const OrderedJson& schema, const Forms& forms,
                     int32_t from, int32_t to) {
    const int32_t said = out_.AddNode();
    if (forms.free_text || !forms.listed.empty()) {
      const int32_t text = out_.Text(from, "true\">");
      for (const std::string& one : forms.listed) out_.TextTo(text, one, said);
      if (forms.free_text) {
        const int32_t letters = out_.AddNode();
        out_.Empty(text, letters);
        out_.Utf8(letters, {{0, 0x10FFFF}}, letters);
        out_.Empty(letters, said);
      }
    }
    if (forms.other) RETURN_IF_ERROR(compiler->Member(schema, out_.Text(from, "false\">"), said));
    out_.Empty(Tag(said, "</", "parameter>\n"), to);
    return absl::OkStatus();
  }

  Builder& out_;
  const AnswerShape& shape_;
};

}  // namespace

absl::Status DsmlCalls(Builder* out, const AnswerShape& shape, int32_t from, int32_t to) {
  return Calls(out, shape).Compile(from, to);
}

}  // namespace deepseek::agent::grammar
