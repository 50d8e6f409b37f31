// What a program that opens libraries may use: open one and look a function up, and say what went wrong.
#pragma once

#include <string>

namespace pagefold::ld_test {

inline constexpr const char* kTools = R"(
#include <dlfcn.h>
#include <link.h>
#include <string.h>
static void* opened(const char* name, int flags) {
  void* handle = dlopen(name, flags);
  if (!handle) say("%s\n", dlerror());
  return handle;
}
static const char* call(void* handle, const char* name) {
  const char* (*f)(void) = dlsym(handle, name);
  if (f) return f();
  static char kept[4][300];  // the next call of any dl function may free what dlerror gave
  static unsigned turn;
  return strncpy(kept[turn++ % 4], dlerror(), 299);
}
static const char* last(const char* path) { return !path ? "null" : strrchr(path, '/') ? strrchr(path, '/') + 1 : path; }
)";

inline std::string program(const std::string& body, const std::string& before = "") {
  return kTools + before + "int main(int count, char** words) {\n" + body + "\nreturn count > 9 && words == 0;\n}\n";
}

}  // namespace pagefold::ld_test
