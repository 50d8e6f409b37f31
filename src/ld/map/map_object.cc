#include "ld/map/map_object.h"

#include "ld/base/text.h"
#include "ld/start/process.h"

namespace pagefold::ld {
namespace {

using elf::LoadPlan;
using elf::LoadSegment;
using Planner = elf::LoadPlanner<Elf>;

uint32_t protection(uint32_t flags) {
  return ((flags & PF_R) != 0 ? sys::kProtRead : 0) | ((flags & PF_W) != 0 ? sys::kProtWrite : 0) |
         ((flags & PF_X) != 0 ? sys::kProtExec : 0);
}

constexpr const char* kMapFailed = "failed to map segment from shared object";

class Mapper {
 public:
  Mapper(const OpenFile& file, const char* path, const LoadPlan& plan, const Planner& planner)
      : file_(file), path_(path), plan_(plan), planner_(planner) {}

  // The address that the plan's lowest page got.
  Status map(uint64_t& where) {
    bool begun = false;
    Status status = nullptr;
    planner_.for_each_load([&](const LoadSegment& segment) {
      if (!begun) first_ = segment;
      if (status == nullptr) status = !begun ? reserve(segment) : is_there(segment) ? nullptr : overlay(segment);
      begun = true;
      if (status == nullptr) status = clear_rest(segment);
      previous_end_ = segment.end;
    });
    where = where_;
    if (status != nullptr && where_ != 0) sys::unmap(where_, plan_.end - plan_.start);
    return status;
  }

 private:
  uint64_t place(uint64_t address) const { return where_ + (address - plan_.start); }

  Status failed(int64_t result) const { return fail(path_, kMapFailed, sys::error_of(result)); }

  // The first segment is mapped over the whole span, so that the kernel chooses a place with room for everything.
  Status reserve(const LoadSegment& segment) {
    const uint64_t span = plan_.end - plan_.start;
    const uint32_t flags = sys::kMapPrivate;
    if (plan_.align > process.page_size && !plan_.position_fixed) {
      LD_TRY(reserve_aligned(span));
      const int64_t at =
          sys::map(where_, span, protection(segment.flags), flags | sys::kMapFixed, file_.fd, segment.file_offset);
      if (sys::failed(at)) return failed(at);
    } else {
      const uint64_t want = plan_.position_fixed ? plan_.start : 0;
      const int64_t at = sys::map(want, span, protection(segment.flags),
                                  flags | (want != 0 ? sys::kMapFixedNoReplace : 0), file_.fd, segment.file_offset);
      if (sys::failed(at)) return failed(at);
      where_ = static_cast<uint64_t>(at);
      if (want != 0 && where_ != want) {
        sys::unmap(where_, span);
        where_ = 0;
        return failed(-17);
      }
    }
    if (!plan_.has_holes) return nullptr;
    const uint64_t rest = place(segment.end);
    const int64_t result = sys::protect(rest, where_ + span - rest, sys::kProtNone);
    return sys::failed(result) ? fail(path_, "cannot change memory protections", sys::error_of(result)) : nullptr;
  }

  Status reserve_aligned(uint64_t span) {
    const int64_t at = sys::map(0, span + plan_.align, sys::kProtNone, sys::kMapPrivate | sys::kMapAnonymous, -1, 0);
    if (sys::failed(at)) return failed(at);
    const auto got = static_cast<uint64_t>(at);
    // plan_.start keeps its offset from a multiple of the alignment.
    const uint64_t offset = plan_.start & (plan_.align - 1);
    where_ = ((got - offset + plan_.align - 1) & ~(plan_.align - 1)) + offset;
    if (where_ > got) sys::unmap(got, where_ - got);
    const uint64_t end = where_ + span, got_end = got + span + plan_.align;
    if (got_end > end) sys::unmap(end, got_end - end);
    return nullptr;
  }

  // Read-only data behind the code usually continues the file as the first segment began it, and that was mapped over
  // the whole span.
  bool is_there(const LoadSegment& segment) const {
    return !plan_.has_holes && segment.flags == first_.flags && (segment.flags & PF_W) == 0 &&
           segment.start >= previous_end_ && segment.file_offset - segment.start == first_.file_offset - first_.start;
  }

  Status overlay(const LoadSegment& segment) {
    if (segment.file_end <= segment.start) return nullptr;
    const int64_t at = sys::map(place(segment.start), segment.file_end - segment.start, protection(segment.flags),
                                sys::kMapPrivate | sys::kMapFixed, file_.fd, segment.file_offset);
    return sys::failed(at) ? failed(at) : nullptr;
  }

