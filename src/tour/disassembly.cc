#include "tour/disassembly.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <sstream>

namespace pagefold::tour {
namespace {

constexpr const char* kFile = "code.bin";
constexpr const char* kRemedy = "apt-get install binutils";

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words;
  std::istringstream stream(text);
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

}  // namespace

std::size_t Disassembly::count(std::string_view text) const {
  return static_cast<std::size_t>(std::ranges::count_if(
      instructions, [&](const std::string& line) { return line.find(text) != std::string::npos; }));
}

std::string bytes_from_hex(std::string_view text) {
  std::string bytes;
  for (const std::string& word : words_of(std::string(text))) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value, 16);
    if (error != std::errc{} || end != word.data() + word.size() || word.size() != 2) return {};
    bytes.push_back(static_cast<char>(value));
  }
  return bytes;
}

// A line of an instruction is "  7ff84ba4c0f9:<tab>mov    ...".
std::vector<std::string> instructions_in(std::string_view objdump_output) {
  std::vector<std::string> instructions;
  std::istringstream stream{std::string(objdump_output)};
  for (std::string line; std::getline(stream, line);) {
    const std::size_t tab = line.find(":\t");
    if (tab == std::string::npos || line.find_first_not_of(" 0123456789abcdef") != tab) continue;
    instructions.push_back(fmt::format("{}", fmt::join(words_of(line.substr(tab + 1)), " ")));
  }
  return instructions;
}

Disassembly disassemble(Lesson& lesson, const GuestRun& run, std::string_view name, Machine machine) {
  Disassembly result;
  lesson.write(kFile, bytes_from_hex(run.text(fmt::format("{}, code", name)).value_or("")));
  const std::string address = run.text(fmt::format("{}, code at", name)).value_or("0");
  const auto objdump =
      lesson.attempt({{"objdump", "-D", "-b", "binary", "-m", machine == Machine::X86 ? "i386" : "i386:x86-64",
                       "--no-show-raw-insn", "--adjust-vma=0x" + address, kFile},
                      Where::Host},
                     kRemedy);
  if (!objdump) return result;
  result.possible = true;
  result.instructions = instructions_in(objdump->output);
  for (const std::string& line : result.instructions) lesson.show("  " + line);
  return result;
}

}  // namespace pagefold::tour
