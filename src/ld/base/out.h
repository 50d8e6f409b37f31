// Text for people: a buffer on the stack that is written with one system call when it ends. The message of a failure is
// glibc's wherever glibc has one.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace pagefold::ld {

inline constexpr int kStandardOutput = 1, kStandardError = 2;

class Out {
 public:
  explicit Out(int64_t fd) : fd_(fd) {}
  ~Out() { flush(); }
  Out(const Out&) = delete;
  Out& operator=(const Out&) = delete;

  Out& operator<<(const char* text);
  Out& operator<<(char c) { return put(c), *this; }
  Out& text(const char* text, size_t size);
  // Right-aligned in `width` columns.
  Out& number(uint64_t value, unsigned width = 0);
  Out& hex(uint64_t value, unsigned digits = 0);  // "0x" + at least so many digits
  void flush();

 private:
  void put(char c) {
    if (used_ == sizeof(buffer_)) flush();
    buffer_[used_++] = c;
  }

  int64_t fd_;
  size_t used_ = 0;
  char buffer_[1024];
};

// Strings put together in the arena.
char* concatenate(const char* a, const char* b, const char* c = "", const char* d = "", const char* e = "");

// The English text of an errno as glibc's strerror has it, for the few a loader meets.
const char* error_text(int error);

// Ends the process with a message: for what can only happen while nobody could catch an error.
[[noreturn]] void fatal(const char* what, const char* object = "");

}  // namespace pagefold::ld
