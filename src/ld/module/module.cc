#include "ld/module/module.h"

#include "ld/abi/glibc/info_index.h"
#include "ld/base/text.h"
#include "ld/module/published.h"
#include "ld/start/process.h"

namespace pagefold::ld {

__attribute__((visibility("hidden"))) World world;

namespace {

uint64_t next_serial = 0;

void publish_list() {
  auto* base = static_cast<char*>(published::rtld_global()) + world.layout->rtld_global.dl_ns;
  at<LinkMap*>(base, world.layout->link_namespaces.ns_loaded) = world.first == nullptr ? nullptr : world.first->map();
  at<uint32_t>(base, world.layout->link_namespaces.ns_nloaded) = world.count;
}

void unlink(Module* module) {
  LinkMap* map = module->map();
  if (map->l_prev != nullptr) map->l_prev->l_next = map->l_next;
  if (map->l_next != nullptr) map->l_next->l_prev = map->l_prev;
  if (world.first == module) world.first = map->l_next == nullptr ? nullptr : module_of(map->l_next);
  if (world.last == module) world.last = map->l_prev == nullptr ? nullptr : module_of(map->l_prev);
}

bool is_relocated_in_place(uint64_t tag) {
  switch (tag) {
    case DT_HASH:
    case DT_PLTGOT:
    case DT_STRTAB:
    case DT_SYMTAB:
    case DT_RELA:
    case DT_JMPREL:
    case DT_VERSYM:
    case DT_GNU_HASH:
      return true;
    default:
      return false;
  }
}

}  // namespace

void set_bits(void* base, uint32_t bit, uint32_t width, uint32_t value) {
  if (!glibc::present(bit)) return;
  uint8_t* byte = static_cast<uint8_t*>(base) + bit / 8;
  const uint32_t shift = bit % 8, mask = ((1u << width) - 1) << shift;
  *byte = static_cast<uint8_t>((*byte & ~mask) | (value << shift & mask));
}

Module* new_module(const char* name, const char* asked_for, Type type, Module* loader) {
  auto* module = new (allocate(sizeof(Module) + world.layout->link_map.size)) Module();
  LinkMap* map = module->map();
  map->l_name = name;
  module->type = type;
  module->loader = loader;
  module->serial = next_serial++;
  const auto& layout = world.layout->link_map;
  at<LinkMap*>(map, layout.l_real) = map;
  auto* first_name = make_array<Name>(1);
  *first_name = {duplicate(asked_for), nullptr, 1};
  module->names = first_name;
  at<Name*>(map, layout.l_libname) = first_name;
  set_bits(map, layout.l_type, layout.l_type_bits, static_cast<uint32_t>(type));
  at<LinkMap*>(map, layout.l_loader) = loader == nullptr ? nullptr : loader->map();
  set_if_present(map, layout.l_serial, module->serial);
  at<SearchList*>(map, layout.l_local_scope) = module->search_list();
  return module;
}

void free_module(Module* module) {
  for (Name* name = module->names; name != nullptr;) {
    Name* next = name->next;
    release_string(name->name);
    release(name, sizeof(Name));
    name = next;
  }
  release_string(module->map()->l_name);
  release_string(module->origin);
  release(module->versions, module->version_count * sizeof(Version));
  release(module->version_files, module->version_count * sizeof(Module*));
  release(module->initfini, module->initfini_size * sizeof(LinkMap*));
  release(module->search_storage, module->search_storage_size * sizeof(LinkMap*));
  if (module->scope_capacity > world.layout->link_map.l_scope_mem_count)
    release(module->scope, module->scope_capacity * sizeof(SearchList*));
  module->relocation_dependencies.free();
  for (void* argument : module->tls_arguments) release(argument, 24);
  module->tls_arguments.free();
  if (module->headers_allocated)
    release(const_cast<Elf64_Phdr*>(module->headers.data), module->headers.count * sizeof(Elf64_Phdr));
  release(module, sizeof(Module) + world.layout->link_map.size);
}

void append_to_list(Module* module) {
  LinkMap* map = module->map();
  if (world.last != nullptr) {
    world.last->map()->l_next = map;
    map->l_prev = world.last->map();
  } else {
    world.first = module;
  }
  world.last = module;
  ++world.count;
  ++world.load_adds;
  at<uint64_t>(published::rtld_global(), world.layout->rtld_global.dl_load_adds) = world.load_adds;
  publish_list();
}

void insert_after(Module* module, Module* before) {
  LinkMap* map = module->map();
  LinkMap* previous = before->map();
  map->l_prev = previous;
  map->l_next = previous->l_next;
  previous->l_next = map;
  if (map->l_next != nullptr) map->l_next->l_prev = map;
  if (world.last == before) world.last = module;
  ++world.count;
  publish_list();
}

void remove_from_list(Module* module) {
  unlink(module);
  --world.count;
  publish_list();
}

void move_before(Module* module, Module* next) {
  unlink(module);
  LinkMap* map = module->map();
  map->l_prev = next->map()->l_prev;
  map->l_next = next->map();
  map->l_prev->l_next = map;
  map->l_next->l_prev = map;
  publish_list();
}

bool answers_to(const Module& module, const char* name) {
  if (equal(name, module.name())) return true;
  for (const Name* known = module.names; known != nullptr; known = known->next)
    if (equal(name, known->name)) return true;
  return false;
}

void add_name(Module& module, const char* name) {
  Name** link = &module.names;
  for (; *link != nullptr; link = &(*link)->next)
    if (equal((*link)->name, name)) return;
  auto* added = make_array<Name>(1);
  *added = {duplicate(name), nullptr, 1};
  *link = added;
}

elf::Defect read_dynamic(Module& module, const elf::LoadPlan& plan, bool writable) {
  LinkMap* map = module.map();
  const elf::Image<Elf> image = module.image();
  if (const elf::Defect defect =
          elf::DynamicReader<Elf>(image, module.view).read(plan.dynamic.start, plan.dynamic.size))
    return defect;
  map->l_ld = const_cast<Elf64_Dyn*>(module.view.entries.data);
  module.dynamic_readonly = !writable || !image.inside(plan.dynamic.start, plan.dynamic.size, PF_W);

  const auto& layout = world.layout->link_map;
  const glibc::InfoIndex index_of(*world.layout);
  auto** info = &at<Elf64_Dyn*>(map, layout.l_info);
  for (const Elf64_Dyn& entry : module.view.entries) {
    const uint32_t index = index_of[static_cast<uint64_t>(entry.d_tag)];
    if (index != glibc::InfoIndex::kNoPlace) info[index] = const_cast<Elf64_Dyn*>(&entry);
  }
  at<uint16_t>(map, layout.l_ldnum) = static_cast<uint16_t>(plan.dynamic.size / sizeof(Elf64_Dyn));
  set_bits(map, layout.l_ld_readonly, 1, module.dynamic_readonly ? 1 : 0);
  return {};
}

void relocate_dynamic(Module& module) {
  if (module.dynamic_readonly || module.bias == 0) return;
  const glibc::InfoIndex index_of(*world.layout);
  auto** info = &at<Elf64_Dyn*>(module.map(), world.layout->link_map.l_info);
  // Only the entry that l_info shows, as glibc does: a repeated tag keeps its file address.
  for (const Elf64_Dyn& entry : module.view.entries) {
    const auto tag = static_cast<uint64_t>(entry.d_tag);
    if (!is_relocated_in_place(tag)) continue;
    if (info[index_of[tag]] == &entry) const_cast<Elf64_Dyn&>(entry).d_un.d_ptr += module.bias;
  }
}

void mirror(Module& module) {
  LinkMap* map = module.map();
  const auto& layout = world.layout->link_map;
  map->l_addr = module.bias;
  at<const Elf64_Phdr*>(map, layout.l_phdr) = module.headers.data;
  at<uint16_t>(map, layout.l_phnum) = static_cast<uint16_t>(module.headers.count);
  at<uint64_t>(map, layout.l_entry) = module.entry;
  at<uint64_t>(map, layout.l_map_start) = module.map_start;
  at<uint64_t>(map, layout.l_map_end) = module.map_end;
  set_if_present(map, layout.l_text_end, module.text_end);
  const elf::GnuHash& gnu = module.view.gnu;
  const elf::SysvHash& sysv = module.view.sysv;
  if (gnu.bucket_count != 0) {
    at<uint32_t>(map, layout.l_nbuckets) = gnu.bucket_count;
    at<uint32_t>(map, layout.l_gnu_bitmask_idxbits) = gnu.bloom_mask;
    at<uint32_t>(map, layout.l_gnu_shift) = gnu.bloom_shift;
    at<const uint64_t*>(map, layout.l_gnu_bitmask) = gnu.bloom;
    at<const uint32_t*>(map, layout.l_gnu_buckets) = gnu.buckets;
    at<uint64_t>(map, layout.l_gnu_chain_zero) = reinterpret_cast<uint64_t>(gnu.chains) - uint64_t{gnu.first} * 4;
  } else if (sysv.bucket_count != 0) {
    at<uint32_t>(map, layout.l_nbuckets) = sysv.bucket_count;
    at<const uint32_t*>(map, layout.l_buckets) = sysv.buckets;
    at<const uint32_t*>(map, layout.l_chain) = sysv.chains;
  }
  at<const uint16_t*>(map, layout.l_versyms) = module.view.versyms.data;
  at<uint64_t>(map, layout.l_tls_initimage) = module.tls_image;
  at<uint64_t>(map, layout.l_tls_initimage_size) = module.tls_file_size;
  at<uint64_t>(map, layout.l_tls_blocksize) = module.tls_size;
  at<uint64_t>(map, layout.l_tls_align) = module.tls_align;
  at<uint64_t>(map, layout.l_tls_firstbyte_offset) = module.tls_first_byte;
  at<int64_t>(map, layout.l_tls_offset) = module.tls_offset;
  at<uint64_t>(map, layout.l_tls_modid) = module.tls_module;
  at<uint64_t>(map, layout.l_relro_addr) = module.relro.start;
  at<uint64_t>(map, layout.l_relro_size) = module.relro.size;
  at<uint64_t>(map, layout.l_file_id_dev) = module.device;
  at<uint64_t>(map, layout.l_file_id_ino) = module.inode;
  at<uint32_t>(map, layout.l_flags) = static_cast<uint32_t>(module.view.flags);
  at<uint32_t>(map, layout.l_flags_1) = static_cast<uint32_t>(module.view.flags_1);
  set_bits(map, layout.l_contiguous, 1, module.contiguous ? 1 : 0);
  set_bits(map, layout.l_main_map, 1, module.is_main ? 1 : 0);
  set_bits(map, layout.l_faked, 1, module.faked ? 1 : 0);
}

void set_global(Module& module, bool global) {
  module.global = global;
  set_bits(module.map(), world.layout->link_map.l_global, 1, global ? 1 : 0);
}

void set_open_count(Module& module, uint32_t count) {
  module.open_count = count;
  at<uint32_t>(module.map(), world.layout->link_map.l_direct_opencount) = count;
}

const char* display_name(const Module& module) {
  const char* name = module.name();
  return *name != '\0'                                           ? name
         : process.argv != nullptr && process.argv[0] != nullptr ? process.argv[0]
                                                                 : "<main program>";
}

}  // namespace pagefold::ld
