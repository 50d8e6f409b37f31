// A library in which a few random bytes are wrong - headers, dynamic section, hash tables, symbols, versions,
// relocations - as the loader meets it: mapped, read and relocated, but none of its code runs (a trace with LD_WARN and
// LD_BIND_NOW), so that whatever crashes or hangs is the loader. PAGEFOLD_DAMAGE_SECONDS: how long (3),
// PAGEFOLD_DAMAGE_SEED: where to begin.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <random>

#include "elf_patch.h"
#include "scene.h"

namespace pagefold::ld_test {
namespace {

constexpr const char* kRich = R"(
#include <stdio.h>
__thread int local = 4; static __thread long more[7];
int data[50] = {1, 2, 3}, zeros[3000];
const char* names[] = {"a", "b", "c"};
void* pointers[] = {data, zeros, names};
extern int missing __attribute__((weak));
static void* choose(void) { return (void*)puts; }
int chosen(const char*) __attribute__((ifunc("choose")));
int one(int x) { return x + local + (int)more[1]; }
int two(int x) { return one(x) + data[1]; }
int three(void) { return puts(names[0]) + printf("%d", two(1)) + (&missing ? missing : 0); }
ON_LOAD load(void) { zeros[1] = 1; }
)";

unsigned long number_from(const char* variable, unsigned long otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoul(text, nullptr, 10);
}

// The parts of the file that a loader reads: its headers, and every section that is loaded and is no code.
struct Part {
  std::size_t start, end;
};
std::vector<Part> parts_of(const ElfPatch& file) {
  const auto header = file.get<Elf64_Ehdr>(0);
  std::vector<Part> parts = {{0, header.e_phoff + header.e_phnum * sizeof(Elf64_Phdr)}};
  for (std::size_t i = 0; i < header.e_shnum; ++i) {
    const auto section = file.get<Elf64_Shdr>(header.e_shoff + i * sizeof(Elf64_Shdr));
    if ((section.sh_flags & (SHF_ALLOC | SHF_EXECINSTR)) != SHF_ALLOC || section.sh_type == SHT_NOBITS) continue;
    if (section.sh_size >= 8) parts.push_back({section.sh_offset, section.sh_offset + section.sh_size});
  }
  return parts;
}

class Damager {
 public:
  explicit Damager(unsigned long seed) : random_(seed) {}

  void damage(ElfPatch& file) {
    const std::vector<Part> parts = parts_of(file);
    for (std::size_t changes = 1 + below(4) * below(2); changes > 0; --changes) {
      const Part& part = parts[below(parts.size())];
      const std::size_t at = part.start + below(part.end - part.start - 7);
      switch (below(4)) {
        case 0:
          file.put(at, static_cast<char>(below(256)));
          break;
        case 1:
          file.put(at, static_cast<char>(file.get<char>(at) ^ (1 << below(8))));
          break;
        case 2:
          file.put(at & ~std::size_t{3}, static_cast<Elf64_Word>(extreme()));
          break;
        default:
          file.put(at & ~std::size_t{7}, extreme());
          break;
      }
    }
    if (below(20) == 0) file.truncate(below(file.size()));
  }

 private:
  std::size_t below(std::size_t end) { return random_() % end; }
  Elf64_Xword extreme() {
    constexpr Elf64_Xword kValues[] = {0,          1,           3,           8,       0xff,           0x1000,
                                       0x7fffffff, 0xffffffff,  0x100000000, ~0UL,    ~0UL >> 1,      DT_FILTER,
                                       DT_NEEDED,  DT_GNU_HASH, PT_TLS,      PT_LOAD, 0x7fffffff0000, ~0UL - 7};
    return kValues[below(std::size(kValues))];
  }

  std::mt19937_64 random_;
};

void build(Scene& scene, const std::vector<std::string>& flags) {
  scene.file("script", "V1 { global: one; two; local: choose; }; V2 { global: *; } V1;\n");
  Build build{.flags = flags};
  build.flags.push_back("-Wl,--version-script=" + scene.path("script"));
  scene.library("a", kRich, build);
  scene.program(
      "extern int two(int), three(void), data[50]; extern __thread int local;\n"
      "int main(void) { return two(1) + three() + data[2] + local; }",
      {.needs = {"a"}, .flags = {"-no-pie", "-fno-pic"}});
}

void withstand(const std::vector<std::string>& flags) {
  Scene scene;
  build(scene, flags);
  const ElfPatch good(scene.path("a.so"));
  const unsigned long seed = number_from("PAGEFOLD_DAMAGE_SEED", 1);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(number_from("PAGEFOLD_DAMAGE_SECONDS", 3));
  Damager damager(seed);
  unsigned rounds = 0, refused = 0;
  for (; std::chrono::steady_clock::now() < end; ++rounds) {
    ElfPatch bad = good;
    damager.damage(bad);
    bad.save();
    const Start start = {.environment = {"LD_TRACE_LOADED_OBJECTS=1", "LD_WARN=1", "LD_BIND_NOW=1"},
                         .timeout = std::chrono::seconds(10)};
    const RunResult result = run_under(tested_loader(), scene, Way::Interpreter, start);
    const bool ended = !result.timed_out && (result.status == 0 || result.status == 1 || result.status == 127);
    refused += result.status == 127;
    if (ended) continue;
    const std::string kept = "/tmp/pagefold-damaged-" + std::to_string(seed) + "-" + std::to_string(rounds) + ".so";
    std::filesystem::copy_file(scene.path("a.so"), kept, std::filesystem::copy_options::overwrite_existing);
    FAIL() << "round " << rounds << ": " << (result.timed_out ? "hangs" : "status " + std::to_string(result.status))
           << ", library kept as " << kept << "\n"
           << result.err;
  }
  EXPECT_GT(refused, 0u) << "of " << rounds;
}

TEST(LoaderRandomDamage, OfALibraryBoundLazily) {
  withstand({"-Wl,--hash-style=both", "-Wl,-z,lazy", "-mtls-dialect=gnu2"});
}

TEST(LoaderRandomDamage, OfALibraryWithPackedRelocations) {
  withstand({"-Wl,--hash-style=gnu", "-Wl,-z,now", "-Wl,-z,pack-relative-relocs"});
}

}  // namespace
}  // namespace pagefold::ld_test
