#include "crash/checker.h"

#include <sstream>

namespace pagefold::crash {
namespace {

// For the shell. A path that needs no quotes gets none, so that {} may stand within quotes of the command's own.
std::string quoted(const std::string& text) {
  constexpr const char* kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+-,:@";
  if (text.find_first_not_of(kPlain) == std::string::npos) return text;
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

std::string replaced(std::string text, const std::string& by) {
  for (std::size_t at = 0; (at = text.find("{}", at)) != std::string::npos; at += by.size()) text.replace(at, 2, by);
  return text;
}

bool plain(const std::string& command) {
  return command.find_first_of("|&;<>()$`\\\"'*?[#~=%!\n") == std::string::npos;
}

}  // namespace

Result<Checker> Checker::create(const std::string& command, std::chrono::milliseconds patience) {
  Checker checker;
  checker.command_ = command;
  checker.patience_ = patience;
  std::istringstream in(command);
  for (std::string word; in >> word;) checker.words_.push_back(word);
  if (checker.words_.empty()) return fail(EINVAL, "empty check command");
  if (!plain(command)) checker.words_.clear();
  return checker;
}

Result<Cell> Checker::start(const std::string& files, const std::string& directory) const {
  std::vector<std::string> words = {"sh", "-c", replaced(command_, quoted(files))};
  if (!words_.empty()) {
    words = words_;
    for (std::string& word : words) word = replaced(word, files);
  }
  return Cell::start({std::move(words), directory, patience_});
}

}  // namespace pagefold::crash
