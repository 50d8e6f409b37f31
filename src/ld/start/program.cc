#include "ld/start/program.h"

#include "ld/base/text.h"
#include "ld/debug/debug.h"
#include "ld/find/load.h"
#include "ld/find/origin.h"
#include "ld/map/map_object.h"
#include "ld/module/published.h"
#include "ld/module/scope.h"
#include "ld/resolve/lookup.h"
#include "ld/resolve/versions.h"
#include "ld/start/process.h"
#include "ld/start/stack.h"

namespace pagefold::ld {
namespace {

uint64_t bias_of(elf::Table<Elf64_Phdr> headers) {
  for (const Elf64_Phdr& header : headers)
    if (header.p_type == PT_PHDR) return sys::word(headers.data) - header.p_vaddr;
  return 0;
}

void become_main(Module& module) {
  module.is_main = true;
  world.main = &module;
}

}  // namespace

Status describe_program() {
  Module* module = new_module(duplicate(""), "", Type::kExecutable, nullptr);
  module->headers = {process.headers, process.header_count};
  module->bias = bias_of(module->headers);
  module->entry = process.entry;
  become_main(*module);
  LD_TRY(describe_mapped(*module, true));
  if (debug::on(debug::kFiles)) warn_of_flags(*module);
  return nullptr;
}

Status map_program() {
  OpenFile file;
  char* path = nullptr;
  LD_TRY(find_file(nullptr, process.argv[0], file, path));
  LD_TRY(know_identity(file, path));
  if (debug::on(debug::kFiles)) debug::print("file=%s [0];  generating link map\n", process.argv[0]);
  const Result<Module*> mapped = map_object(file, path, "", Type::kExecutable, nullptr);
  LD_TRY(mapped.failure);
  Module& main = *mapped.value;
  if (debug::on(debug::kFiles)) tell_place(main);
  become_main(main);
  origin_of(&main);  // while its name is known: on the list the program's is empty
  main.map()->l_name = duplicate("");
  return nullptr;
}

// The same program under another libc's layout.
Status remake_main() {
  Module* before = world.main;
  Module* module = new_module(duplicate(before->name()), "", Type::kExecutable, nullptr);
  module->headers = before->headers;
  module->bias = before->bias;
  module->entry = before->entry;
  module->device = before->device;
  module->inode = before->inode;
  module->origin = before->origin;
  become_main(*module);
  return describe_mapped(*module, true);
}

const char* interpreter_of_program() {
  const Module& main = *world.main;
  for (const Elf64_Phdr& header : main.headers)
    if (header.p_type == PT_INTERP) return main.image().rest(header.p_vaddr).string(0);
  return nullptr;
}

bool program_stands_alone() {
  if (interpreter_of_program() != nullptr) return false;
  for (const Elf64_Dyn& entry : world.main->view.entries)
    if (entry.d_tag == DT_NEEDED) return false;
  return true;
}

Status describe_self(uint64_t base, const char* path) {
  const auto* header = reinterpret_cast<const Elf64_Ehdr*>(base);
  const char* interpreter = interpreter_of_program();
  const char* name = path != nullptr ? path : interpreter;
  Module* module = new_module(duplicate(name), interpreter != nullptr ? interpreter : name, Type::kLibrary, nullptr);
  module->headers = {reinterpret_cast<const Elf64_Phdr*>(base + header->e_phoff), header->e_phnum};
  module->bias = base;
  module->entry = base + header->e_entry;
  LD_TRY(describe_mapped(*module, true));
  relocate_dynamic(*module);
  module->relocated = true;
  if (module->view.soname != nullptr) add_name(*module, module->view.soname);
  world.self = module;
  return nullptr;
}

Status describe_vdso() {
  if (process.vdso == 0) return nullptr;
  const auto* header = reinterpret_cast<const Elf64_Ehdr*>(process.vdso);
  Module* module = new_module(duplicate("linux-vdso.so.1"), "linux-vdso.so.1", Type::kLibrary, nullptr);
  module->headers = {reinterpret_cast<const Elf64_Phdr*>(process.vdso + header->e_phoff), header->e_phnum};
  for (const Elf64_Phdr& segment : module->headers) {
    if (segment.p_type != PT_LOAD) continue;
    module->bias = process.vdso - segment.p_vaddr;
    break;
  }
  LD_TRY(describe_mapped(*module, false));
  module->relocated = true;
  auto** own = make_array<LinkMap*>(1);  // libc's IFUNC resolvers look in its scope (l_local_scope)
  own[0] = module->map();
  *module->search_list() = {own, 1};
  world.vdso = module;
  return nullptr;
}

void settle_self() {
  Module& self = *world.self;
  const SearchList& list = *world.main->search_list();
  remove_from_list(&self);
  self.map()->l_next = self.map()->l_prev = nullptr;
  for (uint32_t i = 1; i < list.count; ++i) {
    if (module_of(list.list[i]) != &self) continue;
    insert_after(&self, module_of(list.list[i - 1]));
    return;
  }
}

}  // namespace pagefold::ld
