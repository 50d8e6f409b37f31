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
      {"shared-and-private",
       "who sees which write, and when",
       {{11, "MAP_SHARED: what is written to the mapping is written to the file. MAP_PRIVATE: it is not."},
        {14, "With MAP_SHARED one does not know when changes reach the file; msync synchronises."}},
       tell_shared_and_private},
      {"pulling-the-plug",
       "what msync promises, and what a forgotten one costs",
       {{14, "With MAP_SHARED one does not know when changes reach the file; msync synchronises."}},
       tell_pulling_the_plug},
      {"given-back",
       "text that makes room for others and comes back",
       {{17, "Unmodified pages need not stay in memory: they are dropped under pressure and read back later."}},
       tell_given_back},
      {"policy-race", "one program, all policies, the same few frames", {}, tell_policy_race},
      {"busy",
       "a program that runs cannot be edited",
       {{18, "A binary that is being executed cannot be edited: \"Text file busy\"."}},
       tell_busy},
      {"one-libc",
       "two programs, one copy of the C library's code",
       {{28, "Code can be mapped into many processes, saving physical memory."}},
       tell_one_libc},
      {"who-loads",
       "the dynamic loader, a program inside the program",
       {{19,
         "Finding and loading libraries is not the kernel's job but a program's: the dynamic loader, which runs in "
         "the address space of the program that it loads."},
        {20, "INTERP in the binary names it (/lib/ld-linux.so.2 on 32-bit x86); the kernel passes control to it."}},
       tell_who_loads},
      {"any-address",
       "code that does not care where it is",
       {{21,
         "A library may be loaded at a different address in every process; its code must be position independent: "
         "it finds out where it is, then where its data are."},
        {22, "x86-64 can address relative to the instruction pointer; 32-bit Intel cannot, and needs a trick."},
        {23, "The compiler must be told (-fPIC); otherwise it addresses variables absolutely."}},
       tell_any_address},
      {"names",
       "what objects provide and want, and who finds whom",
       {{24,
         "nm -D shows the dynamic symbols an object provides and wants: a program that prints with puts does not "
         "define puts."},
        {25, "Loading code is not enough: every wanted symbol must be searched for in all the libraries."}},
       tell_names},
      {"plt-and-got",
       "calls that are corrected in one place",
       {{26,
         "Instead of puts, its place in the PLT is called, and a jump from there goes to the function's address in "
         "memory."}},
       tell_plt_and_got},
      {"pie",
       "what the main program may take for granted",
       {{27,
         "The main program is built with -fpie by default: relaxed rules, since the compiler knows more about where "
         "its functions and variables are."}},
       tell_pie},
      {"sharing",
       "ten processes, one copy of the code",
       {{28, "Code can be mapped into many processes, saving physical memory."}},
       tell_sharing},
      {"replace-it",
       "a new version of a library, for all programs at once",
       {{29,
         "Dynamic linking is loose: an implementation can be replaced for all programs on the computer without "
         "relinking them."}},
       tell_replace_it},
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
  std::size_t width = 0;
  for (const Chapter& chapter : chapters) width = std::max(width, chapter.name.size());
  std::string list;
  for (const Chapter& chapter : chapters)
    list += fmt::format("{:<{}}  {}{}\n", chapter.name, width, chapter.title,
                        chapter.claims.empty() ? "" : fmt::format(" [{}]", claims_of(chapter)));
  return list;
}

}  // namespace pagefold::tour
