#include "ld/debug/debug.h"

#include "ld/abi/glibc/exports/format.h"
#include "ld/base/sys.h"
#include "ld/base/text.h"
#include "ld/module/module.h"
#include "ld/module/published.h"
#include "ld/start/process.h"

namespace pagefold::ld::debug {

__attribute__((visibility("hidden"))) uint32_t mask = 0;
__attribute__((visibility("hidden"))) Statistics statistics;

namespace {

int64_t output = kStandardError;

struct Option {
  const char* name;
  const char* help;
  uint32_t flags;
};
constexpr uint32_t kAll = kLibs | kReloc | kFiles | kSymbols | kBindings | kVersions | kCalls | kScopes;
constexpr Option kOptions[] = {
    {"libs", "display library search paths", kLibs | kCalls},
    {"reloc", "display relocation processing", kReloc | kCalls},
    {"files", "display progress for input file", kFiles | kCalls},
    {"symbols", "display symbol table processing", kSymbols | kCalls},
    {"bindings", "display information about symbol binding", kBindings | kCalls},
    {"versions", "display version dependencies", kVersions | kCalls},
    {"scopes", "display scope information", kScopes},
    {"all", "all previous options combined", kAll},
    {"statistics", "display relocation statistics", kStatistics},
    {"unused", "determined unused DSOs", kUnused},
    {"help", "display this help message and exit", kHelp},
};

void print_help() {
  {
    Out out(kStandardOutput);
    out << "Valid options for the LD_DEBUG environment variable are:\n\n";
    for (const Option& option : kOptions) {
      out << "  " << option.name;
      for (size_t i = strlen(option.name); i < 12; ++i) out << ' ';
      out << option.help << '\n';
    }
    out << "\nTo direct the debugging output into a file instead of standard output\n"
           "a filename can be specified using the LD_DEBUG_OUTPUT environment variable.\n";
  }
  sys::exit_group(0);
}

bool separates(char c) { return c == ' ' || c == ',' || c == ':'; }

void take(const char* word, size_t size) {
  for (const Option& option : kOptions) {
    if (!equal(word, size, option.name)) continue;
    mask |= option.flags;
    return;
  }
  char* copy = duplicate(word, size);
  Out(kStandardError) << "warning: debug option `" << copy << "' unknown; try LD_DEBUG=help\n";
  release_string(copy);
}

void open_output(const char* name) {
  char number[24];
  unsigned at = sizeof(number) - 1;
  number[at] = '\0';
  for (auto pid = static_cast<uint64_t>(sys::getpid()); pid != 0; pid /= 10)
    number[--at] = static_cast<char>('0' + pid % 10);
  char* path = concatenate(name, ".", number + at);
  const int64_t fd =
      sys::open(path, sys::kWriteOnly | sys::kAppend | sys::kCreate | sys::kNoFollow | sys::kCloseOnExec, 0666);
  output = fd >= 0 ? fd : kStandardOutput;  // glibc's choice
  release_string(path);
}

void line(const char* text, uint64_t number, const char* unit = "") {
  Line().operator<<(text).number(number) << unit << '\n';
}

void share(const char* text, uint64_t cycles) {
  const uint64_t total = clock() - statistics.started;
  const uint64_t tenths = total == 0 ? 0 : cycles * 1000 / total;
  Line().operator<<(text).number(cycles).operator<<(" cycles (").number(tenths / 10).operator<<('.').number(tenths % 10)
      << "%)\n";
}

}  // namespace

Line::Line() : Out(output) { number(static_cast<uint64_t>(sys::getpid()), 10) << ":\t"; }

void print(const char* format, ...) {
  constexpr unsigned kWidth = 10;
  char prefix[kWidth + 3] = "          :\t";
  unsigned at = kWidth;
  for (auto pid = static_cast<uint64_t>(sys::getpid()); pid != 0 && at > 0; pid /= 10)
    prefix[--at] = static_cast<char>('0' + pid % 10);
  glibc::Printer printer(static_cast<int>(output), prefix);
  va_list arguments;
  va_start(arguments, format);
  printer.format(format, arguments);
  va_end(arguments);
  printer.flush();
}

const char* file_of(const Module& module) { return display_name(module); }

void start() {
  const char* at = process.debug;
  while (at != nullptr && *at != '\0') {
    const char* end = at;
    while (*end != '\0' && !separates(*end)) ++end;
    if (end > at) take(at, static_cast<size_t>(end - at));
    at = *end == '\0' ? end : end + 1;
  }
  if ((mask & kHelp) != 0) print_help();
  if (mask != 0 && process.debug_output != nullptr && *process.debug_output != '\0') open_output(process.debug_output);
}

void print_statistics() {
  Line() << '\n';
  Line() << "runtime linker statistics:\n";
  line("  total startup time in dynamic loader: ", clock() - statistics.started, " cycles");
  share("            time needed for relocation: ", statistics.relocation);
  line("                 number of relocations: ", statistics.relocations);
  line("      number of relocations from cache: ", statistics.cached);
  line("        number of relative relocations: ", statistics.relative);
  share("           time needed to load objects: ", statistics.load);
}

void print_final_statistics() {
  Line() << '\n';
  Line() << "runtime linker statistics:\n";
  line("           final number of relocations: ", statistics.relocations);
  line("final number of relocations from cache: ", statistics.cached);
}

void print_scope(Module& module, unsigned from) {
  Line().operator<<("object=").operator<<(file_of(module)) << " [0]\n";
  if (module.scope == nullptr || module.scope[from] == nullptr) {
    Line() << " no scope\n";
  } else {
    for (unsigned i = from; module.scope[i] != nullptr; ++i) {
      Line out;
      out.operator<<(" scope ").number(i) << ':';
      for (uint32_t k = 0; k < module.scope[i]->count; ++k) {
        const Module& listed = *module_of(module.scope[i]->list[k]);
        out << ' ' << file_of(listed);
      }
      out << '\n';
    }
  }
  Line() << '\n';
}

void tell_error(const char* object, const char* occasion, const char* text, bool fatal) {
  if (on(~kStatistics)) print("%s: error: %s: %s (%s)\n", object, occasion, text, fatal ? "fatal" : "continued");
}

}  // namespace pagefold::ld::debug
