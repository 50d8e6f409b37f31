// The verbs of the command line. Each add_*() puts its verb on the application: options, help with examples, and a
// callback that does the work when the verb was given and stores the exit code.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace pagefold::cli {

inline constexpr int kExitUsage = 2;  // of every verb but run and mrc, which say 125

// What a callback needs from outside and leaves behind; outlives the parsing.
struct Invocation {
  std::vector<std::string> program;  // run, mrc, crash: the words after their own options (see program_words.h)
  int exit_code = 0;
};

void add_run(CLI::App& app, Invocation& invocation);
void add_mrc(CLI::App& app, Invocation& invocation);
void add_ps(CLI::App& app, Invocation& invocation);
void add_maps(CLI::App& app, Invocation& invocation);
void add_smaps(CLI::App& app, Invocation& invocation);
void add_crash(CLI::App& app, Invocation& invocation);
void add_replay(CLI::App& app, Invocation& invocation);
void add_doctor(CLI::App& app, Invocation& invocation);
void add_tour(CLI::App& app, Invocation& invocation);

}  // namespace pagefold::cli
