#include "tour/tour.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace pagefold::tour {
namespace {

std::string normal(std::string_view name) {
  std::string plain(name);
  for (char& c : plain) c = c == ' ' || c == '_' ? '-' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return plain;
}

// "10-13, 15".
std::string claims_of(const Chapter& chapter) {
  std::string numbers;
  const auto& claims = chapter.claims;
  for (std::size_t first = 0, last = 0; first < claims.size(); first = ++last) {
    while (last + 1 < claims.size() && claims[last + 1].number == claims[last].number + 1) ++last;
    numbers += fmt::format("{}{}", numbers.empty() ? "" : ", ", claims[first].number);
    if (last > first) numbers += fmt::format("-{}", claims[last].number);
  }
  return numbers;
}

}  // namespace

const std::vector<Chapter>& chapters() {
  static const std::vector<Chapter> all = {
      {"maps",
       "a program, and what the kernel says of it",
       {{1, "cat reads standard input and copies its bytes to standard output."},
        {2, "/proc tells about each process: its command line and its environment, too."},
        {3,
         "/proc/PID/maps shows ranges of addresses, their permissions (r, w, x; private or shared), the offset "
         "in the file, and the file each piece came from."}},
       tell_maps},
      {"first-touch",
       "pages, faults and frames",
       {{4, "Memory is paged: blocks of 4 KiB at multiples of 4 KiB, each with its own permission."},
        {5,
         "Starting a program does not fill the page table: the system only records which range comes from "
         "which file at which offset."},
        {6,
         "Touching memory that is not in the page table raises a page fault: the system finds a frame, fills "
         "it, maps it, and the program goes on."},
        {7, "Memory that was never touched costs nothing."}},
       tell_first_touch},
      {"permissions",
       "what each of r, w and x forbids",
       {{4, "Each page has its own read, write and execute permission, and the processor enforces it."}},
       tell_permissions},
      {"zeros",
       "fresh memory, malloc and calloc",
       {{8, "Memory starts as zeros: a touched heap page gets a frame that is cleared and mapped."},
        {9, "malloc does not clear what it hands out again; calloc need not write zeros into fresh memory."}},
       tell_zeros},
      {"mmap",
       "files as memory, and memory without a file",
       {{10, "mmap maps a file from an offset at an address."},
        {11, "MAP_SHARED: what is written to the mapping is written to the file. MAP_PRIVATE: it is not."},
        {12, "`./mmap textfile.txt` maps a text file: the mapping is one page and cannot be smaller."},
        {13, "A mapping is a whole number of pages, and its offset a multiple of the page size."},
        {15, "munmap removes a mapping."},
        {16, "Anonymous mappings are memory initialised with zeros."}},
       tell_mmap},
      {"one-libc",
       "two programs, one copy of the C library's code",
       {{28, "Code can be mapped into many processes, saving physical memory."}},
       tell_one_libc},
  };
  return all;
}

const Chapter* find_chapter(std::string_view name) {
  const auto found = std::ranges::find(chapters(), normal(name), &Chapter::name);
  return found == chapters().end() ? nullptr : &*found;
}

Result<std::vector<const Chapter*>> choose(const std::vector<std::string>& words) {
  std::vector<const Chapter*> chosen;
  if (words.empty())
    for (const Chapter& chapter : chapters()) chosen.push_back(&chapter);
  for (std::size_t i = 0; i < words.size(); ++i) {
    const Chapter* chapter = find_chapter(words[i]);
    if (chapter == nullptr && i + 1 < words.size()) {
      chapter = find_chapter(words[i] + "-" + words[i + 1]);
      i += chapter != nullptr ? 1 : 0;
    }
    if (chapter == nullptr) return fail(ENOENT, words[i]);
    chosen.push_back(chapter);
  }
  return chosen;
}

Tally tell(const std::vector<const Chapter*>& chosen, const Bench& bench, Output& output) {
  Tally sum;
  for (const Chapter* chapter : chosen) {
    output.heading(fmt::format("{}: {}", chapter->name, chapter->title));
    Lesson lesson(*chapter, bench, output);
    chapter->tell(lesson);
    const Tally tally = lesson.finish();
    sum.judged += tally.judged;
    sum.failed += tally.failed;
  }
  output.prose(sum.failed == 0 ? fmt::format("{} claims judged; every one holds.", sum.judged)
                               : fmt::format("{} claims judged; {} did not hold.", sum.judged, sum.failed));
  return sum;
}

std::string list_of(const std::vector<Chapter>& chapters) {
  std::string list;
  for (const Chapter& chapter : chapters)
    list += fmt::format("{:<12} {} [{}]\n", chapter.name, chapter.title, claims_of(chapter));
  return list;
}

}  // namespace pagefold::tour
