// Chapter "mmap", claims 10 to 13, 15 and 16.
#include <fmt/format.h>

#include <algorithm>

#include "base/page.h"
#include "tour/maps_text.h"
#include "tour/tour.h"

namespace pagefold::tour {
namespace {

constexpr std::int64_t kPage = kPageSize;
constexpr const char* kText = "It was a bright cold day in April,\nand the clocks were striking thirteen.\n";

// Numbered lines, a whole number of pages.
std::string long_text(std::int64_t pages) {
  std::string text;
  for (int line = 1; static_cast<std::int64_t>(text.size()) < pages * kPage; ++line)
    text += fmt::format("line {}\n", line);
  text.resize(static_cast<std::size_t>(pages * kPage));
  return text;
}

void from_an_offset(Lesson& lesson) {
  lesson.claim(10);
  lesson.write("long.txt", long_text(8));
  const GuestRun run = lesson.run({{"./window", "long.txt"}});
  lesson.show_lines(run, " r--p ", 1);
  lesson.answer("mapped at the address asked for", true, run.number("mapped where asked"));
  lesson.equal("offset in maps", 3 * kPage, run.number("offset in maps"));
  lesson.equal("bytes compared with those that read gives", 2 * kPage, run.number("bytes compared"));
  lesson.equal("bytes that differ", 0, run.number("bytes that differ from read"));
}

void shared_against_private(Lesson& lesson) {
  lesson.claim(11);
  lesson.write("shared.txt", std::string(static_cast<std::size_t>(kPage), '.'));
  const GuestRun run = lesson.run({{"./sharing", "shared.txt"}});
  lesson.answer("shared store seen by read(2)", true, run.number("shared store seen by read"));
  lesson.answer("private store seen by its own mapping", true, run.number("private store seen by its own mapping"));
  lesson.answer("private store seen by read(2)", false, run.number("private store seen by read"));
  lesson.answer("private store seen by the shared mapping", false,
                run.number("private store seen by the shared mapping"));
  std::string expected(static_cast<std::size_t>(kPage), '.');
  expected.replace(0, 6, "SHARED");
  lesson.holds("afterwards the file has the shared store, nothing else", lesson.read("shared.txt") == expected);

  lesson.show("What does a private store cost? A file of 64 pages, mapped privately:");
  const std::string text = long_text(64);
  lesson.write("private.txt", text);
  const GuestRun idle = lesson.run({{"./private", "private.txt", "0000"}});
  const GuestRun busy = lesson.run({{"./private", "private.txt", "0064"}});
  lesson.equal("stores kept in memory", 64, busy.number("stores kept in memory"));
  lesson.equal("copy-on-write faults more", 64, difference(busy.faults("copy_on_write"), idle.faults("copy_on_write")));
  lesson.equal("bytes of private copies", 64 * kPage, busy.object("/private.txt", "private_bytes"));
  lesson.holds("the file is as it was", lesson.read("private.txt") == text);
}

void the_lectures_program(Lesson& lesson) {
  lesson.claim(12);
  lesson.write("textfile.txt", kText);
  const GuestRun run = lesson.run({{"./mmap", "textfile.txt"}});
  lesson.show_lines(run, "bright cold day");
  lesson.holds("the text was printed from memory", run.output.starts_with(kText));
  const auto lines = parse_maps(run.output);
  const auto line = std::ranges::find_if(lines, [](const MapsLine& l) { return l.name.ends_with("/textfile.txt"); });
  const bool found = line != lines.end();
  if (found) lesson.show(brief(*line));
  lesson.equal("length of the text", 74, static_cast<std::int64_t>(std::string_view(kText).size()));
  lesson.equal("length of its mapping", kPage,
               found ? Number(static_cast<std::int64_t>(line->range.size())) : Number());
  lesson.equal("its permissions", "r--p", found ? std::optional(line->permissions) : std::nullopt);
  lesson.equal("frames for it, in bytes", kPage, run.object("/textfile.txt", "resident_bytes"));
}

void whole_pages(Lesson& lesson) {
  lesson.claim(13);
  const GuestRun run = lesson.run({{"./edges", "textfile.txt"}});
  lesson.equal("1 byte asked for, mapped", kPage, run.number("length of a mapping of 1 byte"));
  lesson.equal("a page and a byte asked for, mapped", 2 * kPage,
               run.number("length of a mapping of a page and a byte"));
  lesson.equal("bytes of text in memory", 74, run.number("bytes of text"));
  lesson.equal("bytes behind it in the page that are not zero", 0, run.number("bytes of the tail that are not zero"));
  lesson.equal("signal in the next page, beyond the end (SIGBUS)", 7, run.number("signal in the page beyond the end"));
  lesson.equal("its code (BUS_ADRERR)", 2, run.number("its code"));
  lesson.equal("offsets 1, 100, 4095, 4097: refused with EINVAL", 4, run.number("odd offsets refused"));
  lesson.answer("length 0 refused", true, run.number("length 0 refused"));
  lesson.answer("an odd address refused, by MAP_FIXED", true, run.number("odd fixed address refused"));
  lesson.answer("and by munmap", true, run.number("munmap of an odd address refused"));
}

void unmapping(Lesson& lesson) {
  lesson.claim(15);
  const GuestRun once = lesson.run({{"./unmap", "0001"}});
  const GuestRun often = lesson.run({{"./unmap", "0020"}});
  lesson.answer("the page taken out is in maps", false, once.number("middle in maps"));
  lesson.equal("neighbours in maps", 2, once.number("neighbours in maps"));
  lesson.answer("they keep their contents", true, once.number("neighbours keep their contents"));
  lesson.equal("signal when it is touched (SIGSEGV)", 11, once.number("signal in the middle"));
  lesson.equal("its code (1: nothing mapped)", 1, once.number("its code"));
  lesson.equal("zero-fill faults more, 20 rounds of 100 pages against 1", 1900,
               difference(often.faults("zero_fill"), once.faults("zero_fill")));
  lesson.between("bytes more at the peak (munmap gives frames back)", -16 * kPage, 16 * kPage,
                 difference(often.peak_resident(), once.peak_resident()));
}

void without_a_file(Lesson& lesson) {
  lesson.claim(16);
  const GuestRun run = lesson.run({{"./anonymous"}});
  lesson.show_lines(run, " rw-p ");
  lesson.answer("its line in maps names a file", false, run.number("named in maps"));
  lesson.equal("bytes read", 65 * kPage, run.number("bytes read"));
  lesson.equal("bytes that are not zero", 0, run.number("bytes that are not zero"));
  lesson.between("zero-fill faults", 65, 1000, run.faults("zero_fill"));
  lesson.answer("after fork the child saw the parent's pages", true, run.number("child saw both pages"));
  lesson.equal("it stored 2; the parent's private page has", 1, run.number("private page after the child's store"));
  lesson.equal("the shared page has", 2, run.number("shared page after the child's store"));
}

}  // namespace

void tell_mmap(Lesson& lesson) {
  lesson.say(
      "mmap(addr, length, prot, flags, fd, offset) makes a piece of a file a piece of memory: reading it is "
      "loading bytes, writing it is storing them. Without a file it is simply memory.");
  from_an_offset(lesson);
  shared_against_private(lesson);
  the_lectures_program(lesson);
  whole_pages(lesson);
  unmapping(lesson);
  without_a_file(lesson);
  lesson.subtler(
      "the tail of the last page may be stored to, yet never reaches the file; the page beyond is SIGBUS, not "
      "SIGSEGV: it is mapped, there is just nothing behind it until the file grows.");
}

}  // namespace pagefold::tour
