// See help_text.h.
#include "cli/help_text.h"

#include <fmt/format.h>

#include <sstream>

namespace pagefold::cli {
namespace {

constexpr std::size_t kOptions = 28, kVerbs = 12;  // columns of names; a longer name has a line of its own

// "NAME:{a,b}" is how CLI11 tells the name of a value and its choices.
struct Value {
  std::string name, choices;
};

Value value_of(const CLI::Option& option) {
  if (option.get_type_size() == 0) return {};
  const std::string type = option.get_type_name();
  const std::size_t colon = type.find(':');
  if (colon == std::string::npos) return {type, {}};
  std::string choices;
  for (const char c : type.substr(colon + 1))
    if (c == ',') choices += ", ";
    else if (c != '{' && c != '}') choices += c;
  return {type.substr(0, colon), choices};
}

// Words of a text, in lines that fit to the right of a column of names.
std::string wrapped(const std::string& text, std::size_t column) {
  std::istringstream words(text);
  std::string lines;
  std::size_t used = 0;
  for (std::string word; words >> word; used += word.size()) {
    if (used != 0 && column + used + 1 + word.size() > kHelpWidth) {
      lines += '\n' + std::string(column, ' ');
      used = 0;
    } else if (used != 0) {
      lines += ' ';
      ++used;
    }
    lines += word;
  }
  return lines;
}

std::string entry(const std::string& name, const std::string& text, std::size_t column) {
  const std::string left = "  " + name;
  const bool fits = left.size() < column;
  return fmt::format("{:<{}}{}{}\n", left, column, fits ? "" : '\n' + std::string(column, ' '), wrapped(text, column));
}

}  // namespace

HelpText::HelpText() {
  label("OPTIONS", "OPTION...");
}

std::string HelpText::make_usage(const CLI::App* app, std::string name) const {
  return app->get_parent() == nullptr ? "Usage: " + name + " VERB [OPTION...]\n" : CLI::Formatter::make_usage(app, name);
}

std::string HelpText::make_option(const CLI::Option* option, bool is_positional) const {
  const Value value = value_of(*option);
  std::string name = is_positional ? option->get_name(true, false) : option->get_name(false, true);
  if (const std::size_t comma = name.find(','); comma != std::string::npos) name.insert(comma + 1, " ");
  if (!value.name.empty()) name += ' ' + value.name;
  std::string text = option->get_description();
  if (!value.choices.empty()) text += ": " + value.choices;
  if (const std::string standard = option->get_default_str(); !standard.empty()) text += fmt::format(" [{}]", standard);
  return entry(name, text, kOptions);
}

// The text of an option, where it has one, is how it stands in the usage line.
std::string HelpText::make_option_usage(const CLI::Option* option) const {
  return option->get_option_text().empty() ? CLI::Formatter::make_option_usage(option) : option->get_option_text();
}

std::string HelpText::make_subcommand(const CLI::App* verb) const { return entry(verb->get_name(), verb->get_description(), kVerbs); }

}  // namespace pagefold::cli
