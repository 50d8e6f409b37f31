// The few printf conversions that glibc's ld.so understands (elf/dl-printf.c): %s %.*s %c %d %i %u %x with l, z, widths
// and 0, and %%.
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

namespace pagefold::ld::glibc {

// Collects text and writes it with few system calls.
class Printer {
 public:
  // `prefix`, if given, begins each line.
  explicit Printer(int file, const char* prefix = nullptr) : file_(file), prefix_(prefix) {}
  Printer& text(const char* text);
  Printer& bytes(const char* text, size_t size);
  Printer& number(uint64_t value, unsigned base, unsigned width, char fill);
  void format(const char* format, va_list arguments);
  void flush();

 private:
  void put(char c);

  int file_;
  const char* prefix_;
  bool at_line_start_ = true;
  size_t used_ = 0;
  char buffer_[512];
};

[[noreturn]] void leave(int status);

// `_dl_exception_create_format`'s own dialect: %s %x %lx %zx %%, numbers in full width with zeros. Cut off at `size`.
void format_padded(char* to, size_t size, const char* format, va_list arguments);

}  // namespace pagefold::ld::glibc
