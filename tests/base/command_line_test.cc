#include "base/command_line.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace deepseek {
namespace {

TEST(WrongUseLine, NamesTheWordRatherThanAskingForASubcommand) {
  EXPECT_EQ(WrongUseLine("p", "--frob", false, "A subcommand is required"),
            "error: p: --frob: no such option (see: p --help)");
  EXPECT_EQ(WrongUseLine("p", "frob", false, "A subcommand is required"),
            "error: p: frob: no such command (see: p --help)");
  EXPECT_EQ(WrongUseLine("p", "", false, "A subcommand is required"),
            "error: p: A subcommand is required (see: p --help)");
}

TEST(WrongUseLine, LeavesTheParsersWordsWithinASubcommand) {
  EXPECT_EQ(WrongUseLine("p run", "run", true, "--x is\nrequired"),
            "error: p run: --x is required (see: p run --help)");
}

TEST(EndOutput, SaysWhatCouldNotBeWritten) {
  const auto end = [](int exit_code) {
    if (std::freopen("/dev/full", "w", stdout) == nullptr) std::_Exit(99);
    std::puts("results");
    std::_Exit(EndOutput(exit_code));
  };
  EXPECT_EXIT(end(0), ::testing::ExitedWithCode(1), "^error: standard output: [^\n]+\n$");
  EXPECT_EXIT(end(3), ::testing::ExitedWithCode(3), "^$") << "its line is already there";
  EXPECT_EXIT(std::_Exit(EndOutput(0)), ::testing::ExitedWithCode(0), "^$");
}

TEST(EndOutput, SaysNothingWhenTheReaderIsGone) {
  const auto end = [] {
    signal(SIGPIPE, SIG_IGN);
    int ends[2];
    if (::pipe(ends) != 0 || ::dup2(ends[1], STDOUT_FILENO) < 0) std::_Exit(99);
    ::close(ends[0]);
    std::puts("results");
    std::_Exit(EndOutput(0));
  };
  EXPECT_EXIT(end(), ::testing::ExitedWithCode(kReaderGone), "^$");
}

}  // namespace
}  // namespace deepseek
