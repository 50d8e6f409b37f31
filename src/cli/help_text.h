// How --help is laid out: names to the left; to the right what they do, the choices and, in brackets, the default; no line longer
// than a terminal's 80 columns. The words of the program, where a verb takes one, are told as a shell would be given them.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

namespace pagefold::cli {

inline constexpr std::size_t kHelpWidth = 80;

class HelpText : public CLI::Formatter {
 public:
  HelpText();

  std::string make_option(const CLI::Option* option, bool is_positional) const override;
  std::string make_usage(const CLI::App* app, std::string name) const override;
  std::string make_option_usage(const CLI::Option* option) const override;
  std::string make_subcommand(const CLI::App* verb) const override;
};

}  // namespace pagefold::cli
