#include "agent/openai/tool_parser.h"

#include "agent/openai/call_reader.h"

namespace deepseek::agent {
namespace {

std::unique_ptr<CallReader> ReaderOf(const ToolSyntax& syntax) {
  switch (syntax.style) {
    case grammar::CallStyle::kTagged:
      return TaggedCalls(syntax);
    case grammar::CallStyle::kDsml:
      return DsmlCalls(syntax);
    case grammar::CallStyle::kObject:
      return ObjectCalls(syntax);
    case grammar::CallStyle::kFenced:
    case grammar::CallStyle::kPlain:
      break;
  }
  return MarkedCalls(syntax);
}

}  // namespace

std::string MarkOf(const grammar::CallTokens& tokens, int32_t id) {
  const bool tagged = tokens.calls_begin < 0;
  char code = 0;
  if (id == tokens.calls_begin) code = kCallsBegin;
  if (id == tokens.calls_end) code = kCallsEnd;
  if (id == tokens.call_begin) code = tagged ? kTagOpen : kCallBegin;
  if (id == tokens.call_end) code = tagged ? kTagClose : kCallEnd;
  if (id == tokens.separator) code = kSeparator;
  if (id == tokens.dsml) code = kDsml;
  if (id == tokens.python_tag) code = kPythonTag;
  return code == 0 ? std::string() : std::string{kMarkByte, code};
}

std::string SpellMarks(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != kMarkByte || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    ++i;
    for (const auto& [code, spelled] : kMarkTexts) {
      if (text[i] == code) out += spelled;
    }
  }
  return out;
}

ToolParser::ToolParser(const ToolSyntax& syntax) : reader_(ReaderOf(syntax)) {
  if (syntax.tokens.spelled) spelled_.emplace();
}
ToolParser::~ToolParser() = default;

void ToolParser::Push(std::string_view text, std::string* content, std::vector<ToolDelta>* calls) {
  reader_->Push(spelled_ ? spelled_->Push(text) : text, content, calls);
}

void ToolParser::Flush(std::string* content, std::vector<ToolDelta>* calls) {
  if (spelled_) reader_->Push(spelled_->Flush(), content, calls);
  reader_->Flush(content, calls);
}

bool ToolParser::called() const {
  return reader_->called();
}

}  // namespace deepseek::agent
