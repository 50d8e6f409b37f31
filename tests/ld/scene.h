// A scene: a folder with small libraries and one program, built to order with gcc, and run under two loaders.
//
// The genuine loader is the oracle. A program prints what it sees (never an address, an id or a time); each run is
// done twice, with the loader named in PT_INTERP and with the loader as the command (`ld.so prog`), under the genuine
// loader and under ours; streams and exit codes must agree. PT_INTERP of every program is a link in the scene's folder
// that is pointed at the loader of the run, so both run the very same file. Names of loaders and of the folder are
// replaced by LOADER and SCENE in what is compared. The loader under test is $PAGEFOLD_LOADER, or the built one.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "guest/runner.h"

namespace pagefold::ld_test {

using guest_test::RunResult;

struct Build {
  std::vector<std::string> needs = {};  // libraries by name; the order is that of DT_NEEDED
  std::vector<std::string> flags = {};  // further words for gcc
  std::string runpath = "$ORIGIN";      // DT_RUNPATH; empty: none
  bool soname = true;                   // DT_SONAME is the file's name
  const char* language = "c";           // as gcc -x takes it: c, c++, assembler
};

class Scene {
 public:
  Scene();

  // <name>.so from a source of a few lines; "sub/x" is sub/x.so. Throws what gcc said when it fails.
  Scene& library(const std::string& name, const std::string& source, const Build& build = {});

  // The same library for the linker only, without code: for cycles, and for libraries that will be missing.
  Scene& stub(const std::string& name);

  // The file `prog`.
  Scene& program(const std::string& source, const Build& build = {});

  Scene& file(const std::string& name, const std::string& contents);
  Scene& folder(const std::string& name);

  // Runs a command that takes part in building (ld, as, ldconfig) in the scene's folder; throws what it said when it
  // fails.
  Scene& make(const std::vector<std::string>& command);

  [[nodiscard]] std::string path(const std::string& name) const { return folder_.path() + "/" + name; }
  [[nodiscard]] static std::string library_file(const std::string& name);

 private:
  std::vector<std::string> link_words(const Build& build) const;
  void compile(const std::string& output, const std::string& source, const Build& build,
               std::vector<std::string> words);

  guest_test::FreshDirectory folder_;
};

enum class Way { Interpreter, Command };

struct Start {
  std::vector<std::string> arguments = {};       // of the program
  std::vector<std::string> environment = {};     // NAME=value; SCENE stands for the folder
  std::vector<std::string> loader_options = {};  // for Way::Command
  std::vector<std::string> wrapper = {};         // a command that execs what follows it, e.g. {"unshare", ...}
  std::vector<Way> ways = {Way::Interpreter, Way::Command};
  std::string program = "prog";
  std::string directory = {};  // working directory; empty: a fresh one
  std::chrono::milliseconds timeout{20'000};
};

const std::string& genuine_loader();
const std::string& tested_loader();

// One run. Streams are normalised.
RunResult run_under(const std::string& loader, const Scene& scene, Way way, const Start& start);

// Runs the scene in each way under both loaders and expects that they agree. The result is the genuine loader's, of
// the first way, so that a test can also say what the rule is.
RunResult agreed(const Scene& scene, const Start& start = {});

// Empty when the two runs look the same.
std::string difference_between(const RunResult& genuine, const RunResult& tested);

int glibc_minor();  // 36 for glibc 2.36: some rules changed

bool may_mount();  // root, and mount namespaces are permitted

}  // namespace pagefold::ld_test
