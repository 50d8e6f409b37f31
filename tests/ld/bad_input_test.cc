// Files that no linker makes. Where the genuine loader has a text for them, the text must be the same; where it would
// crash, read past the end or loop for ever, ours ends with 127 and says which file and where in it - and dlopen says
// it in dlerror and goes on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

#include "elf_patch.h"
#include "scene.h"

namespace pagefold::ld_test {
namespace {

using testing::HasSubstr;

enum class Verdict : unsigned char {
  Refused,         // must end with 127 and a message that names the file and an offset
  RefusedOrUnseen  // may go unnoticed, or be no more than a symbol that is not found; must not crash
};

struct Damage {
  const char* name;
  Verdict verdict;
  void (*inflict)(ElfPatch&);
};

void PrintTo(const Damage& damage, std::ostream* out) { *out << damage.name; }

template <class Change>
void change_header(ElfPatch& file, Change change) {
  auto header = file.get<Elf64_Ehdr>(0);
  change(header);
  file.put(0, header);
}

template <class Change>
void change_segment(ElfPatch& file, Elf64_Word type, Change change) {
  const std::size_t at = file.program_header(type);
  auto segment = file.get<Elf64_Phdr>(at);
  change(segment);
  file.put(at, segment);
}

struct GnuHash {
  std::size_t at;
  Elf64_Word buckets, first, words;
  [[nodiscard]] std::size_t bucket(std::size_t i) const { return at + 16 + words * 8U + i * 4; }
  [[nodiscard]] std::size_t chain(std::size_t i) const { return bucket(buckets) + i * 4; }
};

GnuHash gnu_hash(const ElfPatch& file) {
  const std::size_t at = file.table(DT_GNU_HASH);
  return {at, file.get<Elf64_Word>(at), file.get<Elf64_Word>(at + 4), file.get<Elf64_Word>(at + 8)};
}

std::size_t first_rela(const ElfPatch& file, Elf64_Xword type) {
  for (std::size_t at = file.table(DT_RELA);; at += sizeof(Elf64_Rela)) {
    if (ELF64_R_TYPE(file.get<Elf64_Rela>(at).r_info) == type) return at;
  }
}

constexpr Elf64_Xword kAbsurd = 0x7fffffff0000;
constexpr auto kRefused = Verdict::Refused;
constexpr auto kMaybe = Verdict::RefusedOrUnseen;

const Damage kDamages[] = {
    {"TruncatedInTheProgramHeaders", kRefused, [](ElfPatch& f) { f.truncate(100); }},
    {"TruncatedInTheFirstSegment", kRefused, [](ElfPatch& f) { f.truncate(700); }},
    {"TruncatedBeforeTheData", kRefused, [](ElfPatch& f) { f.truncate(0x2000); }},
    {"TruncatedInTheDynamicSection", kRefused,
     [](ElfPatch& f) { f.truncate(f.get<Elf64_Phdr>(f.program_header(PT_DYNAMIC)).p_offset + 24); }},
    {"ProgramHeadersBeyondTheEnd", kRefused,
     [](ElfPatch& f) { change_header(f, [](auto& h) { h.e_phoff = 0x7fffffffffff; }); }},
    {"ProgramHeadersAtTheEndOfAddresses", kRefused,
     [](ElfPatch& f) { change_header(f, [](auto& h) { h.e_phoff = ~0UL - 64; }); }},
    {"SixtyThousandProgramHeaders", kRefused,
     [](ElfPatch& f) { change_header(f, [](auto& h) { h.e_phnum = 60000; }); }},
    {"NoProgramHeaders", kRefused, [](ElfPatch& f) { change_header(f, [](auto& h) { h.e_phnum = 0; }); }},
    {"SegmentBeyondTheFile", kRefused,
     [](ElfPatch& f) { change_segment(f, PT_LOAD, [](auto& s) { s.p_filesz = s.p_memsz = 1 << 30; }); }},
    {"SegmentOfAnAbsurdSize", kRefused,
     [](ElfPatch& f) { change_segment(f, PT_LOAD, [](auto& s) { s.p_memsz = 1UL << 62; }); }},
    {"SegmentLargerInTheFileThanInMemory", kRefused,
     [](ElfPatch& f) { change_segment(f, PT_LOAD, [](auto& s) { s.p_memsz = 16; }); }},
    {"SegmentThatWrapsAround", kRefused,
     [](ElfPatch& f) { change_segment(f, PT_LOAD, [](auto& s) { s.p_vaddr = ~0xfffUL; }); }},
    {"DynamicSectionOutside", kRefused,
     [](ElfPatch& f) { change_segment(f, PT_DYNAMIC, [](auto& s) { s.p_vaddr = s.p_offset = kAbsurd; }); }},
    {"DynamicSectionUnaligned", kMaybe,
     [](ElfPatch& f) { change_segment(f, PT_DYNAMIC, [](auto& s) { s.p_vaddr += 3; }); }},
    {"DynamicSectionWithoutEnd", kMaybe,
     [](ElfPatch& f) {
       f.put<Elf64_Sxword>(f.dynamic(DT_NULL), DT_DEBUG);
       change_segment(f, PT_DYNAMIC, [](auto& s) { s.p_memsz = s.p_filesz = 1 << 20; });
     }},
    {"StringTableOutside", kRefused, [](ElfPatch& f) { f.set_dynamic(DT_STRTAB, kAbsurd); }},
    {"StringTableOfAnAbsurdSize", kMaybe, [](ElfPatch& f) { f.set_dynamic(DT_STRSZ, ~0UL >> 1); }},
    {"NeededNameBeyondTheStrings", kRefused, [](ElfPatch& f) { f.set_dynamic(DT_NEEDED, 1 << 30); }},
    {"SonameBeyondTheStrings", kRefused, [](ElfPatch& f) { f.set_dynamic(DT_SONAME, 1 << 30); }},
    {"RunpathBeyondTheStrings", kRefused, [](ElfPatch& f) { f.set_dynamic(DT_RUNPATH, 1 << 30); }},
    {"SymbolTableOutside", kRefused, [](ElfPatch& f) { f.set_dynamic(DT_SYMTAB, kAbsurd); }},
    {"SymbolNameBeyondTheStrings", kRefused,
     [](ElfPatch& f) {
       for (std::size_t i = 1; i < 6; ++i) f.put<Elf64_Word>(f.table(DT_SYMTAB) + i * sizeof(Elf64_Sym), 0x70000000);
     }},
    {"HashTableOutside", kRefused, [](ElfPatch& f) { f.set_dynamic(DT_GNU_HASH, kAbsurd); }},
    {"HashWithoutBuckets", kMaybe, [](ElfPatch& f) { f.put<Elf64_Word>(gnu_hash(f).at, 0); }},
    {"HashWithAnAbsurdNumberOfBuckets", kRefused, [](ElfPatch& f) { f.put<Elf64_Word>(gnu_hash(f).at, 0x7fffffff); }},
    {"HashFilterOfAnAbsurdSize", kRefused, [](ElfPatch& f) { f.put<Elf64_Word>(gnu_hash(f).at + 8, 0x40000000); }},
    {"HashFilterThatIsNoPowerOfTwo", kMaybe, [](ElfPatch& f) { f.put<Elf64_Word>(gnu_hash(f).at + 8, 0); }},
    {"HashBucketBeyondTheSymbols", kMaybe,
     [](ElfPatch& f) {
       const GnuHash h = gnu_hash(f);
       for (std::size_t i = 0; i < h.buckets; ++i) f.put<Elf64_Word>(h.bucket(i), 0x70000000);
     }},
    {"HashChainWithoutEnd", kMaybe,
     [](ElfPatch& f) {
       const GnuHash h = gnu_hash(f);
       for (std::size_t i = 0; h.chain(i) + 4 <= f.table(DT_SYMTAB); ++i)
         f.put(h.chain(i), f.get<Elf64_Word>(h.chain(i)) & ~1U);
     }},
    {"SysvHashChainThatLoops", kMaybe,
     [](ElfPatch& f) {
       const std::size_t at = f.table(DT_HASH);
       const auto buckets = f.get<Elf64_Word>(at), chains = f.get<Elf64_Word>(at + 4);
       f.put<Elf64_Sxword>(f.dynamic(DT_GNU_HASH), 0x6ffffff0 - 1);  // leave only the SysV table
       for (Elf64_Word i = 1; i < chains; ++i) f.put<Elf64_Word>(at + 8 + (buckets + i) * 4U, i);
     }},
    {"SysvHashWithAnAbsurdNumberOfBuckets", kRefused,
     [](ElfPatch& f) {
       f.put<Elf64_Sxword>(f.dynamic(DT_GNU_HASH), 0x6ffffff0 - 1);
       f.put<Elf64_Word>(f.table(DT_HASH), 0x7fffffff);
     }},
    {"RelocationsOutside", kRefused, [](ElfPatch& f) { f.set_dynamic(DT_RELA, kAbsurd); }},
    {"RelocationsOfAnAbsurdSize", kRefused, [](ElfPatch& f) { f.set_dynamic(DT_RELASZ, 24UL << 40); }},
    {"RelocationsOfAnotherEntrySize", kRefused, [](ElfPatch& f) { f.set_dynamic(DT_RELAENT, 7); }},
    {"RelativeCountBeyondTheTable", kMaybe, [](ElfPatch& f) { f.set_dynamic(DT_RELACOUNT, 1 << 30); }},
    {"RelocationOfAnUnknownType", kRefused,
     [](ElfPatch& f) {
       const std::size_t at = first_rela(f, R_X86_64_GLOB_DAT);
       f.put<Elf64_Xword>(at + 8, f.get<Elf64_Xword>(at + 8) | 0xff);
     }},
    {"RelocationOfASymbolBeyondTheTable", kRefused,
     [](ElfPatch& f) {
       f.put<Elf64_Xword>(first_rela(f, R_X86_64_GLOB_DAT) + 8, ELF64_R_INFO(0x7fffffffUL, R_X86_64_GLOB_DAT));
     }},
    {"RelocationOfAPlaceOutside", kRefused,
     [](ElfPatch& f) { f.put<Elf64_Xword>(first_rela(f, R_X86_64_GLOB_DAT), kAbsurd); }},
    {"RelativeRelocationOfAPlaceOutside", kRefused,
     [](ElfPatch& f) { f.put<Elf64_Xword>(first_rela(f, R_X86_64_RELATIVE), kAbsurd); }},
    {"PltRelocationsOutside", kRefused, [](ElfPatch& f) { f.set_dynamic(DT_JMPREL, kAbsurd); }},
    {"NeededVersionsOutside", kRefused, [](ElfPatch& f) { f.set_dynamic(DT_VERNEED, kAbsurd); }},
    {"NeededVersionsThatNeverEnd", kRefused,
     [](ElfPatch& f) { f.put<Elf64_Word>(f.table(DT_VERNEED) + offsetof(Elf64_Verneed, vn_next), 0x7ffffff0); }},
    {"NeededVersionWithANameOutside", kRefused,
     [](ElfPatch& f) { f.put<Elf64_Word>(f.table(DT_VERNEED) + offsetof(Elf64_Verneed, vn_file), 0x7ffffff0); }},
    {"VersionIndicesOutside", kRefused, [](ElfPatch& f) { f.set_dynamic(DT_VERSYM, kAbsurd); }},
    {"VersionIndexBeyondTheVersions", kMaybe,
     [](ElfPatch& f) {
       for (std::size_t i = 1; i < 8; ++i) f.put<Elf64_Half>(f.table(DT_VERSYM) + i * 2, 0x7f00);
     }},
    {"InitArrayOutside", kRefused, [](ElfPatch& f) { f.set_dynamic(DT_INIT_ARRAY, kAbsurd); }},
    {"InitArrayOfAnAbsurdSize", kRefused, [](ElfPatch& f) { f.set_dynamic(DT_INIT_ARRAYSZ, 8UL << 40); }},
    {"InitFunctionOutside", kRefused, [](ElfPatch& f) { f.set_dynamic(DT_INIT, kAbsurd); }},
    {"TlsLargerInTheFileThanInMemory", kRefused,
     [](ElfPatch& f) {
       change_segment(f, PT_TLS, [](auto& s) {
         s.p_filesz = 1 << 20;
         s.p_memsz = 4;
       });
     }},
    {"TlsOfAnAbsurdSize", kRefused,
     [](ElfPatch& f) { change_segment(f, PT_TLS, [](auto& s) { s.p_memsz = 1UL << 60; }); }},
    {"TlsAlignmentThatIsNoPowerOfTwo", kRefused,
     [](ElfPatch& f) { change_segment(f, PT_TLS, [](auto& s) { s.p_align = 24; }); }},
    {"ThreadLocalVariableWithoutATlsSegment", kRefused,
     [](ElfPatch& f) { change_segment(f, PT_TLS, [](auto& s) { s.p_type = PT_NULL; }); }},
    {"FirstSegmentThatCannotBeRead", kRefused,
     [](ElfPatch& f) { change_segment(f, PT_LOAD, [](auto& s) { s.p_flags = 0; }); }},
    {"FilterOfItself", kMaybe,
     [](ElfPatch& f) {
       const auto soname = f.get<Elf64_Dyn>(f.dynamic(DT_SONAME)).d_un.d_val;
       f.set_dynamic(DT_RUNPATH, soname);
       f.put<Elf64_Sxword>(f.dynamic(DT_RUNPATH), DT_FILTER);
     }},
    {"RelroOutside", kRefused,
     [](ElfPatch& f) { change_segment(f, PT_GNU_RELRO, [](auto& s) { s.p_vaddr = kAbsurd; }); }},
};

constexpr const char* kLibrary = R"(
extern int outside;
__thread int tls = 4;
static int x;
int* const constant[3] = {&x, &x, &x};
int a(void) { return outside + tls + (constant[1] == &x); }
int another(void) { return 1; }
ON_LOAD load(void) { x = 1; }
)";

class LoaderBadInput : public testing::TestWithParam<Damage> {};

void expect_clear_end(const Scene& scene, const Damage& damage) {
  const Start start = {.timeout = std::chrono::seconds(5)};
  const RunResult result = run_under(tested_loader(), scene, Way::Interpreter, start);
  EXPECT_FALSE(result.timed_out);
  if (damage.verdict == Verdict::RefusedOrUnseen && result.status == 0) return;
  EXPECT_EQ(result.status, 127) << result.out << result.err;
  if (damage.verdict == Verdict::RefusedOrUnseen && result.err.find("undefined symbol: ") != std::string::npos) return;
  EXPECT_THAT(result.err, HasSubstr("error while loading shared libraries: SCENE/a.so: "));
  if (std::regex_search(result.err, std::regex("offset (0x)?[0-9a-f]+"))) return;
  EXPECT_EQ(result.err, run_under(genuine_loader(), scene, Way::Interpreter, start).err)
      << "neither an offset nor glibc's own text";
}

TEST_P(LoaderBadInput, EndsWithAMessage) {
  Scene scene;
  scene.library("a", kLibrary, {.flags = {"-Wl,--hash-style=both", "-Wl,-z,separate-code"}});
  const std::string program = "int outside = 1; int a(void);\nint main(void) { say(\"%d\\n\", a()); }";
  scene.program(program, {.needs = {"a"}, .flags = {"-rdynamic"}});
  ElfPatch file(scene.path("a.so"));
  GetParam().inflict(file);
  file.save();
  expect_clear_end(scene, GetParam());
  scene.program(
      "#include <dlfcn.h>\nint outside = 1;\nint main(void) { void* a = dlopen(\"a.so\", RTLD_NOW);\n"
      "if (!a) dprintf(2, \": error while loading shared libraries: %s\\n\", dlerror()); return a ? 0 : 127; }",
      {.flags = {"-rdynamic"}});
  expect_clear_end(scene, GetParam());
}

INSTANTIATE_TEST_SUITE_P(Damaged, LoaderBadInput, testing::ValuesIn(kDamages),
                         [](const auto& info) { return info.param.name; });

// What the genuine loader does look at: the texts are its own.
TEST(LoaderBadInputTexts, OfTheHeader) {
  Scene scene;
  scene.library("a", kLibrary);
  scene.program("int outside = 1; int a(void);\nint main(void) { say(\"%d\\n\", a()); }",
                {.needs = {"a"}, .flags = {"-rdynamic"}});
  const ElfPatch good(scene.path("a.so"));
  const std::vector<void (*)(ElfPatch&)> changes = {
      [](ElfPatch& f) { f.truncate(0); },
      [](ElfPatch& f) { f.truncate(10); },
      [](ElfPatch& f) { f.put<char>(0, 'x'); },
      [](ElfPatch& f) { f.put<char>(EI_DATA, ELFDATA2MSB); },
      [](ElfPatch& f) { f.put<char>(EI_VERSION, 9); },
      [](ElfPatch& f) { f.put<char>(EI_OSABI, 77); },
      [](ElfPatch& f) { f.put<char>(EI_ABIVERSION, 77); },
      [](ElfPatch& f) { f.put<char>(EI_PAD + 1, 1); },
      [](ElfPatch& f) { change_header(f, [](auto& h) { h.e_version = 7; }); },
      [](ElfPatch& f) { change_header(f, [](auto& h) { h.e_type = ET_CORE; }); },
      [](ElfPatch& f) { change_header(f, [](auto& h) { h.e_phentsize = 12; }); },
      [](ElfPatch& f) { change_header(f, [](auto& h) { h.e_machine = EM_AARCH64; }); },
      [](ElfPatch& f) { change_segment(f, PT_LOAD, [](auto& s) { s.p_offset += 8; }); },
      [](ElfPatch& f) { change_segment(f, PT_DYNAMIC, [](auto& s) { s.p_type = PT_NULL; }); },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    ElfPatch bad = good;
    changes[i](bad);
    bad.save();
    SCOPED_TRACE(i);
    const RunResult result = agreed(scene, {.ways = {Way::Interpreter}});
    EXPECT_EQ(result.status, 127);
    EXPECT_THAT(result.err, HasSubstr("SCENE/prog: error while loading shared libraries: "));
  }
}

TEST(LoaderBadInputTexts, OfAnUnexpectedPltRelocation) {
  Scene scene;
  scene.library("a", "int b(void); int a(void) { return b(); }\nint b(void) { return 1; }", {.flags = {"-Wl,-z,lazy"}});
  scene.program("int a(void); int main(void) { return a(); }", {.needs = {"a"}, .flags = {"-Wl,-z,lazy"}});
  ElfPatch file(scene.path("a.so"));
  const std::size_t at = file.table(DT_JMPREL);
  auto rela = file.get<Elf64_Rela>(at);
  for (const Elf64_Xword type : std::vector<Elf64_Xword>{R_X86_64_NONE, R_X86_64_64, 0x9e}) {
    rela.r_info = ELF64_R_INFO(ELF64_R_SYM(rela.r_info), type);
    file.put(at, rela);
    file.save();
    EXPECT_THAT(agreed(scene).err, HasSubstr("unexpected PLT reloc type 0x"));
  }
}

}  // namespace
}  // namespace pagefold::ld_test
