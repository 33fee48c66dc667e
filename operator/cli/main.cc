// kubectl-deepseek: `kubectl deepseek ...` for people who run models.
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "absl/time/clock.h"
#include "base/command_line.h"
#include "base/log.h"
#include "base/status.h"
#include "base/strings.h"
#include "base/version.h"
#include "operator/cli/chat.h"
#include "operator/cli/get.h"
#include "operator/cli/logs.h"
#include "operator/cli/plan.h"
#include "operator/cli/undo.h"
#include "operator/cli/why.h"
#include "operator/kube/config.h"
#include "operator/kube/http_transport.h"

namespace deepseek::cli {
namespace {

std::atomic<bool> g_stop{false};

void OnSignal(int) {
  if (g_stop.exchange(true)) _exit(130);
}

struct Flags {
  std::string kubeconfig, context, ns, output;
};

absl::Status Run(const Flags& flags, const std::function<absl::Status(Session&)>& command) {
  if (!flags.output.empty() && flags.output != "json")
    return absl::InvalidArgumentError(StrCat("-o ", flags.output, ": only json is known"));
  ASSIGN_OR_RETURN(const kube::Config config, kube::LoadUserConfig(flags.kubeconfig, flags.context,
                                                                   kube::ConfigEnvironment()));
  ASSIGN_OR_RETURN(std::shared_ptr<kube::Transport> transport,
                   kube::NewHttpTransport(config, StrCat("kubectl-deepseek/", kVersion),
                                          [] { return absl::Now(); },
                                          {.run = kube::StartExecPlugin,
                                           .terminal = isatty(STDIN_FILENO) != 0,
                                           .wall = [] { return absl::Now(); }}));
  const char* no_colour = std::getenv("NO_COLOR");
  const bool plain = no_colour != nullptr && *no_colour != '\0';
  Session session{.transport = std::move(transport),
                  .ns = flags.ns.empty() ? config.ns : flags.ns,
                  .json = flags.output == "json",
                  .style = {.colour = !plain && isatty(STDOUT_FILENO) != 0},
                  .out = std::cout,
                  .in = std::cin,
                  .now = [] { return absl::Now(); },
                  .stop = [] { return g_stop.load(); }};
  return command(session);
}

int Main(int argc, char** argv) {
  CLI::App app{"DeepSeek models on Kubernetes, for people.", "kubectl-deepseek"};
  app.set_version_flag("--version", StrCat("kubectl-deepseek ", kVersion));
  app.require_subcommand(1);
  app.fallthrough();
  Flags flags;
  app.add_option("--kubeconfig", flags.kubeconfig,
                 "Cluster to use (default: $KUBECONFIG, ~/.kube/config, the pod's account)");
  app.add_option("--context", flags.context,
                 "Context of the kubeconfig (default: the current one)");
  app.add_option("-n,--namespace", flags.ns, "Namespace (default: that of the context)");
  app.add_option("-o,--output", flags.output, "json, or a picture for people");

  std::function<absl::Status(Session&)> command;
  GetOptions get;
  CLI::App* sub =
      app.add_subcommand("get", "Trees of revisions and pods, with the load's progress");
  sub->add_option("NAME", get.name, "One of them (default: all of the namespace)");
  sub->add_flag("-A,--all-namespaces", get.all_namespaces, "Of every namespace");
  sub->add_flag("-w,--watch", get.watch,
                "Again at every change of its spec or status, until Ctrl-C");
  sub->callback([&] { command = [&](Session& s) { return Get(s, get); }; });

  PlanOptions plan;
  sub = app.add_subcommand("plan", "What the operator would do with a manifest; writes nothing");
  sub->add_option("-f,--filename", plan.file, "YAML or JSON; - is standard input")->required();
  sub->add_option("--agent-image", plan.agent_image,
                  "Image of new revisions (default: what the cluster's operator gives them)");
  sub->callback([&] { command = [&](Session& s) { return PlanCommand(s, plan); }; });

  std::string why;
  sub = app.add_subcommand("why", "Conditions, and the last decisions with their figures");
  sub->add_option("NAME", why, "The DeepSeekDeployment")->required();
  sub->callback([&] { command = [&](Session& s) { return Why(s, why); }; });

  LogsOptions logs;
  sub = app.add_subcommand("logs", "Logs of the agents");
  sub->add_option("NAME", logs.name, "The DeepSeekDeployment")->required();
  sub->add_option("--revision", logs.revision, "Of this revision's pods only");
  sub->add_option("--tail", logs.tail, "Lines of each pod to begin with")
      ->check(CLI::Range(0, 1'000'000))
      ->capture_default_str();
  sub->add_flag("-f,--follow", logs.follow, "Go on until Ctrl-C");
  sub->add_flag("-p,--previous", logs.previous, "Of the containers before their last restart");
  sub->callback([&] { command = [&](Session& s) { return Logs(s, logs); }; });

  ChatOptions chat;
  chat.prompt = isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0;
  sub = app.add_subcommand("chat", "Talk to the model, through the API server");
  sub->add_option("NAME", chat.name, "The DeepSeekDeployment")->required();
  sub->add_option("QUESTION", chat.question, "One question (default: line by line)");
  sub->add_option("--max-tokens", chat.max_tokens, "Of an answer")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  sub->add_option("--temperature", chat.temperature, "0 is greedy (default: the model's own)")
      ->check(CLI::Range(0.0, 2.0));
  sub->callback([&] { command = [&](Session& s) { return Chat(s, chat); }; });

  UndoOptions undo;
  sub = app.add_subcommand("undo", "Put the spec of an earlier revision back");
  sub->add_option("NAME", undo.name, "The DeepSeekDeployment")->required();
  sub->add_option("--to-revision", undo.to, "Number of the revision (default: the one before)")
      ->check(CLI::Range(1, 1'000'000'000));
  sub->add_flag("--dry-run", undo.dry_run, "Only say which");
  sub->callback([&] { command = [&](Session& s) { return Undo(s, undo); }; });
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return EndOutput(app.exit(e));  // --help, --version
    // CLI11 has exit codes and a format of its own; ours are documented.
    std::string command_line = "kubectl-deepseek";
    for (const CLI::App* sub : app.get_subcommands()) command_line += " " + sub->get_name();
    const std::string line = WrongUseLine(command_line, argc > 1 ? argv[1] : "",
                                          !app.get_subcommands().empty(), e.what());
    std::fprintf(stderr, "%s\n", line.c_str());
    return 1;
  }
  log::SetLevel(log::Level::kError);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGINT, OnSignal);
  signal(SIGTERM, OnSignal);
  const absl::Status status = Run(flags, command);
  if (!status.ok()) std::fprintf(stderr, "%s\n", ErrorLine(status).c_str());
  const int exit_code = EndOutput(status.ok() ? 0 : 1);
  std::fflush(nullptr);
  // No destructors of libraries' threads: a call that hangs must not keep the process alive.
  _exit(exit_code);
}

}  // namespace
}  // namespace deepseek::cli

int main(int argc, char** argv) {
  return deepseek::cli::Main(argc, argv);
}
