// Text that comes from guests (names of files, arguments) on its way to a terminal: what could drive the terminal is
// escaped as \ooo, everything else stays.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace pagefold {

inline std::string printable(std::string_view text) {
  const auto byte_at = [text](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const auto append_octal = [](std::string& shown, unsigned byte) {
    shown += '\\';
    for (const unsigned shift : {6U, 3U, 0U}) shown += static_cast<char>('0' + ((byte >> shift) & 7U));
  };
  std::string shown;
  shown.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const unsigned byte = byte_at(i);
    const unsigned next = byte_at(i + 1);
    if (byte < 0x20 || byte == 0x7f) {
      append_octal(shown, byte);
    } else if (byte == 0xc2 && next >= 0x80 && next < 0xa0) {  // U+0080..U+009F in UTF-8: control characters, too
      append_octal(shown, byte);
      append_octal(shown, next);
      ++i;
    } else {
      shown += text[i];
    }
  }
  return shown;
}

}  // namespace pagefold
