// deepseek-agent verify: is this folder a model that can be served, whole and unchanged?

#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <map>

#include "agent/cli/commands.h"
#include "agent/cli/model_flags.h"
#include "agent/load/loaded_model.h"
#include "base/status.h"
#include "base/strings.h"
#include "engine/weights/checkpoint.h"
#include "engine/weights/verify.h"

namespace deepseek::agent {
namespace {

struct Flags {
  std::string model, manifest;
};

// Lines "HEX  NAME" as sha256sum writes them, against what verify computed.
absl::Status CompareManifest(const std::string& path, const engine::VerifyReport& report) {
  const std::map<std::string, std::string> computed(report.sha256.begin(), report.sha256.end());
  std::ifstream in(path);
  if (!in)
    return absl::InvalidArgumentError(
        StrCat("--manifest: ", path, ": cannot be read (does the file exist?)"));
  std::string line;
  int compared = 0;
  for (int number = 1; std::getline(in, line); ++number) {
    if (line.empty()) continue;
    if (line.size() < 67 || line.find_first_not_of("0123456789abcdef") != 64 || line[64] != ' ') {
      return absl::InvalidArgumentError(
          StrCat("--manifest: ", path, ": line ", number, ": must be SHA256  NAME"));
    }
    const std::string name = line.substr(66);
    const auto it = computed.find(name);
    if (it == computed.end()) {
      return absl::DataLossError(
          StrCat("verify: ", name, ": named by ", path, " but not in the model folder"));
    }
    if (it->second != line.substr(0, 64)) {
      return absl::DataLossError(StrCat("verify: ", name, ": SHA-256 is ", it->second, ", ", path,
                                        " says ", line.substr(0, 64),
                                        " (damaged or replaced: fetch it again)"));
    }
    ++compared;
  }
  if (compared == 0)
    return absl::InvalidArgumentError(StrCat("--manifest: ", path, ": names no file"));
  return absl::OkStatus();
}

absl::Status Run(const Flags& flags) {
  ASSIGN_OR_RETURN(const std::string dir, ResolveModelDir(flags.model));
  ASSIGN_OR_RETURN(const engine::VerifyReport report, engine::VerifyCheckpoint(dir));
  if (!flags.manifest.empty()) RETURN_IF_ERROR(CompareManifest(flags.manifest, report));
  // Bare weights can be evaluated, so that a folder without a tokenizer is no fault.
  struct stat info;
  const bool has_text = ::stat((dir + "/tokenizer.json").c_str(), &info) == 0;
  if (has_text) {
    ASSIGN_OR_RETURN(const TextAndDefaults text, LoadAgreeingText(dir, report.spec));
    RETURN_IF_ERROR(text.text.chat_template_error);  // as serve
  }
  const bool without_mtp = report.spec.mtp_layers > 0 && !report.mtp;
  std::printf("ok: %s: %s, %lld tensors, %lld bytes, checksums %s, tokenizer %s%s\n%s\n",
              dir.c_str(), report.spec.family.c_str(), static_cast<long long>(report.tensors),
              static_cast<long long>(report.bytes),
              report.manifest || !flags.manifest.empty() ? "agree" : "not given",
              has_text ? "agrees" : "not there",
              without_mtp ? ", MTP layers not there (serving needs none)" : "",
              report.digest.c_str());
  return absl::OkStatus();
}

}  // namespace

void AddVerify(CLI::App& app, int* exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* sub = app.add_subcommand(
      "verify", "Checks checksums, shapes, NaN and the tokenizer of a model folder");
  sub->add_option("--model", flags->model, "model folder, or builtin:NAME")
      ->required()
      ->type_name("DIR");
  sub->add_option("--manifest", flags->manifest,
                  "checksums as sha256sum writes them (default: DIR/SHA256SUMS if there)")
      ->type_name("FILE");
  sub->callback([flags, exit_code] { *exit_code = Report(AboutModel(Run(*flags))); });
}

}  // namespace deepseek::agent
