#include "ld/start/options.h"

#include "ld/base/out.h"
#include "ld/base/sys.h"
#include "ld/base/text.h"
#include "ld/start/process.h"

#ifndef PAGEFOLD_VERSION
#define PAGEFOLD_VERSION "unknown"
#endif

namespace pagefold::ld {
namespace {

constexpr const char* kHelp =
    "You have invoked 'ld-pagefold.so', the dynamic loader of Pagefold for glibc programs on x86-64.\n"
    "It finds the shared libraries a program needs, maps them, binds their symbols, and starts the program.\n"
    "\n"
    "Options:\n"
    "  --list                list all dependencies and how they are resolved\n"
    "  --verify              verify that given object really is a dynamically linked\n"
    "                        object we can handle\n"
    "  --inhibit-cache       do not use /etc/ld.so.cache\n"
    "  --library-path PATH   use given PATH instead of content of the environment\n"
    "                        variable LD_LIBRARY_PATH\n"
    "  --glibc-hwcaps-prepend LIST\n"
    "                        search glibc-hwcaps subdirectories in LIST\n"
    "  --glibc-hwcaps-mask LIST\n"
    "                        only search built-in subdirectories if in LIST\n"
    "  --inhibit-rpath LIST  ignore RUNPATH and RPATH information in object names\n"
    "                        in LIST\n"
    "  --preload LIST        preload objects named in LIST\n"
    "  --argv0 STRING        set argv[0] to STRING before running\n"
    "  --audit LIST, --list-tunables, --list-diagnostics\n"
    "                        done by the system's own ld.so\n"
    "  --help                display this help and exit\n"
    "  --version             output version information and exit\n";

[[noreturn]] void print_and_exit(const char* text) {
  {
    Out(kStandardOutput) << "Usage: " << program_name() << " [OPTION]... EXECUTABLE-FILE [ARGS-FOR-PROGRAM...]\n"
                         << text;
  }
  sys::exit_group(0);
}

[[noreturn]] void usage(const char* problem, const char* what) {
  {
    Out(kStandardError) << program_name() << ": " << problem << what << "\nTry '" << program_name()
                        << " --help' for more information.\n";
  }
  sys::exit_group(1);
}

struct Option {
  const char* name;
  bool has_value;
  void (*take)(const char* value);
};

const char* argv0 = nullptr;

constexpr Option kOptions[] = {
    {"--list", false, [](const char*) { process.mode = Mode::kList; }},
    {"--verify", false, [](const char*) { process.mode = Mode::kVerify; }},
    {"--inhibit-cache", false, [](const char*) { process.inhibit_cache = true; }},
    {"--library-path", true, [](const char* value) { process.library_path = value; }},
    {"--glibc-hwcaps-prepend", true, [](const char* value) { process.hwcaps_prepend = value; }},
    {"--glibc-hwcaps-mask", true, [](const char* value) { process.hwcaps_mask = value; }},
    {"--inhibit-rpath", true, [](const char* value) { process.inhibit_rpath = value; }},
    {"--preload", true, [](const char* value) { process.preload_option = value; }},
    {"--argv0", true, [](const char* value) { argv0 = value; }},
    {"--help", false, [](const char*) { print_and_exit(kHelp); }},
    {"--version", false,
     [](const char*) {
       { Out(kStandardOutput) << "ld-pagefold.so (Pagefold) " PAGEFOLD_VERSION "\n"; }
       sys::exit_group(0);
     }},
};
constexpr const char* kForeign[] = {"--audit", "--list-tunables", "--list-diagnostics"};

const Option* option_named(const char* text) {
  for (const Option& option : kOptions)
    if (equal(text, option.name)) return &option;
  return nullptr;
}

}  // namespace

int read_options(const char*& foreign) {
  int at = 1;
  for (; at < process.argc && process.argv[at][0] == '-'; ++at) {
    const char* text = process.argv[at];
    if (equal(text, "--")) {
      ++at;
      break;
    }
    for (const char* name : kForeign) {
      if (!starts_with(text, name)) continue;
      foreign = name;
      return 0;
    }
    const Option* option = option_named(text);
    if (option == nullptr) {
      if (text[1] == '-') usage("unrecognized option: ", text);
      break;
    }
    if (option->has_value && at + 1 >= process.argc) usage("missing argument for option: ", text);
    option->take(option->has_value ? process.argv[++at] : nullptr);
  }
  if (at >= process.argc) usage("missing program name", "");
  if (argv0 != nullptr) process.argv0 = argv0;
  return at;
}

}  // namespace pagefold::ld
