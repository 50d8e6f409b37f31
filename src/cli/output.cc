// See output.h.
#include "cli/output.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace pagefold::cli {
namespace {

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view{} : value;
}

}  // namespace

report::Colour colour_for(int fd) {
  const bool wanted = ::isatty(fd) == 1 && environment("NO_COLOR").empty() && environment("TERM") != "dumb";
  return wanted ? report::Colour::Yes : report::Colour::No;
}

int print_result(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  return flush_result() ? 0 : 1;
}

bool flush_result() {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return true;
  complain(fmt::format("cannot write to standard output: {}", std::strerror(errno)));
  return false;
}

void complain(std::string_view message) { fmt::print(stderr, "pagefold: {}\n", message); }

int complain(std::string_view message, int exit_code) {
  complain(message);
  return exit_code;
}

}  // namespace pagefold::cli
