// The small language of the order tests: `prog->[a,b]; a->c->a` says who needs whom, in the order of DT_NEEDED.
//
// A statement is a chain of groups joined by `->`; a group is a name or [name,name]; every member of a group needs
// every member of the next. Cycles are allowed. Each library prints +name when it is loaded and -name when it is
// unloaded. The program prints "main" and then obeys its arguments: +a dlopens a.so (RTLD_NOW), -a closes it again,
// each printed as "open a", "close a".
#pragma once

#include <map>
#include <string>
#include <vector>

#include "scene.h"

namespace pagefold::ld_test {

struct Needs {
  std::vector<std::string> names;                         // in the order of their first mention, without "prog"
  std::map<std::string, std::vector<std::string>> needs;  // also of "prog"
};

// Throws on what is not of the language.
Needs parse_order(const std::string& text);

// Builds the libraries and the program; a library that is not needed by "prog" is there to be opened.
void build_order(Scene& scene, const std::string& text);

// What the program printed, on one line: "+b +a main -a -b".
std::string told_order(const RunResult& result);

}  // namespace pagefold::ld_test
