// Fuzz target: one input is one file, as the loader meets it - header, program headers, load plan, the image that the
// plan describes, dynamic section, hash tables, versions, relocations, notes. Nothing may read outside, overflow or
// loop; a sanitizer and the fuzzer's time limit say so. An image above 4 MiB is not laid out: what is beyond that is
// the kernel's to refuse.
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "elf/bytes.h"
#include "elf/dynamic.h"
#include "elf/format.h"
#include "elf/hash.h"
#include "elf/header.h"
#include "elf/image.h"
#include "elf/load_plan.h"
#include "elf/notes.h"
#include "elf/relr.h"
#include "elf/versions.h"

namespace {

using namespace pagefold::elf;

constexpr uint64_t kPage = 4096;
constexpr uint64_t kLargestImage = 4 << 20;

volatile uint64_t seen;  // keeps the compiler from dropping what is read

void note(uint64_t value) { seen = seen + value; }
void note(const char* text) {
  if (text != nullptr) note(std::strlen(text));
}

// The image in memory, as the loader would have mapped it.
class Mapped {
 public:
  explicit Mapped(uint64_t size)
      : size_(size), bytes_(::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {}
  ~Mapped() { ::munmap(bytes_, size_); }
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;
  [[nodiscard]] char* bytes() const { return static_cast<char*>(bytes_); }

 private:
  uint64_t size_;
  void* bytes_;
};

void look_up(const ObjectView<Elf64>& view) {
  for (const char* name : {"", "f", "malloc", "a_name_that_is_in_no_table", "_ITM_registerTMCloneTable"}) {
    const auto visit = [&](uint32_t index) {
      if (index >= view.symbols.count) return false;
      note(view.string(view.symbols[index].st_name));
      if (index < view.versyms.count) note(view.versyms[index]);
      return false;
    };
    const uint32_t hash = gnu_hash(name);
    if (view.gnu.bucket_count != 0 && view.gnu.maybe_has(hash)) note(view.gnu.candidates(hash, visit));
    if (view.gnu.bucket_count != 0) note(view.gnu.candidates(hash, visit));
    if (view.sysv.bucket_count != 0) note(view.sysv.candidates(sysv_hash(name), visit));
  }
}

void walk_tables(const Image<Elf64>& image, const ObjectView<Elf64>& view) {
  (void)for_each_needed_version(view, [](const NeededVersion& one) { return note(one.file), note(one.name), true; });
  (void)for_each_defined_version(view, [](const DefinedVersion& one) { return note(one.name), true; });
  for (const Table<Elf64_Rela>& table : {view.rela, view.plt_rela}) {
    for (const Elf64_Rela& one : table) {
      note(image.inside(one.r_offset, 8, PF_W));
      if (ELF64_R_SYM(one.r_info) < view.symbols.count) note(view.symbols[ELF64_R_SYM(one.r_info)].st_value);
    }
  }
  (void)for_each_relr(view.relr, [&](uint64_t address) { return note(image.inside(address, 8, PF_W)), true; });
  for (const auto& entry : view.entries) note(static_cast<uint64_t>(entry.d_tag));
  for (const char* text : {view.soname, view.rpath, view.runpath}) note(text);
}

void read_object(const LoadPlan& plan, const LoadPlanner<Elf64>& planner, Table<Elf64_Phdr> segments, Bytes file) {
  if (plan.end <= plan.start || plan.end - plan.start > kLargestImage) return;
  const Mapped memory(plan.end - plan.start);
  planner.for_each_load([&](const LoadSegment& one) {
    const uint64_t length =
        std::min(one.data_end - one.start, file.size() > one.file_offset ? file.size() - one.file_offset : 0);
    std::memcpy(memory.bytes() + (one.start - plan.start), file.data() + one.file_offset, length);
  });
  const Image<Elf64> image(reinterpret_cast<uint64_t>(memory.bytes()) - plan.start, segments);
  for (const Elf64_Phdr& one : segments) {
    if (one.p_type == PT_NOTE) note(build_id(image.rest(one.p_vaddr), one.p_align).size());
  }
  ObjectView<Elf64> view;
  if (!plan.dynamic.present) return;
  if (DynamicReader<Elf64>(image, view).read(plan.dynamic.start, plan.dynamic.size)) return;
  look_up(view);
  walk_tables(image, view);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // Aligned as a page of a file is; the fuzzer's buffer need not be.
  std::vector<uint64_t> aligned((size + 7) / 8);
  if (size != 0) std::memcpy(aligned.data(), data, size);
  const Bytes file(aligned.data(), size);
  if (check_header<Elf64>(file, EM_X86_64).verdict != Verdict::kGood) return 0;
  const auto& header = *file.at<Elf64_Ehdr>(0);
  const Table<Elf64_Phdr> segments = file.table<Elf64_Phdr>(header.e_phoff, header.e_phnum);
  if (segments.data == nullptr) return 0;
  const LoadPlanner<Elf64> planner(header, segments, size, kPage);
  LoadPlan plan;
  if (planner.make(plan)) return 0;
  read_object(plan, planner, segments, file);
  return 0;
}
