// The table of cases, and the sources for the compilers: generated, so that they are the same everywhere.
#include "bench/cases.h"

#include <fmt/format.h>

#include <fstream>

#include "bench/file_cases.h"

namespace pagefold::bench {
namespace {

constexpr int kDenseFunctions = 4;  // about two seconds of g++ 12 -O2

constexpr const char* kHello = R"(#include <stdio.h>
int main(void) {
  puts("hello");
  return 0;
}
)";

// Many instantiations of the standard library: memory-hungry, as real C++ is.
std::string dense_source() {
  std::string text = "#include <algorithm>\n#include <map>\n#include <string>\n#include <vector>\n";
  for (int i = 0; i < kDenseFunctions; ++i) {
    text += fmt::format(
        "struct K{0} {{ int a; long b; bool operator<(const K{0}& o) const {{ return a != o.a ? a < o.a : b < o.b; }} }};\n"
        "long f{0}(const std::vector<K{0}>& in, const std::string& s) {{\n"
        "  std::map<K{0}, std::vector<std::string>> m;\n"
        "  for (const K{0}& k : in) m[k].push_back(s + std::to_string(k.b + {0}));\n"
        "  std::vector<K{0}> keys(in);\n"
        "  std::sort(keys.begin(), keys.end());\n"
        "  std::stable_sort(keys.begin(), keys.end(), [](K{0} x, K{0} y) {{ return x.b * {1} < y.b; }});\n"
        "  long sum = 0;\n"
        "  for (auto& [k, v] : m) {{ std::sort(v.begin(), v.end()); for (auto& t : v) sum += long(t.size()) * k.a; }}\n"
        "  return sum + keys.front().b;\n"
        "}}\n",
        i, i + 3);
  }
  return text;
}

Result<void> write_file(const std::string& path, const std::string& text) {
  std::ofstream out(path);
  out << text;
  out.close();
  if (!out) return fail_errno("write " + path);
  return {};
}

// What loading costs, lazily and bound now. The bars are those of the loader's issue.
void add_load_cases(std::vector<Case>& cases) {
  struct Program {
    const char* name;
    const char* path;
    double bar;
    unsigned rounds;
  };
  constexpr Program kPrograms[] = {{"true", "/usr/bin/true", 0.85, 101},       {"ls", "/usr/bin/ls", 0.85, 101},
                                   {"python3", "/usr/bin/python3", 0.85, 101}, {"git", "/usr/bin/git", 0.85, 101},
                                   {"gdb", "/usr/bin/gdb", 1.0, 41},           {"clang", "/usr/bin/clang", 1.0, 41},
                                   {"ffmpeg", "/usr/bin/ffmpeg", 1.0, 31},     {"200-libs", kManyLibraries, 0.9, 41}};
  for (const Program& one : kPrograms) {
    const std::string name = std::string("load-") + one.name;
    cases.push_back({name, {one.path}, Measure::Load, {}, one.bar, one.rounds, 15});
    cases.push_back({name + "-now", {one.path}, Measure::Load, {}, one.bar, one.rounds, 15, true});
    cases.push_back({name + "-mem", {one.path}, Measure::LoadMemory, {}, {}, 5, 3});
  }
}

}  // namespace

std::vector<Case> all_cases(const std::string& programs) {
  const auto built = [&programs](const char* name) { return programs + "/" + name; };
  const std::string touch = built("touch_sequential");
  const std::vector<std::string> bash_loop = {"bash", "-c", "for ((i = 0; i < 200; i++)); do /bin/true; done"};
  std::vector<Case> cases = {
      {"python-import", {"/usr/bin/python3", "-c", "import json,re,os"}, Measure::Wall, 1.35, {}, 25, 7},
      {"gcc-hello", {"gcc", "hello.c", "-o", "hello"}, Measure::Wall, 1.5, {}, 15, 5},
      {"g++-O2", {"g++", "-O2", "-c", "dense.cc", "-o", "dense.o"}, Measure::Wall, 1.05, {}, 7, 2},
      {"bash-loop", bash_loop, Measure::Wall, 3, {}, 11, 3},
      {"fork-wait", {built("fork_wait")}, Measure::Printed, 4, {}, 15, 5},
      {"vfork-exec", {built("vfork_exec")}, Measure::Printed, 2, {}, 15, 5},
      {"touch-sequential", {touch, "400"}, Measure::Printed, 1.3, 1.0, 11, 3},
      {"touch-random", {built("touch_random"), "20000"}, Measure::Printed, {}, 5.5, 15, 5},
      {"mmap-munmap", {built("mmap_munmap")}, Measure::Printed, 4, {}, 15, 5},
      {"threads-touch", {built("threads_touch"), "100"}, Measure::Printed, 1.05, {}, 15, 5},
      {"compute", {built("compute")}, Measure::Printed, 1.01, {}, 11, 3},
      {"start-up", {"true"}, Measure::StartUp, 4, {}, 31, 9},
      {"memory-true", {"true"}, Measure::SupervisorMemory, 1, {}, 5, 2},
      {"memory-touch", {touch, "400"}, Measure::SupervisorMemory, 1, {}, 5, 2},
      {"memory-bash-loop", bash_loop, Measure::SupervisorMemory, 1, {}, 5, 2},
  };
  add_file_cases(cases, programs);
  add_load_cases(cases);
  // What the choice of the loader costs or saves in a guest, where each of its calls and faults is a message.
  const std::vector<std::string> python = {"/usr/bin/python3", "-c", "import json,re,os"};
  cases.push_back({"guest-true", {"/usr/bin/true"}, Measure::GuestLoader, {}, {}, 61, 15});
  cases.push_back({"guest-git", {"/usr/bin/git", "--version"}, Measure::GuestLoader, {}, {}, 61, 15});
  cases.push_back({"guest-gdb", {"/usr/bin/gdb", "--version"}, Measure::GuestLoader, {}, {}, 25, 7});
  cases.push_back({"guest-python", python, Measure::GuestLoader, {}, {}, 41, 11});
  cases.push_back({"guest-bash-loop", bash_loop, Measure::GuestLoader, {}, {}, 11, 3});
  return cases;
}

Result<void> write_sources(const std::string& directory) {
  PAGEFOLD_CHECK(write_file(directory + "/hello.c", kHello));
  return write_file(directory + "/dense.cc", dense_source());
}

}  // namespace pagefold::bench
