// What an ELF file wants to have in memory: the one description of it that exec and the loader share. The plan is made
// from the program headers alone; each loadable segment becomes a `LoadSegment` in whole pages, and the rest (TLS
// image, RELRO, dynamic section, ...) is remembered as addresses in the file's own address space, bias not yet added.
//
// `make_plan` refuses what cannot be mapped (glibc's texts, elf/dl-load.c) and what would reach beyond the file: a page
// without file behind it would kill the process when touched.
#pragma once

#include "elf/bytes.h"
#include "elf/format.h"

namespace pagefold::elf {

struct Range {
  uint64_t start = 0;
  uint64_t size = 0;
  bool present = false;
};

struct LoadSegment {
  uint64_t start;        // first page
  uint64_t file_end;     // end of the last page that has file contents
  uint64_t data_end;     // where the file's contents end: zeros from here to file_end (if writable)
  uint64_t memory_end;   // where the memory ends, not rounded; pages beyond file_end are anonymous
  uint64_t end;          // the same, rounded to pages
  uint64_t file_offset;  // of `start`
  uint32_t flags;        // PF_R | PF_W | PF_X
};

struct TlsImage {
  uint64_t start = 0, file_size = 0, size = 0, align = 0;
};

struct LoadPlan {
  uint64_t start = 0;      // lowest page
  uint64_t end = 0;        // end of the highest page
  uint64_t align = 0;      // of `start`, at least a page
  uint32_t loads = 0;      // loadable segments
  bool has_holes = false;  // pages between segments that belong to none
  bool position_fixed = false;
  bool has_interpreter = false;
  bool states_stack = false;
  uint32_t stack_flags = 0;  // PT_GNU_STACK, PF_*
  uint64_t entry = 0;
  uint64_t headers = 0;  // where the program headers will lie in memory
  bool headers_loaded = false;
  Range dynamic, relro, eh_frame_header, interpreter, property;
  TlsImage tls;
};

template <class E>
class LoadPlanner {
 public:
  using Segment = typename E::Segment;

  LoadPlanner(const typename E::Header& header, Table<Segment> segments, uint64_t file_size, uint64_t page_size)
      : header_(header), segments_(segments), file_size_(file_size), page_(page_size) {}

  // Fills `plan`. The defect's place is the offset of the program header at fault in the file.
  Defect make(LoadPlan& plan) const {
    plan = LoadPlan();
    plan.entry = header_.e_entry;
    plan.position_fixed = header_.e_type == ET_EXEC;
    plan.align = page_;
    uint64_t previous_end = 0;
    for (uint64_t i = 0; i < segments_.count; ++i) {
      const Segment& s = segments_[i];
      if (s.p_type == PT_LOAD) {
        if (const Defect defect = add_load(plan, s, i, previous_end)) return defect;
      } else {
        note(plan, s);
      }
    }
    if (plan.loads == 0) return {"object file has no loadable segments", header_.e_phoff};
    if (plan.tls.size != 0 && !power_of_two(plan.tls.align))
      return {"TLS segment alignment is no power of two", header_.e_phoff};
    if (plan.tls.size >= kHighest || plan.tls.align >= kHighest)
      return {"TLS segment of an absurd size", header_.e_phoff};
    if (plan.relro.present &&
        (plan.relro.start < plan.start || plan.relro.start + plan.relro.size > plan.end || plan.relro.size > plan.end))
      return {"RELRO outside the loaded segments", header_.e_phoff};
    if (plan.tls.file_size > plan.tls.size) return {"TLS segment larger in the file than in memory", header_.e_phoff};
    return {};
  }

  LoadSegment load(const Segment& s) const {
    const uint64_t start = s.p_vaddr & ~(page_ - 1);
    return {start,
            round_up(uint64_t{s.p_vaddr} + s.p_filesz),
            uint64_t{s.p_vaddr} + s.p_filesz,
            uint64_t{s.p_vaddr} + s.p_memsz,
            round_up(uint64_t{s.p_vaddr} + s.p_memsz),
            s.p_offset & ~(page_ - 1),
            s.p_flags};
  }

  template <class F>
  void for_each_load(F&& f) const {
    for (const Segment& s : segments_)
      if (s.p_type == PT_LOAD) f(load(s));
  }

 private:
  static constexpr uint64_t kHighest = uint64_t{1} << 47;  // user addresses, x86-64
  static constexpr bool power_of_two(uint64_t n) { return (n & (n - 1)) == 0; }
  uint64_t round_up(uint64_t n) const { return (n + page_ - 1) & ~(page_ - 1); }
  uint64_t header_place(uint64_t i) const { return header_.e_phoff + i * sizeof(Segment); }

  Defect add_load(LoadPlan& plan, const Segment& s, uint64_t i, uint64_t& previous_end) const {
    if ((s.p_align & (page_ - 1)) != 0) return {"ELF load command alignment not page-aligned", header_place(i)};
    if (!power_of_two(s.p_align)) return {"ELF load command alignment no power of two", header_place(i)};
    if (((uint64_t{s.p_vaddr} - s.p_offset) & (s.p_align - 1)) != 0 && s.p_align != 0)
      return {"ELF load command address/offset not page-aligned", header_place(i)};
    if (s.p_filesz > s.p_memsz) return {"ELF load command larger in the file than in memory", header_place(i)};
    if (s.p_vaddr >= kHighest || s.p_memsz >= kHighest)
      return {"ELF load command address out of range", header_place(i)};
    if (s.p_offset > file_size_ || s.p_filesz > file_size_ - s.p_offset) return {"file too short", header_place(i)};
    const LoadSegment load = this->load(s);
    if (plan.loads != 0 && s.p_vaddr < previous_end)
      return {"ELF load commands overlap or are not in order", header_place(i)};
    if (plan.loads == 0) plan.start = load.start;
    if (plan.loads != 0 && load.start > plan.end) plan.has_holes = true;
    previous_end = uint64_t{s.p_vaddr} + s.p_memsz;  // not rounded: two segments may share a page
    if (load.end > plan.end) plan.end = load.end;
    if (s.p_align > plan.align) plan.align = s.p_align;
    const uint64_t headers_end = header_.e_phoff + segments_.count * sizeof(Segment);
    if (!plan.headers_loaded && header_.e_phoff >= s.p_offset && headers_end <= uint64_t{s.p_offset} + s.p_filesz) {
      plan.headers = header_.e_phoff - s.p_offset + s.p_vaddr;
      plan.headers_loaded = true;
    }
    ++plan.loads;
    return {};
  }

  static void note(LoadPlan& plan, const Segment& s) {
    const Range range{s.p_vaddr, s.p_memsz, true};
    switch (s.p_type) {
      case PT_DYNAMIC:
        plan.dynamic = range;
        break;
      case PT_INTERP:
        plan.has_interpreter = true;
        plan.interpreter = range;
        break;
      case PT_GNU_RELRO:
        plan.relro = range;
        break;
      case PT_GNU_EH_FRAME:
        plan.eh_frame_header = range;
        break;
      case PT_GNU_PROPERTY:
        plan.property = range;
        break;
      case PT_GNU_STACK:
        plan.states_stack = true;
        plan.stack_flags = s.p_flags;
        break;
      case PT_TLS:
        if (s.p_memsz != 0) plan.tls = {s.p_vaddr, s.p_filesz, s.p_memsz, s.p_align == 0 ? 1 : s.p_align};
        break;
      default:
        break;
    }
  }

  const typename E::Header& header_;
  Table<Segment> segments_;
  uint64_t file_size_;
  uint64_t page_;
};

}  // namespace pagefold::elf
