#include "ld/base/out.h"

#include "ld/base/arena.h"
#include "ld/base/sys.h"
#include "ld/base/text.h"

namespace pagefold::ld {

Out& Out::operator<<(const char* s) {
  while (*s != '\0') put(*s++);
  return *this;
}

Out& Out::text(const char* s, size_t size) {
  for (size_t i = 0; i < size; ++i) put(s[i]);
  return *this;
}

Out& Out::number(uint64_t value, unsigned width) {
  char digits[20];
  unsigned count = 0;
  do digits[count++] = static_cast<char>('0' + value % 10);
  while ((value /= 10) != 0);
  for (unsigned i = count; i < width; ++i) put(' ');
  while (count > 0) put(digits[--count]);
  return *this;
}

Out& Out::hex(uint64_t value, unsigned width) {
  put('0');
  put('x');
  unsigned digits = 16;
  while (digits > 1 && digits > width && (value >> (digits - 1) * 4) == 0) --digits;
  while (digits > 0) put("0123456789abcdef"[value >> --digits * 4 & 15]);
  return *this;
}

void Out::flush() {
  const char* from = buffer_;
  while (used_ > 0) {
    const int64_t written = sys::write(fd_, from, used_);
    if (written <= 0) break;
    from += written;
    used_ -= static_cast<size_t>(written);
  }
  used_ = 0;
}

char* concatenate(const char* a, const char* b, const char* c, const char* d, const char* e) {
  const char* const parts[] = {a, b, c, d, e};
  size_t size = 1;
  for (const char* part : parts) size += strlen(part);
  char* whole = static_cast<char*>(allocate(size));
  char* to = whole;
  for (const char* part : parts) {
    const size_t length = strlen(part);
    memcpy(to, part, length);
    to += length;
  }
  *to = '\0';
  return whole;
}

const char* error_text(int error) {
  struct Row {
    int error;
    const char* text;
  };
  static constexpr Row rows[] = {
      {1, "Operation not permitted"},
      {2, "No such file or directory"},
      {4, "Interrupted system call"},
      {5, "Input/output error"},
      {9, "Bad file descriptor"},
      {12, "Cannot allocate memory"},
      {13, "Permission denied"},
      {14, "Bad address"},
      {16, "Device or resource busy"},
      {17, "File exists"},
      {19, "No such device"},
      {20, "Not a directory"},
      {21, "Is a directory"},
      {22, "Invalid argument"},
      {23, "Too many open files in system"},
      {24, "Too many open files"},
      {26, "Text file busy"},
      {27, "File too large"},
      {36, "File name too long"},
      {38, "Function not implemented"},
      {40, "Too many levels of symbolic links"},
      {116, "Stale file handle"},
  };
  for (const Row& row : rows)
    if (row.error == error) return row.text;
  return "Error";
}

void fatal(const char* what, const char* object) {
  {
    Out out(kStandardError);
    out << "ld-pagefold.so: " << object << (*object != '\0' ? ": " : "") << what << '\n';
  }
  sys::exit_group(127);
}

}  // namespace pagefold::ld
