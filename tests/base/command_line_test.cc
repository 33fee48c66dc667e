#include "base/command_line.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace deepseek
