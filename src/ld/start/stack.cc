#include "ld/start/stack.h"

#include "ld/base/arena.h"
#include "ld/base/text.h"
#include "ld/start/process.h"

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

namespace pagefold::ld {
namespace {

// Arguments, environment and auxiliary vector as they were: the words only, the strings above them are never changed.
uint64_t* kept = nullptr;
size_t kept_size = 0;  // bytes

const Elf64_auxv_t* auxiliary_end() {
  const Elf64_auxv_t* end = process.auxv;
  while (end->a_type != AT_NULL) ++end;
  return end + 1;
}

void find_parts(uint64_t* stack) {
  process.stack = stack;
  process.argc = static_cast<int>(*stack);
  process.argv = reinterpret_cast<char**>(stack + 1);
  process.envp = process.argv + process.argc + 1;
  char** end = process.envp;
  while (*end != nullptr) ++end;
  process.auxv = reinterpret_cast<Elf64_auxv_t*>(end + 1);
}

void read_auxiliary() {
  for (const Elf64_auxv_t* entry = process.auxv; entry->a_type != AT_NULL; ++entry) {
    const uint64_t value = entry->a_un.a_val;
    switch (entry->a_type) {
      case AT_PHDR:
        process.headers = reinterpret_cast<const Elf64_Phdr*>(value);
        break;
      case AT_PHNUM:
        process.header_count = value;
        break;
      case AT_PAGESZ:
        process.page_size = value;
        break;
      case AT_ENTRY:
        process.entry = value;
        break;
      case AT_BASE:
        process.base = value;
        break;
      case AT_SYSINFO_EHDR:
        process.vdso = value;
        break;
      case AT_HWCAP:
        process.hwcap = value;
        break;
      case AT_HWCAP2:
        process.hwcap2 = value;
        break;
      case AT_CLKTCK:
        process.clock_ticks = value;
        break;
      case AT_MINSIGSTKSZ:
        process.smallest_signal_stack = value;
        break;
      case AT_RANDOM:
        process.random = reinterpret_cast<const uint64_t*>(value);
        break;
      case AT_PLATFORM:
        process.platform = reinterpret_cast<const char*>(value);
        break;
      case AT_EXECFN:
        process.executable = reinterpret_cast<const char*>(value);
        break;
      case AT_SECURE:
        process.secure = value != 0;
        break;
      default:
        break;
    }
  }
}

struct Variable {
  const char* name;
  void (*take)(const char* value);
};

bool is_set(const char* value) { return *value != '\0'; }

constexpr Variable kVariables[] = {
    {"LIBRARY_PATH", [](const char* value) { process.library_path = value; }},
    {"PRELOAD", [](const char* value) { process.preload = value; }},
    {"DEBUG", [](const char* value) { process.debug = value; }},
    {"DEBUG_OUTPUT", [](const char* value) { process.debug_output = value; }},
    {"BIND_NOW", [](const char* value) { process.bind_now = is_set(value); }},
    {"BIND_NOT", [](const char* value) { process.bind_not = is_set(value); }},
    {"WARN", [](const char* value) { process.warn = is_set(value); }},
    {"VERBOSE", [](const char* value) { process.verbose = is_set(value); }},
    {"DYNAMIC_WEAK", [](const char*) { process.dynamic_weak = true; }},
    {"ORIGIN_PATH", [](const char* value) { process.origin_path = value; }},
    {"TRACE_LOADED_OBJECTS", [](const char*) { process.mode = Mode::kTrace; }},
};

}  // namespace

void read_stack(uint64_t* stack) {
  find_parts(stack);
  read_auxiliary();
}

void read_environment() {
  for (char** variable = process.envp; *variable != nullptr; ++variable) {
    const char* text = *variable;
    if (text[0] != 'L' || text[1] != 'D' || text[2] != '_') continue;
    text += 3;
    for (const Variable& known : kVariables) {
      const size_t size = strlen(known.name);
      if (!starts_with(text, known.name) || text[size] != '=') continue;
      known.take(text + size + 1);
      break;
    }
  }
}

void drop_arguments(int count) {
  uint64_t* stack = process.stack;
  const Elf64_auxv_t* end = auxiliary_end();
  const uint64_t* from = stack + 1 + count;
  memmove(stack + 1, from,
          static_cast<size_t>(reinterpret_cast<const char*>(end) - reinterpret_cast<const char*>(from)));
  *stack = static_cast<uint64_t>(process.argc - count);
  find_parts(stack);
}

void keep_initial_stack() {
  kept_size = static_cast<size_t>(reinterpret_cast<const char*>(auxiliary_end()) -
                                  reinterpret_cast<const char*>(process.stack));
  kept = static_cast<uint64_t*>(allocate(kept_size));
  memcpy(kept, process.stack, kept_size);
}

void restore_initial_stack() {
  if (kept == nullptr) return;
  memcpy(process.stack, kept, kept_size);
  find_parts(process.stack);
}

void set_auxiliary(uint64_t type, uint64_t value) {
  for (Elf64_auxv_t* entry = process.auxv; entry->a_type != AT_NULL; ++entry)
    if (entry->a_type == type) entry->a_un.a_val = value;
}

}  // namespace pagefold::ld
