// Chapter "who loads", claims 19 and 20: what the kernel maps, whom it passes control to, and what is there when main
// begins.
#include <algorithm>
#include <set>

#include "tour/maps_text.h"
#include "tour/tour.h"

namespace pagefold::tour {
namespace {

constexpr int kInterpretersExitCode = 7;
constexpr int kLoaderGaveUp = 127;

// The files that a program's maps name, without their directories, in alphabetical order.
std::vector<std::string> files_in(const GuestRun& run) {
  std::set<std::string> names;
  for (const MapsLine& line : parse_maps(run.output))
    if (line.of_file()) names.insert(line.name.substr(line.name.rfind('/') + 1));
  return {names.begin(), names.end()};
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

bool has(const std::vector<std::string>& words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

// Claim 19, first half: what is there before any program of user space has done anything.
GuestRun nothing_but_two_files(Lesson& lesson) {
  lesson.show("A program that names as its interpreter a few lines of ours:");
  lesson.run({{"ln", "-sf", "./interpreter", "interpreter"}, Where::Host});
  const GuestRun stranger = lesson.run({{"./stranger"}}, kInterpretersExitCode);
  lesson.equal("files the kernel has mapped for it", "interpreter, stranger", joined(files_in(stranger)));
  return stranger;
}

GuestRun loading_is_a_programs_job(Lesson& lesson) {
  lesson.claim(19);
  const GuestRun stranger = nothing_but_two_files(lesson);
  lesson.show("The same program with its ordinary interpreter, when main begins:");
  const GuestRun loaded = lesson.run({{"./loaded"}});
  const std::vector<std::string> files = files_in(loaded);
  lesson.show("files mapped: " + joined(files));
  lesson.holds("the library that it needs, libc.so.6, is there", has(files, "libc.so.6"));
  const std::string loader = loaded.text("file there").value_or("nothing");
  lesson.holds("in its address space: the loader, " + loader, loader.starts_with("ld-") && has(files, loader));
  lesson.equal("executable pieces of it there", 1, loaded.number("executable pieces of it"));

  lesson.show("And when a library is nowhere to be found?");
  const GuestRun orphan = lesson.run({{"./orphan"}}, kLoaderGaveUp);
  const std::size_t message = orphan.errors.find("libabsent");
  if (message != std::string::npos) lesson.show(orphan.errors.substr(message, orphan.errors.find('\n') - message));
  lesson.holds("the kernel did execute the program", orphan.ran("orphan"));
  lesson.holds("it is the loader, in the new process, that complains",
               orphan.errors.find("error while loading shared libraries: libabsent.so.7") != std::string::npos);
  return stranger;
}

void the_32_bit_loader(Lesson& lesson) {
  lesson.show("On 32-bit x86 the name is another:");
  const auto run =
      lesson.attempt({{"./loaded32"}, Where::Host}, "apt-get install libc6-i386; a kernel that runs 32-bit programs");
  if (!run) return;
  const std::vector<std::string> files = files_in(*run);
  lesson.show("files mapped: " + joined(files));
  lesson.equal("bytes in its pointers", 4, run->number("bytes in a pointer"));
  lesson.holds("the 32-bit loader is in its address space", has(files, "ld-linux.so.2"));
  lesson.holds("and has mapped the library it needs", has(files, "libcounter32.so"));
  lesson.equal("whose function it called twice, and counted to", 2, run->number("library's function counted to"));
  const auto headers = lesson.attempt({{"readelf", "-lW", "./loaded32"}, Where::Host}, "apt-get install binutils");
  if (!headers) return;
  lesson.show_lines(*headers, "program interpreter");
  lesson.holds("its INTERP is /lib/ld-linux.so.2",
               headers->output.find("program interpreter: /lib/ld-linux.so.2]") != std::string::npos);
}

void interp_names_it(Lesson& lesson, const GuestRun& stranger) {
  lesson.claim(20);
  const GuestRun loaded = lesson.run({{"./loaded"}});
  lesson.equal("INTERP of the program", "/lib64/ld-linux-x86-64.so.2", loaded.text("INTERP in the program"));
  lesson.show("file at the address that the kernel gave as AT_BASE: " + loaded.text("file there").value_or("nothing"));
  lesson.answer("it is an ELF file", true, loaded.number("ELF header there"));
  lesson.answer("the entry of the program, AT_ENTRY, is for the loader to jump to", true,
                loaded.number("program's entry lies in the program"));
  lesson.show("./stranger, which names \"interpreter\":");
  lesson.answer("control went to that interpreter", true, stranger.number("the interpreter runs"));
  lesson.answer("AT_BASE told it where it lies", true, stranger.number("AT_BASE is where it lies"));
  lesson.answer("AT_PHDR told it where the program lies", true, stranger.number("AT_PHDR leads to another ELF file"));
  lesson.equal("main of the program ran (it would tell its INTERP)", "nothing",
               stranger.text("INTERP in the program").value_or("nothing"));
  lesson.equal("exit code: the interpreter's, who never jumped there", kInterpretersExitCode, stranger.exit_code);
  the_32_bit_loader(lesson);
}

}  // namespace

void tell_who_loads(Lesson& lesson) {
  lesson.say(
      "A program names the libraries that it needs; somebody must find them, map them and connect them. The kernel "
      "maps two files, the program and the one that its INTERP names, and starts the second. All else is done by "
      "that program, the dynamic loader, before the first instruction of the program that was asked for.");
  const GuestRun stranger = loading_is_a_programs_job(lesson);
  interp_names_it(lesson, stranger);
  lesson.subtler(
      "a static program has no INTERP, and the kernel starts it itself. And the loader is an ordinary program: "
      "`/lib64/ld-linux-x86-64.so.2 /bin/true` runs it by hand.");
}

}  // namespace pagefold::tour
