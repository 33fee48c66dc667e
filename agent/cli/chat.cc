// `deepseek-agent chat`: a conversation on a terminal, or line by line from a pipe.
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>

#include "agent/cli/chat_transport.h"
#include "agent/cli/commands.h"
#include "agent/cli/model_flags.h"
#include "base/files.h"
#include "base/log.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::agent {
namespace {

constexpr char kHelp[] =
    "Type a question and Enter. A line that ends in \\ goes on in the next one.\n"
    "  /clear   forget the conversation\n"
    "  /help    this text\n"
    "  /exit    leave (also Ctrl-D)\n"
    "  Ctrl-C   stop the answer, not the program\n";

std::atomic<int> interrupts = 0;

struct ChatFlags {
  ModelFlags model;
  std::string url;
  std::string model_name;
  std::string ca;
  std::string question;
};

/// Colours only where a person looks: no-color.org.
struct Style {
  bool on = isatty(STDOUT_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr;
  const char* dim() const { return on ? "\033[2m" : ""; }
  const char* bold() const { return on ? "\033[1m" : ""; }
  const char* reset() const { return on ? "\033[0m" : ""; }
};

void Put(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

/// Reads a question; false at the end of input. Lines that end in a backslash are joined.
bool ReadQuestion(bool terminal, const Style& style, std::string* question) {
  question->clear();
  for (;;) {
    if (terminal) Put(StrCat(style.bold(), question->empty() ? "> " : ". ", style.reset()));
    std::string line;
    if (!std::getline(std::cin, line)) return !question->empty();
    if (!line.empty() && line.back() == '\r') line.pop_back();
    const bool more = !line.empty() && line.back() == '\\';
    if (more) line.back() = '\n';
    *question += line;
    if (!more) return true;
  }
}

class Repl {
 public:
  Repl(ChatSession& session, bool terminal) : session_(session), terminal_(terminal) {}

  /// One question, for scripts: 1 if it was not answered.
  int Ask(const std::string& question) { return Answer(question) ? 0 : 1; }

  /// 1 if an answer failed and nobody sits there to see it.
  int Run() {
    if (terminal_) Put("Ask me something; /help for help, /exit to leave.\n");
    std::string question;
    int exit_code = 0;
    while (ReadQuestion(terminal_, style_, &question)) {
      if (question.find_first_not_of(" \t\n") == std::string::npos) continue;
      if (question == "/exit" || question == "/quit") break;
      if (question == "/help") {
        Put(kHelp);
      } else if (question == "/clear") {
        session_.Clear();
        if (terminal_) Put("(forgotten)\n");
      } else if (terminal_ && question.front() == '/') {
        Put(StrCat("unknown command ", question, "\n", kHelp));
      } else if (!Answer(question)) {
        exit_code = terminal_ ? 0 : 1;
      }
    }
    if (terminal_) Put("\n");
    return exit_code;
  }

 private:
  bool Answer(const std::string& question) {
    interrupts = 0;
    bool thinking = false;
    const auto on_piece = [&](const ChatPiece& piece) {
      if (!piece.reasoning.empty()) {
        // Reasoning is for people; a pipe gets the answer only.
        if (terminal_) Put(StrCat(style_.dim(), piece.reasoning, style_.reset()));
        thinking = true;
      }
      if (piece.content.empty()) return;
      if (thinking && terminal_) Put("\n");
      thinking = false;
      Put(piece.content);
    };
    const absl::Status status = session_.Ask(question, on_piece, [] { return interrupts > 0; });
    Put(interrupts > 0 ? " (stopped)\n" : "\n");
    if (!status.ok()) std::fprintf(stderr, "%s\n", ErrorLine(status).c_str());
    return status.ok();
  }

  ChatSession& session_;
  const bool terminal_;
  const Style style_;
};

absl::StatusOr<std::unique_ptr<ChatTransport>> Connect(const ChatFlags& flags, bool terminal) {
  if (flags.url.empty() == flags.model.model.empty()) {
    return absl::InvalidArgumentError("chat: exactly one of --model and --url is needed");
  }
  if (!flags.url.empty()) {
    ServerAccess access;
    // Not a flag: other users of the machine can read those.
    if (const char* key = std::getenv("DEEPSEEK_API_KEY")) access.api_key = key;
    if (!flags.ca.empty()) {
      ASSIGN_OR_RETURN(access.ca_pem, ReadTextFile(flags.ca));
    }
    return HttpTransport(flags.url, access);
  }
  LoadOptions load;
  ASSIGN_OR_RETURN(load.engine.model, ToOptions(flags.model));
  ASSIGN_OR_RETURN(load.engine.model.model_dir, ResolveModelDir(flags.model.model));
  load.engine.model.max_batch = 1;
  load.served_name = flags.model_name;
  if (terminal) Put("Loading the model...\n");
  ASSIGN_OR_RETURN(auto model, LoadForServing(load));
  return LocalTransport(std::move(model));
}

int Chat(const ChatFlags& flags) {
  log::SetLevel(log::Level::kWarn);
  const bool terminal = flags.question.empty() && isatty(STDIN_FILENO) != 0;
  auto transport = Connect(flags, terminal);
  if (!transport.ok()) return Report(transport.status());
  // Ctrl-C stops the answer that runs; at the prompt it does nothing (Ctrl-D or /exit leave).
  struct sigaction on_interrupt {};
  on_interrupt.sa_handler = [](int) { ++interrupts; };
  on_interrupt.sa_flags = SA_RESTART;
  sigaction(SIGINT, &on_interrupt, nullptr);
  ChatSession session(*std::move(transport), flags.model_name);
  Repl repl(session, terminal);
  return flags.question.empty() ? repl.Run() : repl.Ask(flags.question);
}

}  // namespace

void AddChat(CLI::App& app, int* exit_code) {
  CLI::App* chat = app.add_subcommand("chat", "Talk to a model: --model DIR, or --url of a server");
  auto flags = std::make_shared<ChatFlags>();
  AddModelFlags(*chat, &flags->model);
  for (CLI::Option* option : chat->get_options()) {
    if (option->check_lname("model")) option->required(false);
  }
  chat->add_option("--url", flags->url, "Base URL of a server: http://127.0.0.1:8000");
  chat->add_option("--ca", flags->ca,
                   "PEM file of the authorities that vouch for an https:// server (default: the "
                   "system's); $DEEPSEEK_API_KEY is the key for --url");
  chat->add_option("--model-name", flags->model_name,
                   "Name of the model at --url (default: the one it serves)");
  chat->add_option("question", flags->question, "Ask this one thing and leave (default: a talk)");
  chat->callback([flags, exit_code] { *exit_code = Chat(*flags); });
}

}  // namespace deepseek::agent
