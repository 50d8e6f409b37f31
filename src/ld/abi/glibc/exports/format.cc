// Formatting without a C library; also what libc prints with through ld.so (`_dl_fatal_printf`).
#include "ld/abi/glibc/exports/format.h"

#include <asm/unistd.h>

#include "ld/abi/glibc/exports/export.h"

namespace pagefold::ld::glibc {
namespace {

int64_t call(uint64_t number, uint64_t a, uint64_t b, uint64_t c) {
  int64_t result;
  asm volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
  return result;
}

// Digits of `value`, last first in `end[-1]`; the first digit's place.
char* digits(char* end, uint64_t value, unsigned base) {
  do {
    *--end = "0123456789abcdef"[value % base];
    value /= base;
  } while (value);
  return end;
}

struct Conversion {
  bool is_long = false, star = false;
  unsigned width = 0;
  char fill = ' ';
};

// Everything between % and the letter.
const char* parse(const char* p, Conversion& c, va_list& arguments, int& precision) {
  for (;; p++) {
    if (*p == '0' && c.width == 0)
      c.fill = '0';
    else if (*p >= '0' && *p <= '9')
      c.width = c.width * 10 + static_cast<unsigned>(*p - '0');
    else if (*p == '*')
      c.width = static_cast<unsigned>(va_arg(arguments, int));
    else if (*p == '.' && p[1] == '*')
      precision = va_arg(arguments, int), p++;
    else if (*p == 'l' || *p == 'z' || *p == 'Z')
      c.is_long = true;
    else
      return p;
  }
}

}  // namespace

void Printer::put(char c) {
  if (used_ == sizeof buffer_) flush();
  buffer_[used_++] = c;
}

Printer& Printer::bytes(const char* text, size_t size) {
  for (size_t i = 0; i < size; i++) {
    for (const char* p = prefix_; at_line_start_ && p && *p; p++) put(*p);
    put(text[i]);
    at_line_start_ = text[i] == '\n';
  }
  return *this;
}

Printer& Printer::text(const char* text) { return bytes(text, __builtin_strlen(text)); }

Printer& Printer::number(uint64_t value, unsigned base, unsigned width, char fill) {
  char place[24];
  const char* first = digits(place + sizeof place, value, base);
  const auto size = static_cast<size_t>(place + sizeof place - first);
  for (size_t i = size; i < width; i++) bytes(&fill, 1);
  return bytes(first, size);
}

void Printer::flush() {
  call(__NR_write, static_cast<uint64_t>(file_), reinterpret_cast<uint64_t>(buffer_), used_);
  used_ = 0;
}

void Printer::format(const char* p, va_list passed) {
  va_list arguments;
  va_copy(arguments, passed);
  for (; *p; p++) {
    if (*p != '%') {
      bytes(p, 1);
      continue;
    }
    Conversion c;
    int precision = -1;
    p = parse(p + 1, c, arguments, precision);
    if (*p == 's') {
      const char* s = va_arg(arguments, const char*);
      size_t size = __builtin_strlen(s);
      if (precision >= 0 && static_cast<size_t>(precision) < size) size = static_cast<size_t>(precision);
      bytes(s, size);
    } else if (*p == 'c') {
      const char one = static_cast<char>(va_arg(arguments, int));
      bytes(&one, 1);
    } else if (*p == 'd' || *p == 'i') {
      int64_t value = c.is_long ? va_arg(arguments, int64_t) : va_arg(arguments, int);
      if (value < 0) text("-"), value = -value;
      number(static_cast<uint64_t>(value), 10, c.width, c.fill);
    } else if (*p == 'u' || *p == 'x') {
      const uint64_t value = c.is_long ? va_arg(arguments, uint64_t) : va_arg(arguments, unsigned);
      number(value, *p == 'x' ? 16 : 10, c.width, c.fill);
    } else if (*p) {
      bytes(p, 1);
    } else {
      break;
    }
  }
  va_end(arguments);
}

void leave(int status) {
  for (;;) call(__NR_exit_group, static_cast<uint64_t>(status), 0, 0);
}

void format_padded(char* to, size_t size, const char* p, va_list passed) {
  va_list arguments;
  va_copy(arguments, passed);
  char* const end = to + size - 1;
  const auto put = [&](const char* text, size_t n) {
    while (n-- > 0 && to < end) *to++ = *text++;
  };
  for (; *p; p++) {
    if (*p != '%' || p[1] == 0) {
      put(p, 1);
      continue;
    }
    const bool is_long = (p[1] == 'l' || p[1] == 'z') && p[2] == 'x';
    p += is_long ? 2 : 1;
    if (*p == 's') {
      const char* s = va_arg(arguments, const char*);
      put(s, __builtin_strlen(s));
    } else if (*p == 'x') {
      char place[16];
      const size_t width = is_long ? 16 : 8;
      char* first =
          digits(place + sizeof place, is_long ? va_arg(arguments, uint64_t) : va_arg(arguments, unsigned), 16);
      while (first > place + sizeof place - width) *--first = '0';
      put(first, static_cast<size_t>(place + sizeof place - first));
    } else {
      put(p, 1);
    }
  }
  *to = 0;
  va_end(arguments);
}

}  // namespace pagefold::ld::glibc

using namespace pagefold::ld::glibc;

PAGEFOLD_EXPORT [[noreturn]] void _dl_fatal_printf(const char* format, ...) {
  Printer printer(2);
  va_list arguments;
  va_start(arguments, format);
  printer.format(format, arguments);
  va_end(arguments);
  printer.flush();
  leave(127);
}
