#include "agent/grammar/tool_grammar.h"

#include <algorithm>
#include <utility>

#include "agent/grammar/dsml_grammar.h"
#include "agent/grammar/json_schema.h"
#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::agent::grammar {
namespace {

/// Nothing but an object can be a call's arguments, also where the schema does not say so.
absl::StatusOr<OrderedJson> ForObjects(const OrderedJson& parameters) {
  OrderedJson out = parameters;
  const auto type = parameters.find("type");
  const bool named = type != parameters.end();
  if (named && *type != "object" &&
      !(type->is_array() && std::find(type->begin(), type->end(), "object") != type->end())) {
    return absl::InvalidArgumentError(
        StrCat("$.type: ", type->dump(), ", but the arguments of a call are an object"));
  }
  out["type"] = "object";
  return out;
}

absl::Status Arguments(Builder* out, const CallableTool& tool, size_t index, int32_t from,
                       int32_t to) {
  static const auto* anything = new OrderedJson(OrderedJson::object());
  if (tool.parameters != nullptr) {
    const absl::StatusOr<OrderedJson> schema = ForObjects(*tool.parameters);
    const absl::Status fits = schema.ok() ? TryParameters(*schema) : schema.status();
    if (fits.ok()) return SchemaCompiler(out, *schema).Compile(from, to);
    if (tool.strict) {
      return absl::InvalidArgumentError(
          StrCat("tools[", index, "].function.parameters: ", ToStd(fits.message())));
    }
  }
  return SchemaCompiler(out, *anything).AnyObject(from, to);
}

/// From behind a call's first token.
absl::Status TaggedCalls(Builder* out, const AnswerShape& shape, int32_t from, int32_t to) {
  const int32_t done = out->AddNode();
  const int32_t named = out->Text(from, "\n{\"name\": \"");
  for (size_t i = 0; i < shape.tools.size(); ++i) {
    const int32_t open = out->Text(named, StrCat(shape.tools[i].name, "\", \"arguments\": "));
    const int32_t close = out->AddNode();
    RETURN_IF_ERROR(Arguments(out, shape.tools[i], i, open, close));
    out->Token(out->Text(close, "}\n"), shape.tokens.call_end, done);
  }
  out->Empty(done, to);
  if (shape.parallel_calls) out->Token(out->Text(done, "\n"), shape.tokens.call_begin, from);
  return absl::OkStatus();
}

/// The one call that is the whole answer.
absl::Status ObjectCall(Builder* out, const AnswerShape& shape, int32_t from, int32_t to) {
  const int32_t named = out->Text(from, "{\"name\": \"");
  for (size_t i = 0; i < shape.tools.size(); ++i) {
    const int32_t open = out->Text(named, StrCat(shape.tools[i].name, "\", \"parameters\": "));
    const int32_t close = out->AddNode();
    RETURN_IF_ERROR(Arguments(out, shape.tools[i], i, open, close));
    out->TextTo(close, "}", to);
  }
  return absl::OkStatus();
}

/// Behind a control token, or behind its letters where the tokenizer has none.
int32_t Joint(Builder* out, int32_t from, int32_t id, std::string_view text) {
  if (id < 0) return out->Text(from, text);
  const int32_t to = out->AddNode();
  out->Token(from, id, to);
  return to;
}

/// From behind calls_begin up to and with calls_end.
absl::Status MarkedCalls(Builder* out, const AnswerShape& shape, int32_t from, int32_t to) {
  const CallTokens& t = shape.tokens;
  const bool fenced = shape.style == CallStyle::kFenced;
  const int32_t begun = Joint(out, from, t.call_begin, kCallBeginText), done = out->AddNode();
  const int32_t named =
      fenced ? Joint(out, out->Text(begun, "function"), t.separator, kSeparatorText) : begun;
  for (size_t i = 0; i < shape.tools.size(); ++i) {
    int32_t open = out->Text(named, shape.tools[i].name), close = out->AddNode();
    open = fenced ? out->Text(open, "\n```json\n") : Joint(out, open, t.separator, kSeparatorText);
    RETURN_IF_ERROR(Arguments(out, shape.tools[i], i, open, close));
    if (fenced) close = out->Text(close, "\n```");
    out->Empty(Joint(out, close, t.call_end, kCallEndText), done);
  }
  out->Empty(Joint(out, done, t.calls_end, kCallsEndText), to);
  if (shape.parallel_calls) {
    if (fenced) {
      out->TextTo(done, "\n", from);
    } else {
      out->Empty(done, from);
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status TryParameters(const OrderedJson& parameters) {
  Builder scratch;
  SchemaCompiler compiler(&scratch, parameters);
  RETURN_IF_ERROR(compiler.Compile(scratch.root().entry, scratch.root().exit));
  return std::move(scratch).Finish().status();
}

bool FindCallTokens(const engine::Tokenizer& tokenizer, CallStyle style, CallTokens* tokens) {
  *tokens = {};
  const auto find = [&](std::string_view name, int32_t* id) {
    *id = tokenizer.TokenId(name);
    return *id >= 0 && tokenizer.IsAdded(*id);
  };
  if (style == CallStyle::kDsml) return find("｜DSML｜", &tokens->dsml);
  if (style == CallStyle::kTagged) {
    return find("<tool_call>", &tokens->call_begin) && find("</tool_call>", &tokens->call_end);
  }
  if (style == CallStyle::kObject) {
    if (!find("<|python_tag|>", &tokens->python_tag)) tokens->python_tag = -1;
    return true;
  }
  int found = 0;
  for (const auto& [text, id] : {std::pair{kCallsBeginText, &tokens->calls_begin},
                                 {kCallsEndText, &tokens->calls_end},
                                 {kCallBeginText, &tokens->call_begin},
                                 {kCallEndText, &tokens->call_end},
                                 {kSeparatorText, &tokens->separator}}) {
    found += find(text, id) ? 1 : 0;
  }
  if (found == 0) {
    *tokens = {};
    tokens->spelled = true;
  }
  return found == 0 || found == 5;
}

std::vector<std::string> CallOpenings(const AnswerShape& shape) {
  std::vector<std::string> openings;
  if (shape.tokens.spelled) openings.emplace_back(kCallsBeginText);
  if (shape.style == CallStyle::kObject) {
    for (const CallableTool& tool : shape.tools)
      openings.push_back(StrCat("{\"name\": \"", tool.name, "\", \"parameters\":"));
  }
  return openings;
}

absl::StatusOr<Grammar> CompileAnswer(const AnswerShape& shape) {
  Builder out;
  int32_t from = out.root().entry;
  const int32_t to = out.root().exit;
  // DSML's calls begin with line ends.
  const bool dsml = shape.style == CallStyle::kDsml && !shape.tools.empty();
  if ((shape.leading_space || dsml) && !shape.behind_begin) {
    for (int i = 0; i < 2; ++i) {
      const int32_t next = out.AddNode();
      out.Byte(from, '\n', '\n', next);
      out.Byte(from, ' ', ' ', next);
      out.Empty(from, next);
      from = next;
    }
  }
  if (!shape.tools.empty()) {
    const bool object = shape.style == CallStyle::kObject;
    const int32_t begun = out.AddNode();
    if (shape.behind_begin || object) out.Empty(from, begun);
    if (!shape.behind_begin && shape.tokens.spelled) out.TextTo(from, kCallsBeginText, begun);
    if (!shape.behind_begin && shape.tokens.first() >= 0)
      out.Token(dsml ? out.Text(from, "<") : from, shape.tokens.first(), begun);
    switch (shape.style) {
      case CallStyle::kFenced:
      case CallStyle::kPlain:
        RETURN_IF_ERROR(MarkedCalls(&out, shape, begun, to));
        break;
      case CallStyle::kTagged:
        RETURN_IF_ERROR(TaggedCalls(&out, shape, begun, to));
        break;
      case CallStyle::kDsml:
        RETURN_IF_ERROR(DsmlCalls(&out, shape, begun, to));
        break;
      case CallStyle::kObject:
        RETURN_IF_ERROR(ObjectCall(&out, shape, begun, to));
        break;
    }
  }
  if (shape.schema != nullptr) {
    RETURN_IF_ERROR(SchemaCompiler(&out, *shape.schema).Compile(from, to));
  } else if (shape.any_object) {
    static const auto* anything = new OrderedJson(OrderedJson::object());
    RETURN_IF_ERROR(SchemaCompiler(&out, *anything).AnyObject(from, to));
  }
  auto grammar = std::move(out).Finish();
  if (!grammar.ok()) return absl::InvalidArgumentError(StrCat("$: ", grammar.status().message()));
  return grammar;
}

}  // namespace deepseek::agent::grammar
