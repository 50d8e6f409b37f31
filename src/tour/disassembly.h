// Machine code as a guest has it in memory, made readable. The guest tells the bytes ("NAME, code: 8b 05 ...") and
// where they lie ("NAME, code at: 7f..."); objdump(1) does the rest.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "tour/lesson.h"

namespace pagefold::tour {

enum class Machine { X86, X86_64 };

struct Disassembly {
  bool possible = false;                  // objdump was there; otherwise the lesson says what is missing
  std::vector<std::string> instructions;  // "mov 0x2f0d(%rip),%eax # 0x7ff84ba4f00c"

  // Instructions that contain the text.
  [[nodiscard]] std::size_t count(std::string_view text) const;
};

// Shows each instruction as evidence.
Disassembly disassemble(Lesson& lesson, const GuestRun& run, std::string_view name, Machine machine = Machine::X86_64);

// "8b 05 0d" as three bytes; empty when the text is something else.
std::string bytes_from_hex(std::string_view text);

// The instructions in objdump's output, blanks made single.
std::vector<std::string> instructions_in(std::string_view objdump_output);

}  // namespace pagefold::tour
