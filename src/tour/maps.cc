// Chapter "maps", claims 1 to 3: cat, and what /proc tells of it, compared with what the host tells natively.
#include <algorithm>

#include "tour/maps_text.h"
#include "tour/tour.h"

namespace pagefold::tour {
namespace {

constexpr std::size_t kInputBytes = 256 * 1024;

// Every byte value, in no simple order.
std::string any_bytes() {
  std::string bytes(kInputBytes, '\0');
  std::uint32_t state = 2463534242;
  for (char& byte : bytes) {
    state ^= state << 13, state ^= state >> 17, state ^= state << 5;
    byte = static_cast<char>(state);
  }
  return bytes;
}

std::int64_t count(std::size_t number) { return static_cast<std::int64_t>(number); }

void cat_copies(Lesson& lesson) {
  lesson.claim(1);
  const std::string input = any_bytes();
  const GuestRun run = lesson.run({{"cat"}, Where::Pagefold, input});
  lesson.equal("bytes given", count(kInputBytes), count(input.size()));
  lesson.equal("bytes that came out", count(input.size()), count(run.output.size()));
  lesson.holds("they are the same", run.output == input);
  lesson.holds("cat is among the programs Pagefold ran", run.ran("cat"));
  lesson.between("page faults Pagefold served meanwhile", 1, 100'000, run.all_faults());
}

void proc_tells(Lesson& lesson) {
  lesson.claim(2);
  using namespace std::string_literals;
  const GuestRun command = lesson.run({{"cat", "/proc/self/cmdline"}});
  lesson.equal("command line, words ended by zero bytes", "cat\0/proc/self/cmdline\0"s, command.output);
  const GuestRun environment = lesson.run({{"env", "-i", "LESSON=pages", "DAY=1", "cat", "/proc/self/environ"}});
  lesson.equal("environment", "LESSON=pages\0DAY=1\0"s, environment.output);
  const GuestRun size = lesson.run({{"stat", "-c", "%s", "/proc/self/cmdline"}});
  lesson.equal("size of this virtual file, by stat", "0\n", size.output);
}

bool in_order(const std::vector<MapsLine>& lines) {
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const VirtRange range = lines[i].range;
    if (range.empty() || !page_aligned(range.start) || !page_aligned(range.end)) return false;
    if (i > 0 && lines[i - 1].range.end > range.start) return false;
  }
  return true;
}

// The loader may be another one than natively: chapter "who loads".
std::vector<MapsLine> without_loader(std::vector<MapsLine> lines) {
  std::erase_if(lines, [](const MapsLine& line) {
    return line.of_file() && line.name.substr(line.name.rfind('/')).starts_with("/ld-");
  });
  return lines;
}

std::vector<MapsLine> file_lines(std::vector<MapsLine> lines) {
  std::erase_if(lines, [](const MapsLine& line) { return !line.of_file(); });
  return lines;
}

std::int64_t unknown_names(const std::vector<MapsLine>& seen, const std::vector<MapsLine>& natively) {
  return std::ranges::count_if(seen, [&](const MapsLine& line) {
    return std::ranges::find(natively, line.name, &MapsLine::name) == natively.end();
  });
}

// In whatever order: what a loader maps for a while leaves gaps, and later mappings go there.
std::int64_t pieces_as_natively(const std::vector<MapsLine>& seen, std::vector<MapsLine> natively) {
  std::int64_t same = 0;
  for (const MapsLine& line : seen) {
    const auto twin = std::ranges::find_if(natively, [&](const MapsLine& other) { return line.same_piece(other); });
    if (twin == natively.end()) continue;
    natively.erase(twin);
    ++same;
  }
  return same;
}

void columns(Lesson& lesson) {
  lesson.claim(3);
  const GuestRun run = lesson.run({{"cat", "/proc/self/maps"}});
  const auto lines = parse_maps(run.output);
  lesson.show("addresses, permissions, offset, name (device and inode left out here):");
  for (const MapsLine& line : lines)
    if (line.name.ends_with("/libc.so.6") || line.name == "[heap]" || line.name == "[stack]") lesson.show(brief(line));
  const GuestRun host = lesson.run({{"cat", "/proc/self/maps"}, Where::Host});
  const auto natively = parse_maps(host.output);
  lesson.equal("lines with all the columns", std::ranges::count(run.output, '\n'), count(lines.size()));
  lesson.holds("first column: ascending ranges of whole pages", !lines.empty() && in_order(lines));
  const auto files = file_lines(without_loader(lines)), native_files = file_lines(without_loader(natively));
  lesson.equal("pieces of files but the loader, as many as natively", count(native_files.size()), count(files.size()));
  lesson.equal("of these, same r/w/x/p, offset, length, file as natively", count(native_files.size()),
               pieces_as_natively(files, native_files));
  lesson.equal("names that a native run does not have", 0, unknown_names(without_loader(lines), natively));
  lesson.equal("pieces of libc.so.6 that may be executed", 1, std::ranges::count_if(files, [](const MapsLine& line) {
                 return line.name.ends_with("/libc.so.6") && line.permissions == "r-xp";
               }));
  const GuestRun letters = lesson.run({{"./columns"}});
  lesson.equal("a constant's column, and what could be done", "r--p, did r--", letters.text("constant"));
  lesson.equal("a variable's", "rw-p, did rw-", letters.text("variable"));
  lesson.equal("a function's", "r-xp, did r-x", letters.text("function"));
  lesson.equal("the function's file", "columns", letters.text("function file"));
}

}  // namespace

void tell_maps(Lesson& lesson) {
  lesson.say(
      "Every program of this tour is an ordinary one. It runs natively on the processor, but Pagefold serves its "
      "page faults and owns its frames. The first is cat; /proc then tells what the system knows of it.");
  cat_copies(lesson);
  proc_tells(lesson);
  columns(lesson);
  lesson.subtler(
      "cmdline and environ show the program's own stack as it is now: a program may overwrite them; and "
      "setenv(3), which stores elsewhere, does not show.");
}

}  // namespace pagefold::tour
