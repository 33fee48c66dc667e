#pragma once
// What the readers of the call formats share: control tokens and text in, text and calls out. One
// reader for each style: marked_calls.cc, tagged_calls.cc, dsml_calls.cc, object_calls.cc. Internal
// to agent/openai.

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/openai/tool_parser.h"

namespace deepseek::agent {

/// The second byte of a mark.
enum MarkCode : char {
  kCallsBegin = 'B',
  kCallsEnd = 'E',
  kCallBegin = 'b',
  kCallEnd = 'e',
  kSeparator = 's',
  kTagOpen = 'T',   ///< <tool_call>
  kTagClose = 't',  ///< </tool_call>
  kDsml = 'D',
  kPythonTag = 'P',
};

/// Marks and how they read; the first kLetterMarks of them the R1 distills write as letters.
inline constexpr std::array<std::pair<MarkCode, std::string_view>, 9> kMarkTexts = {
    std::pair{kCallsBegin, grammar::kCallsBeginText},
    {kCallsEnd, grammar::kCallsEndText},
    {kCallBegin, grammar::kCallBeginText},
    {kCallEnd, grammar::kCallEndText},
    {kSeparator, grammar::kSeparatorText},
    {kTagOpen, "<tool_call>"},
    {kTagClose, "</tool_call>"},
    {kDsml, "｜DSML｜"},
    {kPythonTag, "<|python_tag|>"}};
inline constexpr size_t kLetterMarks = 5;

inline constexpr std::string_view kCallSpace = " \t\r\n";
bool IsCallSpace(std::string_view text);

class CallReader {
 public:
  explicit CallReader(const ToolSyntax& syntax) : syntax_(syntax) {}
  virtual ~CallReader() = default;

  void Push(std::string_view text, std::string* content, std::vector<ToolDelta>* calls);
  void Flush(std::string* content, std::vector<ToolDelta>* calls);
  bool called() const { return calls_ > 0 && !open_; }

 protected:
  /// A control token. `raw_` has its spelling already when inside.
  virtual void Mark(char mark) = 0;
  /// `held_` has grown, inside.
  virtual void Text() = 0;
  /// The answer ends inside. Not called outside.
  virtual void End() = 0;
  /// Whether `held_`, text outside, is (or may be) a call although no mark says so.
  virtual bool Opens() { return false; }
  /// So many bytes at the end of `held_`, text outside, may belong to calls that follow: they are
  /// held back.
  virtual size_t Lead() const;

  /// From text to calls: `held_` and the mark become raw text.
  void Enter(char mark);
  /// Behind all calls: the answer goes on with text.
  void Leave();
  /// Not a call after all: everything since the last whole one is text.
  void GiveUp();
  /// The answer ends in the head of a call. Where the engine lets only calls be said it was cut off
  /// there, and nothing of it is text.
  void BreakOff();
  /// Whether a tool of this name was offered.
  bool Offered(std::string_view name) const;
  /// Opens a call, or adds to the open one: its name goes out with the first piece.
  void Send(std::string_view arguments);
  /// The open call is whole: what comes is not part of it. Raw text begins anew.
  void Done();

  const ToolSyntax& syntax_;
  bool inside_ = false;
  std::string held_;   ///< not yet used text
  std::string raw_;    ///< inside: all of what would become text again
  std::string name_;   ///< of the call in hand
  bool open_ = false;  ///< the call in hand has been sent in part
  int32_t calls_ = 0;  ///< complete or sent

 private:
  bool half_mark_ = false;  // the first byte of a mark has come
  std::string* content_ = nullptr;
  std::vector<ToolDelta>* out_ = nullptr;
};

std::unique_ptr<CallReader> MarkedCalls(const ToolSyntax& syntax);
std::unique_ptr<CallReader> TaggedCalls(const ToolSyntax& syntax);
std::unique_ptr<CallReader> DsmlCalls(const ToolSyntax& syntax);
std::unique_ptr<CallReader> ObjectCalls(const ToolSyntax& syntax);

}  // namespace deepseek::agent
