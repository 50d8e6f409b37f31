#include "trace.h"

#include <elf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string_view>

#include "tracee.h"

namespace pagefold::bindings {
namespace {

// Takes the text between two marks; empty when they are not there.
std::string_view between(std::string_view line, std::string_view before, std::string_view after) {
  const size_t start = line.find(before);
  if (start == std::string_view::npos) return {};
  line.remove_prefix(start + before.size());
  return line.substr(0, line.find(after));
}

// "      1234:\tbinding file A [0] to B [0]: normal symbol `s' [V]" becomes "A s V B".
std::string binding_of(std::string_view line) {
  const std::string_view referrer = between(line, "binding file ", " [");
  const std::string_view definer = between(line, "] to ", " [");
  const std::string_view symbol = between(line, " symbol `", "'");
  const size_t version = line.rfind("' [");
  std::string text(referrer);
  text.append(" ").append(symbol).append(" ");
  text.append(version == std::string_view::npos ? "-" : between(line.substr(version), "[", "]"));
  return text.append(" ").append(definer);
}

std::string without_addresses(std::string line) {
  for (size_t at = 0; (at = line.find("0x", at)) != std::string::npos; ++at) {
    line.erase(at, std::min(line.find_first_not_of("0123456789abcdefx", at), line.size()) - at);
  }
  return line;
}

void sort_out(std::string_view text, Trace& trace) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.find("\tbinding file ") != std::string_view::npos) {
      trace.bindings.insert(binding_of(line));
    } else if (const size_t id = line.find_first_not_of(" 0123456789");
               id == std::string_view::npos || line.substr(id, 2) != ":\t") {
      trace.words.insert(without_addresses(std::string(line)));
    }
  }
}

}  // namespace

Trace trace_bindings(const std::string& program, const std::string& loader,
                     const std::vector<std::string>& more_environment) {
  Trace trace;
  const int output = ::memfd_create("bindings", MFD_CLOEXEC);
  {
    std::vector<std::string> environment = {"PATH=/usr/bin:/bin", "LC_ALL=C",      "LD_TRACE_LOADED_OBJECTS=1",
                                            "LD_WARN=yes",        "LD_BIND_NOW=1", "LD_DEBUG=bindings"};
    environment.insert(environment.end(), more_environment.begin(), more_environment.end());
    Tracee tracee(program, loader, environment, output);
    if (tracee.started() && tracee.auxiliary(AT_SECURE) != 0) {
      trace.ending = "privileged";  // always handed over to the genuine loader, which is out of reach here
    } else if (tracee.started()) {
      tracee.set_breakpoint(tracee.auxiliary(AT_ENTRY));
      trace.ending = tracee.go_on() == Tracee::Stop::Breakpoint ? "executed" : tracee.ending();
    }
  }
  const auto size = static_cast<size_t>(::lseek(output, 0, SEEK_END));
  if (size > 0) {
    void* text = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, output, 0);
    sort_out({static_cast<const char*>(text), size}, trace);
    ::munmap(text, size);
  }
  ::close(output);
  return trace;
}

}  // namespace pagefold::bindings
