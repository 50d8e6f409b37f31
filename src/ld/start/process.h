// What the kernel and the user gave this process: the initial stack (arguments, environment, auxiliary vector) and the
// settings read from it. Filled by the first stage of start/, read-only afterwards.
#pragma once

#include <elf.h>
#include <stddef.h>
#include <stdint.h>

namespace pagefold::ld {

enum class Mode : uint8_t { kRun, kList, kVerify, kTrace };

struct Process {
  uint64_t* stack = nullptr;  // argc lies here
  int argc = 0;
  char** argv = nullptr;
  char** envp = nullptr;
  Elf64_auxv_t* auxv = nullptr;

  // The auxiliary vector's entries that are used.
  uint64_t page_size = 4096;
  const Elf64_Phdr* headers = nullptr;
  uint64_t header_count = 0;
  uint64_t entry = 0, base = 0, vdso = 0, hwcap2 = 0, clock_ticks = 100, smallest_signal_stack = 0, hwcap = 0;
  const uint64_t* random = nullptr;  // 16 bytes
  const char* platform = nullptr;
  const char* executable = nullptr;  // AT_EXECFN
  bool secure = false;

  Mode mode = Mode::kRun;
  bool direct = false;  // started as a command: ld-pagefold.so prog args
  bool bind_now = false;
  bool bind_not = false;  // LD_BIND_NOT: do not store what a lazy call finds
  bool warn = false;      // LD_WARN, LD_BIND_NOW while tracing: ldd -r, ldd -d
  bool verbose = false;   // LD_VERBOSE, ldd -v
  bool dynamic_weak = false;
  bool inhibit_cache = false;
  const char* library_path = nullptr;
  const char* inhibit_rpath = nullptr;
  const char* preload = nullptr;         // LD_PRELOAD
  const char* preload_option = nullptr;  // --preload
  const char* debug = nullptr;
  const char* debug_output = nullptr;
  const char* origin_path = nullptr;
  const char* argv0 = nullptr;           // --argv0
  const char* hwcaps_mask = nullptr;     // --glibc-hwcaps-mask
  const char* hwcaps_prepend = nullptr;  // --glibc-hwcaps-prepend
};

extern Process process;

// argv[0], for messages; before there is one, the loader's name.
const char* program_name();

}  // namespace pagefold::ld
