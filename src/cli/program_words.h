// `pagefold run [options] [--] program arguments...`: where the program's own words begin. They are cut off before the
// option parser sees the rest, so that nothing in them means anything to Pagefold: `pagefold run ls -l` lists long, and
// words such as "--", "-q" or "{}" arrive as they are.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace pagefold::cli {

// Names the program in the help of a verb. Its words never reach the parser.
void add_program(CLI::App& verb, std::vector<std::string>& program);

// words: all words of the command line after `pagefold`, "run" among them. Removes the program's words (and the "--"
// before them) from their end and returns them; which options of `run` take a value is asked of the parser.
std::vector<std::string> take_program_words(const CLI::App& run, std::vector<std::string>& words);

}  // namespace pagefold::cli