  // Memory beyond the file's contents is zero: further pages are anonymous, the rest of the last page is cleared by hand.
  Status clear_rest(const LoadSegment& segment) {
    if (memory_size_equals_file(segment)) return nullptr;
    if (segment.end > segment.file_end) {
      const int64_t at = sys::map(place(segment.file_end), segment.end - segment.file_end, protection(segment.flags),
                                  sys::kMapPrivate | sys::kMapAnonymous | sys::kMapFixed, -1, 0);
      if (sys::failed(at)) return fail(path_, "cannot map zero-fill pages", sys::error_of(at));
    }
    const uint64_t page_rest = segment.file_end - segment.data_end;
    if (page_rest == 0) return nullptr;
    const uint64_t page = place(segment.file_end) - process.page_size;
    const bool writable = (segment.flags & PF_W) != 0;
    if (!writable && sys::failed(sys::protect(page, process.page_size, protection(segment.flags) | sys::kProtWrite)))
      return fail(path_, "cannot change memory protections");
    look_at_start();
    memset(reinterpret_cast<void*>(place(segment.data_end)), 0, page_rest);
    if (!writable) sys::protect(page, process.page_size, protection(segment.flags));
    return nullptr;
  }

  // The headers, which are wanted soon anyway. A system that knows what it will need of a file brings all of it at the first look
  // (Pagefold does), and the stores that follow meet no fault.
  void look_at_start() const {
    if ((first_.flags & PF_R) != 0 && first_.file_end > first_.start) (void)*reinterpret_cast<const volatile char*>(where_);
  }

  bool memory_size_equals_file(const LoadSegment& segment) const { return segment.memory_end <= segment.data_end; }

