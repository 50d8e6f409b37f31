// Differences that are known and right: a committed list, one a line: kind, pattern of the object, pattern of the
// symbol, reason. Kinds are those that the comparison prints (binding, words, word, tls, order, ...); patterns are
// those of the shell.
#pragma once

#include <fnmatch.h>

#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace pagefold::bindings {

struct Reason {
  std::string kind, object, symbol, text;
  uint64_t used = 0;
};

inline std::vector<Reason> read_reasons(const std::string& path) {
  std::vector<Reason> reasons;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    Reason one;
    if (line.empty() || line[0] == '#' || !(words >> one.kind >> one.object >> one.symbol)) continue;
    std::getline(words >> std::ws, one.text);
    reasons.push_back(one);
  }
  return reasons;
}

// A difference is "kind object symbol ...". Null when no reason is known.
inline Reason* reason_of(std::vector<Reason>& reasons, const std::string& difference) {
  std::istringstream words(difference);
  std::string kind, object, symbol;
  words >> kind >> object >> symbol;
  const auto fits = [](const std::string& pattern, const std::string& text) {
    return ::fnmatch(pattern.c_str(), text.c_str(), 0) == 0;
  };
  for (Reason& one : reasons) {
    if (one.kind == kind && fits(one.object, object) && fits(one.symbol, symbol)) return &one;
  }
  return nullptr;
}

}  // namespace pagefold::bindings
