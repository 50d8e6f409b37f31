// See program_words.h.
#include "cli/program_words.h"

#include <algorithm>
#include <cstddef>
#include <iterator>

namespace pagefold::cli {
namespace {

bool is_option(const std::string& word) { return word.size() > 1 && word.front() == '-'; }

bool takes_next_word(const CLI::App& run, const std::string& option) {
  if (option.find('=') != std::string::npos) return false;
  const CLI::Option* known = run.get_option_no_throw(option);
  return known != nullptr && known->get_items_expected_min() > 0;
}

}  // namespace

void add_program(CLI::App& verb, std::vector<std::string>& program) {
  verb.add_option("PROGRAM", program, "The program, looked up in PATH, and its arguments")
      ->type_name("")
      ->option_text("[--] PROGRAM [ARGUMENT...]")
      ->expected(-1);
}

std::vector<std::string> take_program_words(const CLI::App& run, std::vector<std::string>& words) {
  auto at = std::ranges::find(words, run.get_name());
  if (at == words.end()) return {};
  ++at;
  while (at != words.end() && *at != "--" && is_option(*at)) {
    const auto left = std::distance(at, words.end());
    at += std::min<std::ptrdiff_t>(left, takes_next_word(run, *at) ? 2 : 1);
  }
  const auto first = at != words.end() && *at == "--" ? std::next(at) : at;
  std::vector<std::string> program(std::make_move_iterator(first), std::make_move_iterator(words.end()));
  words.erase(at, words.end());
  return program;
}

}  // namespace pagefold::cli
