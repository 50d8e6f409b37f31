// The exported functions of elf/dl-exception.c and dl-catch.c. Unwinding is the compiler's setjmp: frame, stack and
// address, no mask.
#include "ld/abi/glibc/exports/errors.h"

#include "ld/abi/glibc/exports/export.h"

#include <stdarg.h>

#include "ld/abi/glibc/exports/format.h"

namespace pagefold::ld::glibc {
namespace {

ErrorBorder border;
constexpr char kOutOfMemory[] = "out of memory";
constexpr uint32_t kCatchMovedToLoader = 37;

// Somebody who waits for an error; on the stack of catch_exception.
struct Catch {
  Exception* exception;
  volatile int code;
  void* environment[5];
};

Catch*& waiting() {
  char* thread;
  asm("mov %%fs:%c1, %0" : "=r"(thread) : "i"(16));  // tcbhead_t.self, the same in all releases
  return *reinterpret_cast<Catch**>(thread + border.layout->pthread.rtld_catch);
}

[[noreturn]] void fatal(int code, const char* object, const char* occasion, const char* text) {
  Printer printer(2);
  printer.text(border.program ? border.program : "ld-pagefold").text(": ");
  printer.text(occasion ? occasion : "error while loading shared libraries").text(": ");
  printer.text(object).text(*object ? ": " : "").text(text);
  if (code) printer.text(": ").text(border.text_of_errno(code));
  printer.text("\n");
  printer.flush();
  leave(127);
}

[[noreturn]] void unwind(Catch* to, int code) {
  to->code = code;
  __builtin_longjmp(to->environment, 1);
}

// Not inlined: a function that calls setjmp must not share its frame.
__attribute__((noinline)) bool run_guarded(Catch& guard, Operate operate, void* argument) {
  if (__builtin_setjmp(guard.environment) != 0) return false;
  operate(argument);
  return true;
}

void out_of_memory(Exception* exception) { *exception = {"", kOutOfMemory, nullptr}; }

// Text, then object, in one piece.
void join(Exception* exception, const char* object, const char* text) {
  const size_t text_size = __builtin_strlen(text) + 1, object_size = __builtin_strlen(object) + 1;
  char* buffer = static_cast<char*>(border.allocate(text_size + object_size));
  if (!buffer) return out_of_memory(exception);
  __builtin_memcpy(buffer, text, text_size);
  __builtin_memcpy(buffer + text_size, object, object_size);
  *exception = {buffer + text_size, buffer, buffer};
}

}  // namespace

void set_error_border(const ErrorBorder& b) { border = b; }

void free_error(void* text) {
  if (text != kOutOfMemory) border.release(text);
}

}  // namespace pagefold::ld::glibc

using namespace pagefold::ld::glibc;

PAGEFOLD_EXPORT void _dl_exception_create(Exception* exception, const char* object, const char* text) {
  join(exception, object ? object : "", text);
}

PAGEFOLD_EXPORT void _dl_exception_create_format(Exception* exception, const char* object, const char* format, ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  format_padded(text, sizeof text, format, arguments);
  va_end(arguments);
  join(exception, object ? object : "", text);
}

PAGEFOLD_EXPORT void _dl_exception_free(Exception* exception) {
  border.release(exception->buffer);
  *exception = {};
}

PAGEFOLD_EXPORT [[noreturn]] void _dl_signal_exception(int code, Exception* exception, const char* occasion) {
  if (border.libc_signal_exception) {
    border.libc_signal_exception(code, exception, occasion);
    __builtin_unreachable();
  }
  if (Catch* to = waiting()) {
    *to->exception = *exception;
    unwind(to, code);
  }
  fatal(code, exception->object, occasion, exception->text);
}

PAGEFOLD_EXPORT [[noreturn]] void _dl_signal_error(int code, const char* object, const char* occasion,
                                                   const char* text) {
  Exception exception;
  _dl_exception_create(&exception, object, text ? text : "DYNAMIC LINKER BUG!!!");
  _dl_signal_exception(code, &exception, occasion);
}

PAGEFOLD_EXPORT int _dl_catch_exception(Exception* exception, Operate operate, void* argument) {
  Catch* const before = waiting();
  if (!exception) {  // errors inside are fatal
    waiting() = nullptr;
    operate(argument);
    waiting() = before;
    return 0;
  }
  Catch guard;
  guard.exception = exception;
  waiting() = &guard;
  const bool finished = run_guarded(guard, operate, argument);
  waiting() = before;
  if (!finished) return guard.code;
  *exception = {};
  return 0;
}

PAGEFOLD_EXPORT int _dl_catch_error(const char** object, const char** text, bool* allocated, Operate operate,
                                    void* argument) {
  if (border.libc_catch_error) return border.libc_catch_error(object, text, allocated, operate, argument);
  Exception exception;
  const int code = _dl_catch_exception(&exception, operate, argument);
  *object = exception.object;
  *text = exception.text;
  *allocated = exception.buffer == exception.text;
  return code;
}

namespace pagefold::ld::glibc {

CatchError catch_error_function() { return border.libc_catch_error ? border.libc_catch_error : _dl_catch_error; }

void signal_error(int code, const char* object, const char* occasion, const char* text) {
  _dl_signal_error(code, object, occasion, text);
}

}  // namespace pagefold::ld::glibc
