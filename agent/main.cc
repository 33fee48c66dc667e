// deepseek-agent: serves one model in one pod; also the command line for people.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "agent/cli/commands.h"
#include "base/command_line.h"
#include "base/version.h"

namespace {

// One line, as every other error; CLI11's own exit codes (above 100) are not ours.
int WrongUse(const CLI::App& app, const CLI::ParseError& error, const std::string& first) {
  std::string command = "deepseek-agent";
  for (const CLI::App* sub : app.get_subcommands()) command += " " + sub->get_name();
  const bool known = !app.get_subcommands().empty();
  std::fprintf(stderr, "%s\n", deepseek::WrongUseLine(command, first, known, error.what()).c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace deepseek::agent;
  CLI::App app(
      "Serves DeepSeek models: tokens from native checkpoints, over OpenAI's API or on the command "
      "line.",
      "deepseek-agent");
  app.set_version_flag("--version", std::string("deepseek-agent ") + deepseek::kVersion);
  app.require_subcommand(1);
  app.footer(
      "Exit codes: 0 ok, 1 wrong use or failed check, 2 invalid model, 3 not enough memory, 4 "
      "device failure.");
  int exit_code = 0;
  AddServe(app, &exit_code);
  AddChat(app, &exit_code);
  AddGenerate(app, &exit_code);
  AddEval(app, &exit_code);
  AddLogits(app, &exit_code);
  AddBench(app, &exit_code);
  AddInspect(app, &exit_code);
  AddVerify(app, &exit_code);
  AddTokenize(app, &exit_code);
  AddDetokenize(app, &exit_code);
  AddRenderChat(app, &exit_code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help_or_version) {
    return deepseek::EndOutput(app.exit(help_or_version));
  } catch (const CLI::ParseError& error) {
    return WrongUse(app, error, argc > 1 ? argv[1] : "");
  }
  return deepseek::EndOutput(exit_code);
}
