#include "report/function_name.h"

#include <cxxabi.h>

#include <cstdlib>
#include <memory>

namespace pagefold::report {
namespace {

// The parameters are what the last parenthesis closes; behind them come const and the like, which go as well.
std::string without_parameters(std::string name) {
  std::size_t at = name.rfind(')');
  if (at == std::string::npos) return name;
  for (int depth = 1; depth > 0 && at > 0;) {
    --at;
    if (name[at] == ')') ++depth;
    if (name[at] == '(') --depth;
  }
  if (at > 0) name.resize(at);
  return name;
}

}  // namespace

std::string function_name(const char* symbol) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(abi::__cxa_demangle(symbol, nullptr, nullptr, &status), ::free);
  return status == 0 ? without_parameters(text.get()) : symbol;
}

}  // namespace pagefold::report
