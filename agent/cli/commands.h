#pragma once
// The commands of deepseek-agent. Each adds a subcommand to `app`; when it was chosen, its callback
// runs and leaves the program's exit code (docs/reference/cli.md) in `exit_code`.

namespace CLI {
class App;
}

namespace deepseek::agent {

void AddLogits(CLI::App& app, int* exit_code);
void AddGenerate(CLI::App& app, int* exit_code);
void AddEval(CLI::App& app, int* exit_code);
void AddVerify(CLI::App& app, int* exit_code);
void AddInspect(CLI::App& app, int* exit_code);
void AddTokenize(CLI::App& app, int* exit_code);
void AddDetokenize(CLI::App& app, int* exit_code);
void AddRenderChat(CLI::App& app, int* exit_code);
void AddBench(CLI::App& app, int* exit_code);
void AddServe(CLI::App& app, int* exit_code);
void AddChat(CLI::App& app, int* exit_code);

}  // namespace deepseek::agent
