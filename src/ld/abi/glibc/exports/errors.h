// Errors that cross the border to libc. Inside the loader an error is a value; at the border it becomes a `struct
// dl_exception` that unwinds to whoever waits for it. Who keeps the list of those who wait has moved: up to 2.36 libc
// (its `_dl_signal_error` must be called, and `_dl_catch_error` in `_rtld_global_ro` is libc's), since 2.37 ld.so
// itself (a pointer in struct pthread).
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "ld/abi/glibc/layout.h"

namespace pagefold::ld::glibc {

// struct dl_exception, the same in all releases since 2.26.
struct Exception {
  const char* object;
  const char* text;
  char* buffer;  // what must be freed, or null
};

extern "C" {
using Operate = void (*)(void*);
using CatchError = int (*)(const char** object, const char** text, bool* allocated, Operate operate, void* argument);
using SignalException = void (*)(int code, Exception* exception, const char* occasion);
}

// Called once at start, before the first dlopen. `allocate` and `release`: libc's malloc and free, or what stands for
// them.
struct ErrorBorder {
  const Layout* layout;
  uint32_t minor;
  void* (*allocate)(size_t);
  void (*release)(void*);
  const char* (*text_of_errno)(int);
  const char* program;                    // argv[0], for fatal messages
  SignalException libc_signal_exception;  // 2.36 and before: libc's GLIBC_PRIVATE symbols; else null
  CatchError libc_catch_error;
};
void set_error_border(const ErrorBorder& border);

// Values for `_rtld_global_ro`.
CatchError catch_error_function();
void free_error(void* text);

// Unwinds to libc, or prints glibc's fatal message and exits with 127 if nobody waits.
[[noreturn]] void signal_error(int code, const char* object, const char* occasion, const char* text);

}  // namespace pagefold::ld::glibc
