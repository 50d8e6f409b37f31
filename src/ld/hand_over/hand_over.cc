// Candidates in turn: the program's own interpreter, then where Debian and others keep ld.so; the first that is a
// loader and not this one is mapped. Nothing here allocates; the only writes are to the mapped image and to the
// auxiliary vector.
#include "ld/hand_over/hand_over.h"

#include <asm/unistd.h>
#include <elf.h>

#include "ld/base/sys.h"
#include "ld/hand_over/initial_stack.h"

namespace pagefold::ld::hand_over {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kCloseOnExec = 02000000;
constexpr uint64_t kRead = 1, kWrite = 2, kExecute = 4;
constexpr uint64_t kPrivate = 2, kFixed = 0x10, kAnonymous = 0x20;
constexpr uint64_t kNoFile = ~uint64_t{0};

constexpr char kCandidates[][48] = {
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
    "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
    "/usr/lib64/ld-linux-x86-64.so.2",
};

using sys::call, sys::failed, sys::word;

void say(const char* text) { call(__NR_write, 2, word(text), __builtin_strlen(text)); }

uint64_t down(uint64_t address) { return address & ~(kPage - 1); }
uint64_t up(uint64_t address) { return down(address + kPage - 1); }

uint64_t protection(uint32_t flags) {
  return (flags & PF_R ? kRead : 0) | (flags & PF_W ? kWrite : 0) | (flags & PF_X ? kExecute : 0);
}

// The first page of the file: ELF and program headers, by glibc's own rule.
struct FirstPage {
  alignas(8) char bytes[kPage];
  int64_t size;

