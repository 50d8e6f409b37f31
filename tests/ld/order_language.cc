// All libraries are linked from one object and a name, so that a scene of many is built with one run of the compiler.
#include "order_language.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace pagefold::ld_test {
namespace {

constexpr const char* kLibrary = R"(
extern const char name[] __attribute__((visibility("hidden")));
ON_LOAD load(void) { say("+%s\n", name); }
ON_UNLOAD unload(void) { say("-%s\n", name); }
)";

constexpr const char* kProgram = R"(
#include <dlfcn.h>
#include <stdio.h>
int main(int count, char** words) {
  void* handle[256] = {0};
  say("main\n");
  for (int i = 1; i < count; ++i) {
    unsigned char name = words[i][1];
    say(words[i][0] == '+' ? "open %c\n" : "close %c\n", name);
    char file[16];
    snprintf(file, sizeof file, "%c.so", name);
    if (words[i][0] == '+' && !(handle[name] = dlopen(file, RTLD_NOW))) say("%s\n", dlerror());
    if (words[i][0] == '-' && dlclose(handle[name])) say("%s\n", dlerror());
  }
  say("end\n");
  return 0;
}
)";

std::vector<std::string> split(std::string text, const std::string& separator) {
  std::erase(text, ' ');
  std::vector<std::string> parts;
  for (std::size_t at = 0; (at = text.find(separator)) != std::string::npos; text.erase(0, at + separator.size())) {
    parts.push_back(text.substr(0, at));
  }
  parts.push_back(text);
  return parts;
}

std::vector<std::string> members(const std::string& group) {
  std::vector<std::string> names;
  if (group.starts_with('[') && group.ends_with(']')) {
    names = split(group.substr(1, group.size() - 2), ",");
  } else {
    names = {group};
  }
  for (const std::string& name : names) {
    if (name.empty() || name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789") != std::string::npos) {
      throw std::invalid_argument("not a library's name: \"" + name + "\"");
    }
  }
  return names;
}

void mention(Needs& result, const std::string& name) {
  if (name != "prog" && std::ranges::find(result.names, name) == result.names.end()) result.names.push_back(name);
}

}  // namespace

Needs parse_order(const std::string& text) {
  Needs result;
  for (const std::string& statement : split(text, ";")) {
    const std::vector<std::string> groups = split(statement, "->");
    for (std::size_t i = 0; i < groups.size(); ++i) {
      for (const std::string& name : members(groups[i])) {
        mention(result, name);
        if (i + 1 == groups.size()) continue;
        for (const std::string& need : members(groups[i + 1])) result.needs[name].push_back(need);
      }
    }
  }
  return result;
}

void build_order(Scene& scene, const std::string& text) {
  const Needs order = parse_order(text);
  scene.file("say.c", kLibrary);
  scene.make({"gcc", "-O1", "-fPIC", "-c", "-include", PAGEFOLD_LD_TESTS "/say.h", "say.c"});
  for (const std::string& name : order.names) scene.stub(name);
  for (const std::string& name : order.names) {
    scene.file("name.s",
               ".section .rodata\n.globl name\nname: .asciz \"" + name + "\"\n.section .note.GNU-stack,\"\"\n");
    scene.make({"as", "-o", "name.o", "name.s"});
    const std::string file = Scene::library_file(name);
    std::vector<std::string> link = {"ld",     "-shared", "-soname", file,    "-o",    file,
                                     "-rpath", "$ORIGIN", "-Lstubs", "say.o", "name.o"};
    const auto needs = order.needs.find(name);
    if (needs != order.needs.end()) {
      for (const std::string& need : needs->second) link.push_back("-l:" + Scene::library_file(need));
    }
    link.push_back("-lc");
    scene.make(link);
  }
  const auto needs = order.needs.find("prog");
  scene.program(kProgram, {.needs = needs == order.needs.end() ? std::vector<std::string>{} : needs->second});
}

std::string told_order(const RunResult& result) {
  std::string line = result.out;
  std::ranges::replace(line, '\n', ' ');
  while (line.ends_with(' ')) line.pop_back();
  return line;
}

}  // namespace pagefold::ld_test
