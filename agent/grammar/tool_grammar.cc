#include "agent/grammar/tool_grammar.h"

#include <utility>

#include "agent/grammar/dsml_grammar.h"
#include "agent/grammar/json_schema.h"
#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::agent::grammar {
namespace {

absl::Status Arguments(Builder* out, const CallableTool& tool, size_t index, int32_t from,
                       int32_t to) {
  static const auto* anything = new OrderedJson(OrderedJson::object());
  if (tool.parameters != nullptr) {
    const absl::Status fits = TryParameters(*tool.parameters);
    if (fits.ok()) return SchemaCompiler(out, *tool.parameters).Compile(from, to);
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

/// From behind calls_begin up to and with calls_end.
absl::Status MarkedCalls(Builder* out, const AnswerShape& shape, int32_t from, int32_t to) {
  const CallTokens& t = shape.tokens;
  const bool fenced = shape.style == CallStyle::kFenced;
  const int32_t begun = out->AddNode(), done = out->AddNode();
  out->Token(from, t.call_begin, begun);
  int32_t named = begun;
  if (fenced) {
    named = out->AddNode();
    out->Token(out->Text(begun, "function"), t.separator, named);
  }
  for (size_t i = 0; i < shape.tools.size(); ++i) {
    int32_t open = out->Text(named, shape.tools[i].name), close = out->AddNode();
    if (fenced) {
      open = out->Text(open, "\n```json\n");
    } else {
      const int32_t behind = out->AddNode();
      out->Token(open, t.separator, behind);
      open = behind;
    }
    RETURN_IF_ERROR(Arguments(out, shape.tools[i], i, open, close));
    if (fenced) close = out->Text(close, "\n```");
    out->Token(close, t.call_end, done);
  }
  out->Token(done, t.calls_end, to);
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
  return find("<｜tool▁calls▁begin｜>", &tokens->calls_begin) &&
         find("<｜tool▁calls▁end｜>", &tokens->calls_end) &&
         find("<｜tool▁call▁begin｜>", &tokens->call_begin) &&
         find("<｜tool▁call▁end｜>", &tokens->call_end) &&
         find("<｜tool▁sep｜>", &tokens->separator);
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
    const int32_t begun = out.AddNode();
    if (shape.behind_begin) {
      out.Empty(from, begun);
    } else {
      out.Token(dsml ? out.Text(from, "<") : from, shape.tokens.first(), begun);
    }
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