  const Elf64_Ehdr& header() const { return *reinterpret_cast<const Elf64_Ehdr*>(bytes); }
  const Elf64_Phdr* segments() const { return reinterpret_cast<const Elf64_Phdr*>(bytes + header().e_phoff); }
  bool is_loader() const {
    const Elf64_Ehdr& h = header();
    return size >= static_cast<int64_t>(sizeof h) && __builtin_memcmp(h.e_ident, ELFMAG, SELFMAG) == 0 &&
           h.e_ident[EI_CLASS] == ELFCLASS64 && h.e_machine == EM_X86_64 && h.e_type == ET_DYN &&
           h.e_phentsize == sizeof(Elf64_Phdr) && h.e_phoff <= kPage &&
           h.e_phnum <= (kPage - h.e_phoff) / sizeof(Elf64_Phdr) && h.e_phoff % 8 == 0;
  }
  // This loader under another name (bind mount, copy): its first page lies unchanged in memory.
  bool is(const char* image) const {
    return size == static_cast<int64_t>(kPage) && __builtin_memcmp(bytes, image, kPage) == 0;
  }
};

struct Loaded {
  uint64_t base, entry, headers, header_count;
};

struct Extent {
  uint64_t start = ~uint64_t{0}, end = 0;
};

Extent extent(const FirstPage& page) {
  Extent e;
  for (unsigned i = 0; i < page.header().e_phnum; i++) {
    const Elf64_Phdr& s = page.segments()[i];
    if (s.p_type != PT_LOAD) continue;
    if (down(s.p_vaddr) < e.start) e.start = down(s.p_vaddr);
    if (up(s.p_vaddr + s.p_memsz) > e.end) e.end = up(s.p_vaddr + s.p_memsz);
  }
  return e;
}

// A truncated file would kill the process at the first touch of the missing page.
bool is_in_file(int64_t file, const Elf64_Phdr& s) {
  char last;
  return s.p_filesz == 0 ||
         call(__NR_pread64, static_cast<uint64_t>(file), word(&last), 1, s.p_offset + s.p_filesz - 1) == 1;
}

bool map_segment(int64_t file, const Elf64_Phdr& s, uint64_t base) {
  const uint64_t start = down(base + s.p_vaddr), data_end = base + s.p_vaddr + s.p_filesz,
                 end = base + s.p_vaddr + s.p_memsz;
  const uint64_t file_end = up(data_end), prot = protection(s.p_flags);
  if (failed(call(__NR_mmap, start, file_end - start, prot, kPrivate | kFixed, static_cast<uint64_t>(file),
                  down(s.p_offset))))
    return false;
  if (end <= data_end || !(prot & kWrite)) return true;
  // To the end of the page, as the kernel does: ld.so allocates its first objects behind its bss and takes zeros for
  // granted.
  for (auto* byte = reinterpret_cast<volatile char*>(data_end); word(byte) < file_end; byte = byte + 1) *byte = 0;
  if (end <= file_end) return true;
  return !failed(call(__NR_mmap, file_end, up(end) - file_end, prot, kPrivate | kFixed | kAnonymous, kNoFile, 0));
}

bool map_all(int64_t file, const FirstPage& page, Loaded& loaded) {
  const Extent e = extent(page);
  if (e.end <= e.start) return false;
  const int64_t at = call(__NR_mmap, 0, e.end - e.start, 0, kPrivate | kAnonymous, kNoFile, 0);
  if (failed(at)) return false;
  const uint64_t base = static_cast<uint64_t>(at) - e.start;
  for (unsigned i = 0; i < page.header().e_phnum; i++) {
    const Elf64_Phdr& s = page.segments()[i];
    if (s.p_type == PT_LOAD && !(is_in_file(file, s) && map_segment(file, s, base))) {
      call(__NR_munmap, static_cast<uint64_t>(at), e.end - e.start);
      return false;
    }
  }
  loaded = {base, base + page.header().e_entry, base + page.header().e_phoff, page.header().e_phnum};
  return true;
}

bool load(const char* path, const char* own_image, Loaded& loaded) {
  const int64_t file = call(__NR_open, word(path), kCloseOnExec, 0);
  if (failed(file)) return false;
  FirstPage page;
  page.size = call(__NR_pread64, static_cast<uint64_t>(file), word(page.bytes), kPage, 0);
  const bool good = page.is_loader() && !page.is(own_image) && map_all(file, page, loaded);
  call(__NR_close, static_cast<uint64_t>(file));
  return good;
}

// The path of the loader that was mapped, or null.
const char* load_any(const Request& request, Loaded& loaded) {
  if (request.interpreter && load(request.interpreter, request.own_image, loaded)) return request.interpreter;
  for (const auto& path : kCandidates)
    if (load(path, request.own_image, loaded)) return path;
  return nullptr;
}

void set(glibc::AuxEntry* auxv, uint64_t type, uint64_t value) {
  if (glibc::AuxEntry* entry = glibc::find_aux(auxv, type)) entry->value = value;
}

bool wants_to_know(const InitialStack& stack) {
  if (glibc::aux_value(stack.auxv, glibc::kAuxSecure)) return false;
  const auto set_in_environment = [&](const char* name) {
    const char* value = stack.environment_value(name);
    return value && *value;
  };
  return set_in_environment("PAGEFOLD_LD_DEBUG") || set_in_environment("LD_DEBUG");
}

// Registers as the kernel hands them to an interpreter: all zero, rdx too (nothing to call at exit).
[[noreturn]] void enter(uint64_t entry, uint64_t* stack) {
  asm volatile(
      "mov %1, %%rsp\n\t"
      "mov %0, %%r11\n\t"
      "xor %%eax, %%eax\n\t"
      "xor %%ebx, %%ebx\n\t"
      "xor %%ecx, %%ecx\n\t"
      "xor %%edx, %%edx\n\t"
      "xor %%esi, %%esi\n\t"
      "xor %%edi, %%edi\n\t"
      "xor %%ebp, %%ebp\n\t"
      "xor %%r8d, %%r8d\n\t"
      "xor %%r9d, %%r9d\n\t"
      "xor %%r10d, %%r10d\n\t"
      "xor %%r12d, %%r12d\n\t"
      "xor %%r13d, %%r13d\n\t"
      "xor %%r14d, %%r14d\n\t"
      "xor %%r15d, %%r15d\n\t"
      "cld\n\t"
      "jmp *%%r11"
      :
      : "r"(entry), "r"(stack)
      : "memory", "r11");
  __builtin_unreachable();
}

}  // namespace

void hand_over(const Request& request) {
  const InitialStack stack(request.stack);
  for (size_t i = 0; i < request.mapped_count; i++) call(__NR_munmap, request.mapped[i].start, request.mapped[i].size);
  Loaded loaded;
  const char* path = load_any(request, loaded);
  if (!path) {
    say("ld-pagefold: ");
    say(request.reason);
    say(", and there is no other loader: install the system's ld-linux-x86-64.so.2 (Debian: package libc6)\n");
    for (;;) call(__NR_exit_group, 127);
  }
  if (wants_to_know(stack)) {
    say("ld-pagefold: left to ");
    say(path);
    say(": ");
    say(request.reason);
    say("\n");
  }
  if (request.as_command) {  // to the genuine loader it looks as if it had been executed itself
    set(stack.auxv, glibc::kAuxProgramHeaders, loaded.headers);
    set(stack.auxv, glibc::kAuxProgramHeaderCount, loaded.header_count);
    set(stack.auxv, glibc::kAuxEntry, loaded.entry);
  } else {
    set(stack.auxv, glibc::kAuxBase, loaded.base);
  }
  enter(loaded.entry, request.stack);
}

}  // namespace pagefold::ld::hand_over
