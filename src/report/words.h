// Names and commands as they stand in a line of limited width.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace pagefold::report {

// A command as one would type it: words that a shell would take apart are quoted; what is too long ends in "...".
std::string command_line(const std::vector<std::string>& words);

// The end of a text, of at most `width` bytes, with "..." where something is missing. Cuts are made between UTF-8 characters.
std::string keep_end(std::string text, std::size_t width);

}  // namespace pagefold::report
