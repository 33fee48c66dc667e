#pragma once
// What the programs say to a command that was typed wrongly.

#include <string>

namespace deepseek {

/// The error line, without a line end. `command` is the program with the subcommands that were
/// understood; `what` the parser's complaint. Parsers ask for a missing subcommand before they name
/// a word that they do not know: with no subcommand understood and a first word there, that word is
/// named instead.
std::string WrongUseLine(const std::string& command, const std::string& first_word,
                         bool has_subcommand, const std::string& what);

/// What shells report of a program that SIGPIPE ended.
inline constexpr int kReaderGone = 141;

/// At the end of a program that prints its results: `exit_code`, or an error line and 1 where what
/// should have ended well could not write all of its standard output; kReaderGone without a line
/// where nobody reads it any more.
int EndOutput(int exit_code);

}  // namespace deepseek
