// A module is a loaded object. What the loader needs of it is a `Module`; what libc, gdb and programs see of it is
// glibc's `struct link_map`, which lies right behind it in memory, so that either leads to the other by a constant
// distance. The link_map's first five members are public ABI (<link.h>) and declared here; all others are reached
// through the layout table of this libc. The Module is the truth, the link_map a mirror, except for what libc itself
// writes there (l_tls_dtor_count).
//
// Protected by the load lock, except what lookups read: hash tables, scopes and the global search list change only by
// replacing a pointer, and the old is freed when no thread is inside a lookup (module/scope.h).
#pragma once

#include "elf/dynamic.h"
#include "elf/load_plan.h"
#include "ld/abi/glibc/layout.h"
#include "ld/base/arena.h"

namespace pagefold::ld {

using Elf = elf::Elf64;
using Symbol = Elf64_Sym;
using Rela = Elf64_Rela;

struct LinkMap {
  uint64_t l_addr;
  const char* l_name;
  Elf64_Dyn* l_ld;
  LinkMap* l_next;
  LinkMap* l_prev;
};

// glibc's r_scope_elem: what is searched, in order.
struct SearchList {
  LinkMap** list;
  uint32_t count;
};

// glibc's r_found_version, the element of l_versions.
struct Version {
  const char* name;
  uint32_t hash;
  int32_t hidden;
  const char* file;  // for a requirement: who should define it
};

// glibc's libname_list: the names an object answers to.
struct Name {
  const char* name;
  Name* next;
  int32_t dont_free;
};

enum class Type : uint8_t { kExecutable, kLibrary, kLoaded };  // kLoaded: by dlopen

inline constexpr int64_t kNoTlsOffset = 0, kDynamicTlsOnly = -1;

struct Module;
struct SearchPath;  // find/search_path.h

struct alignas(64) Module {
  elf::ObjectView<Elf> view;

  uint64_t bias = 0;
  Version* versions = nullptr;
  uint32_t version_count = 0;
  Module** version_files = nullptr;  // beside versions: the module that must define it
  Type type = Type::kLibrary;
  // States.
  bool relocated = false;
  bool init_called = false;
  bool global = false;
  bool removed = false;
  bool faked = false;  // not found, while tracing
  bool nodelete = false;
  bool nodelete_pending = false;
  bool soname_added = false;
  bool is_main = false;
  bool used = false;      // some binding goes here
  bool verified = false;  // its version requirements have been looked at
  bool relr_version_seen = false;
  bool headers_allocated = false;
  bool dynamic_readonly = false;
  // Scratch of the graph walks.
  bool visited = false, reserved = false, walked = false, map_used = false;
  int32_t index = 0;
  uint32_t open_count = 0;

  Name* names = nullptr;
  Module* loader = nullptr;      // who first wanted it
  LinkMap** initfini = nullptr;  // itself, then its direct dependencies (main: everything, in order); null-terminated
  uint32_t initfini_count = 0;   // elements of a root, without the null
  uint32_t initfini_size = 0;    // allocated elements
  LinkMap** search_storage = nullptr;
  uint32_t search_storage_size = 0;
  List<LinkMap*> relocation_dependencies;
  SearchList** scope = nullptr;  // null-terminated
  uint32_t scope_capacity = 0;
  uint64_t serial = 0;

  uint64_t device = 0, inode = 0;
  const char* origin = nullptr;  // its directory; null: not asked yet
  SearchPath* rpath_dirs = nullptr;
  SearchPath* runpath_dirs = nullptr;
  elf::Table<Elf64_Phdr> headers;
  uint64_t map_start = 0, map_end = 0, text_end = 0;
  uint64_t entry = 0;
  elf::Range relro, eh_frame_header;
  uint32_t stack_flags = 0;
  bool contiguous = true;

  uint64_t tls_image = 0, tls_file_size = 0, tls_size = 0, tls_align = 0, tls_first_byte = 0, tls_module = 0;
  int64_t tls_offset = kNoTlsOffset;
  bool needs_static_tls_init = false;
  List<void*> tls_arguments;  // of dynamic TLS descriptors

  LinkMap* map() { return reinterpret_cast<LinkMap*>(this + 1); }
  const LinkMap* map() const { return reinterpret_cast<const LinkMap*>(this + 1); }
  const char* name() const { return map()->l_name; }
  Module* next() const;
  SearchList* search_list();
  SearchList** local_scope();
  SearchList* symbolic_search_list();

  // NODELETE. What the relocations of a dlopen ask for is only pending, because a dlopen that fails is undone.
  bool stays(bool pending_counts) const { return nodelete || (pending_counts && nodelete_pending); }
  void keep(bool pending) { (pending ? nodelete_pending : nodelete) = true; }

  elf::Image<Elf> image() const { return elf::Image<Elf>(bias, headers); }
};

inline Module* module_of(LinkMap* map) {
  return reinterpret_cast<Module*>(reinterpret_cast<char*>(map) - sizeof(Module));
}
inline Module* Module::next() const { return map()->l_next == nullptr ? nullptr : module_of(map()->l_next); }

// All modules and what is known of them together.
struct World {
  const glibc::Build* build = nullptr;
  const glibc::Layout* layout = nullptr;
  Module* main = nullptr;
  Module* self = nullptr;  // this loader
  Module* vdso = nullptr;
  Module* libc = nullptr;
  Module* first = nullptr;
  Module* last = nullptr;
  uint32_t count = 0;            // on the list
  uint32_t global_capacity = 0;  // of the main search list; 0: still the one made at start-up
  uint64_t load_adds = 0;
  bool running = false;  // start-up is over: errors are signalled, not fatal
};
extern World world;

template <class T>
T& at(void* base, uint32_t offset) {
  return *reinterpret_cast<T*>(static_cast<char*>(base) + offset);
}

// For members that not every glibc has.
template <class T>
void set_if_present(void* base, uint32_t offset, T value) {
  if (glibc::present(offset)) at<T>(base, offset) = value;
}
void set_bits(void* base, uint32_t bit, uint32_t width, uint32_t value);

inline SearchList* Module::search_list() { return &at<SearchList>(map(), world.layout->link_map.l_searchlist); }
inline SearchList* Module::symbolic_search_list() {
  return &at<SearchList>(map(), world.layout->link_map.l_symbolic_searchlist);
}
inline SearchList** Module::local_scope() { return &at<SearchList*>(map(), world.layout->link_map.l_local_scope); }

// A new module with its link_map, not yet on the list. `name` becomes l_name and is the module's own.
Module* new_module(const char* name, const char* asked_for, Type type, Module* loader);
void free_module(Module* module);

// The list that everybody sees.
void append_to_list(Module* module);
void insert_after(Module* module, Module* before);
void remove_from_list(Module* module);
void move_before(Module* module, Module* next);  // next: not the first

bool answers_to(const Module& module, const char* name);
void add_name(Module& module, const char* name);

// Reads the dynamic section (module.headers and bias are set) and mirrors it into the link_map. `writable`: false for
// the vdso.
elf::Defect read_dynamic(Module& module, const elf::LoadPlan& plan, bool writable);

// Relocates the section's pointers in place, once, as glibc does, because programs read them so.
void relocate_dynamic(Module& module);

// Copies what start-up or mapping found into the link_map.
void mirror(Module& module);
void set_global(Module& module, bool global);
void set_open_count(Module& module, uint32_t count);

// What glibc calls DSO_FILENAME: the main program's name is empty on the list.
const char* display_name(const Module& module);

}  // namespace pagefold::ld