  const OpenFile& file_;
  const char* path_;
  const LoadPlan& plan_;
  const Planner& planner_;
  LoadSegment first_{};
  uint64_t previous_end_ = 0;
  uint64_t where_ = 0;
};

// Does a segment cover the headers that can be read, and that no relocation may write to?
bool has_headers(const OpenFile& file, const LoadPlan& plan) {
  const uint64_t size = file.segments.count * sizeof(Elf64_Phdr);
  for (const Elf64_Phdr& segment : file.segments) {
    if (segment.p_type != PT_LOAD || plan.headers - segment.p_vaddr >= segment.p_filesz) continue;
    return (segment.p_flags & (PF_R | PF_W)) == PF_R && size <= segment.p_filesz - (plan.headers - segment.p_vaddr);
  }
  return false;
}

// The headers live in the image when a segment covers them; otherwise a copy is kept.
void adopt_headers(Module& module, const OpenFile& file, const LoadPlan& plan) {
  if (plan.headers_loaded && has_headers(file, plan)) {
    module.headers = {reinterpret_cast<const Elf64_Phdr*>(module.bias + plan.headers), file.segments.count};
    return;
  }
  auto* copy = make_array<Elf64_Phdr>(file.segments.count);
  memcpy(copy, file.segments.data, file.segments.count * sizeof(Elf64_Phdr));
  module.headers = {copy, file.segments.count};
  module.headers_allocated = true;
}

void adopt_plan(Module& module, const LoadPlan& plan, const Planner& planner) {
  module.map_start = module.bias + plan.start;
  module.map_end = 0;
  planner.for_each_load([&](const LoadSegment& segment) {
    if (module.bias + segment.memory_end > module.map_end) module.map_end = module.bias + segment.memory_end;
    if ((segment.flags & PF_X) != 0) module.text_end = module.bias + segment.memory_end;
  });
  module.contiguous = !plan.has_holes;
  module.entry = plan.entry == 0 ? 0 : module.bias + plan.entry;
  if (module.image().inside(plan.relro.start, plan.relro.size, 0)) module.relro = plan.relro;
  module.eh_frame_header = plan.eh_frame_header;
  module.stack_flags = plan.states_stack ? plan.stack_flags : (PF_R | PF_W | PF_X);
  if (plan.tls.size != 0) {
    module.tls_image = module.bias + plan.tls.start;
    module.tls_file_size = plan.tls.file_size;
    module.tls_size = plan.tls.size;
    module.tls_align = plan.tls.align;
    module.tls_first_byte = plan.tls.start & (plan.tls.align - 1);
  }
}

Status check_tls(const Module& module, const LoadPlan& plan) {
  if (plan.tls.file_size == 0 || module.image().inside(plan.tls.start, plan.tls.file_size, PF_R)) return nullptr;
  return fail_at(module.name(), "TLS image outside the loaded segments", plan.tls.start);
}

Status check_kind(const OpenFile& file, const LoadPlan& plan, const char* path, Type type) {
  if (type == Type::kExecutable) return nullptr;
  if (file.header().e_type == ET_EXEC) return fail(path, "cannot dynamically load executable");
  if (!plan.dynamic.present) return fail(path, "object file has no dynamic section");
  return nullptr;
}

// glibc has words for a few defects, and names the object as it was asked for; for the others the file and the place
// are named.
Status refuse(const char* path, const char* asked_for, const elf::Defect& defect) {
  for (const char* known :
       {"ELF load command alignment not page-aligned", "ELF load command address/offset not page-aligned"})
    if (equal(defect.what, known)) return fail(asked_for, defect.what);
  return fail_at(path, defect.what, defect.where);
}

}  // namespace

Result<Module*> map_object(OpenFile& file, char* path, const char* asked_for, Type type, Module* loader) {
  LoadPlan plan;
  const Planner planner(file.header(), file.segments, static_cast<uint64_t>(file.stat.size), process.page_size);
  const elf::Defect defect = planner.make(plan);
  Status status = defect ? refuse(path, asked_for, defect) : check_kind(file, plan, asked_for, type);
  uint64_t where = 0;
  if (status == nullptr) status = Mapper(file, asked_for, plan, planner).map(where);
  if (status != nullptr) {
    file.close();
    release_string(path);
    return {nullptr, status};
  }
  Module* module = new_module(path, asked_for, type, loader);
  module->bias = where - plan.start;
  module->device = file.stat.device;
  module->inode = file.stat.inode;
  adopt_headers(*module, file, plan);
  adopt_plan(*module, plan, planner);
  file.close();
  status = check_tls(*module, plan);
  if (status == nullptr && plan.dynamic.present) {
    if (const elf::Defect bad = read_dynamic(*module, plan, true)) status = fail_at(path, bad.what, bad.where);
  }
  if (status != nullptr) {
    unmap(*module);
    free_module(module);
    return {nullptr, status};
  }
  if (type != Type::kExecutable) relocate_dynamic(*module);  // the program's turn comes when its libc is known
  mirror(*module);
  return {module, nullptr};
}

// The whole span: holes between segments were reserved with it. (Not segment by segment - the headers that tell them
// lie inside.)
void unmap(const Module& module) {
  const uint64_t page = process.page_size;
  const uint64_t start = module.map_start & ~(page - 1);
  sys::unmap(start, ((module.map_end + page - 1) & ~(page - 1)) - start);
}

Status describe_mapped(Module& module, bool writable_dynamic) {
  Elf64_Ehdr header = {};
  header.e_entry = module.entry - module.bias;
  header.e_type = module.bias == 0 ? ET_EXEC : ET_DYN;
  header.e_phoff = ~uint64_t{0} >> 1;  // the headers' place in the file is not asked for
  LoadPlan plan;
  const Planner planner(header, module.headers, ~uint64_t{0} >> 1, process.page_size);
  if (const elf::Defect defect = planner.make(plan)) return fail(display_name(module), defect.what);
  const uint64_t entry = module.entry;
  adopt_plan(module, plan, planner);
  module.entry = entry;
  LD_TRY(check_tls(module, plan));
  if (plan.dynamic.present) {
    if (const elf::Defect bad = read_dynamic(module, plan, writable_dynamic))
      return fail_at(display_name(module), bad.what, bad.where);
  }
  mirror(module);
  return nullptr;
}

Status protect_relro(const Module& module) {
  if (!module.relro.present) return nullptr;
  const uint64_t page = process.page_size;
  const uint64_t start = (module.bias + module.relro.start) & ~(page - 1);
  const uint64_t end = (module.bias + module.relro.start + module.relro.size) & ~(page - 1);
  if (end <= start) return nullptr;
  const int64_t result = sys::protect(start, end - start, sys::kProtRead);
  return sys::failed(result) ? fail(display_name(module), "cannot apply additional memory protection after relocation",
                                    sys::error_of(result))
                             : nullptr;
}

}  // namespace pagefold::ld
