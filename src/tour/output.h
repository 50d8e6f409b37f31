// How a lesson looks: prose, evidence and verdicts at 80 columns. Only verdict() writes the words that judge; should
// a guest's output or a path contain them, they are shown in lower case, so that a reader may search for them.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace pagefold::tour {

using Sink = std::function<void(std::string_view)>;

enum class Colour : bool { No, Yes };

class Output {
 public:
  Output(Sink sink, Colour colour) : sink_(std::move(sink)), colour_(colour) {}

  void heading(std::string_view text);
  void prose(std::string_view text);                             // wrapped, followed by an empty line
  void claim(int number, std::string_view text);                 // wrapped
  void evidence(std::string_view line);                          // one line; too long: cut, with "..."
  void command(std::string_view line);                           // wrapped as a shell would take it, with " \"
  void subtler(std::string_view text);                           // wrapped, begins with "Subtler:", then an empty line
  void verdict(bool holds, int claim, std::string_view reason);  // one line, never cut; claim 0: the chapter as a whole

 private:
  void wrapped(std::string_view text, std::string_view first_indent, std::string_view indent,
               std::string_view line_end = "");
  std::string painted(std::string_view text, const char* colour) const;

  Sink sink_;
  Colour colour_;
};

// 1234567 as "1,234,567".
std::string grouped(std::int64_t number);

}  // namespace pagefold::tour
