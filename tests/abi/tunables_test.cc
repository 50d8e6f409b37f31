// What GLIBC_TUNABLES and its aliases set, against `ld.so --list-tunables` of every libc here.
#include "ld/abi/glibc/tunables.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>

#include "abi/run.h"

namespace {

using namespace pagefold::ld::glibc;

struct Case {
  const char* name;
  std::vector<const char*> environment;
};

const Case kCases[] = {
    {"nothing", {}},
    {"several",
     {"GLIBC_TUNABLES=glibc.malloc.arena_max=0x2:glibc.malloc.perturb=010:glibc.malloc.arena_max=3:no.such=1"}},
    {"out of range", {"GLIBC_TUNABLES=glibc.malloc.perturb=256:glibc.malloc.arena_max=0:glibc.elision.tries=-1"}},
    {"not a number", {"GLIBC_TUNABLES=glibc.malloc.perturb=x7:glibc.malloc.arena_max=5z"}},
    {"no value", {"GLIBC_TUNABLES=glibc.malloc.arena_max:glibc.malloc.arena_test=4"}},
    {"empty value", {"GLIBC_TUNABLES=glibc.malloc.mxfast=:glibc.malloc.arena_test=4:"}},
    {"two signs of equality", {"GLIBC_TUNABLES=glibc.malloc.arena_test=4=5"}},
    {"end without value", {"GLIBC_TUNABLES=glibc.malloc.arena_test=4:glibc.malloc.arena_max"}},
    {"aliases", {"MALLOC_ARENA_MAX=1", "MALLOC_TOP_PAD_=65536", "MALLOC_PERTURB_=7", "MALLOC_CHECK_=3"}},
    {"alias and list", {"MALLOC_ARENA_MAX=1", "GLIBC_TUNABLES=glibc.malloc.arena_max=7"}},
    {"blanks and signs", {"GLIBC_TUNABLES=glibc.malloc.arena_max= +12:glibc.malloc.mmap_threshold=-4096"}},
    {"huge",
     {"GLIBC_TUNABLES=glibc.malloc.mmap_threshold=18446744073709551615:glibc.malloc.arena_max="
      "99999999999999999999999"}},
    {"namespaces", {"GLIBC_TUNABLES=glibc.rtld.nns=9:glibc.rtld.optional_static_tls=1024:glibc.pthread.rseq=0"}},
};

// "glibc.malloc.perturb: 0 (min: 0, max: 255)" -> value
std::map<std::string, uint64_t> listed(const std::string& text) {
  std::map<std::string, uint64_t> values;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const size_t colon = line.find(": ");
    if (!line.starts_with("glibc.") || colon == std::string::npos) continue;
    const char* end;
    values[line.substr(0, colon)] = parse_number(line.c_str() + colon + 2, &end);
  }
  return values;
}

void compare(const Build& build, const std::string& ld_so) {
  for (const Case& one : kCases) {
    SCOPED_TRACE(std::string(build.version) + ", " + one.name);
    std::string command = "env -i";
    for (const char* variable : one.environment) command += " '" + std::string(variable) + "'";
    const abi_test::Outcome genuine = abi_test::run(command + " " + ld_so + " --list-tunables");
    ASSERT_EQ(genuine.code, 0) << genuine.output;
    std::vector<const char*> environment = one.environment;
    environment.push_back(nullptr);
    Tunables tunables;
    const char* reason = tunables.read(build, environment.data());
    EXPECT_EQ(reason != nullptr, genuine.output.find("WARNING") != std::string::npos) << genuine.output;
    if (reason) continue;
    const auto values = listed(genuine.output);
    ASSERT_GT(values.size(), 20u);
    for (const auto& [name, value] : values) {
      if (name.starts_with("glibc.cpu.")) continue;  // computed from the processor
      EXPECT_EQ(tunables.number(name.c_str(), 0xdead), value) << name;
    }
  }
}

const Build* build_named(const std::string& version) {
  for (const Build& build : known_builds())
    if (version == build.version) return &build;
  return nullptr;
}

TEST(TunablesOfGenuine, ListIsWhatOursReads) {
  int compared = 0;
  const abi_test::Outcome own = abi_test::run("/lib64/ld-linux-x86-64.so.2 --version");
  const size_t at = own.output.find("GLIBC ");
  if (at != std::string::npos)
    if (const Build* build = build_named(own.output.substr(at + 6, own.output.find(')', at) - at - 6))) {
      compare(*build, "/lib64/ld-linux-x86-64.so.2");
      compared++;
    }
  for (const auto& libc : abi_test::other_libcs())
    if (const Build* build = build_named(libc.version)) {
      compare(*build, libc.folder + "/ld-linux-x86-64.so.2");
      compared++;
    }
  if (!compared) GTEST_SKIP() << "no libc with a table here";
}

}  // namespace
