#include "ld/module/graph.h"

#include "ld/base/text.h"
#include "ld/debug/debug.h"
#include "ld/find/load.h"
#include "ld/find/search_path.h"
#include "ld/start/process.h"

namespace pagefold::ld {
namespace {

// The breadth-first list while it grows. A module is on it once (`reserved` says so).
class Walk {
 public:
  Walk(Module& root, int mode) : root_(root), mode_(mode) {}
  ~Walk() {
    for (LinkMap* map : list_) module_of(map)->reserved = module_of(map)->walked = false;
    list_.free();
  }

  void add(Module* module) {
    if (module->reserved) return;
    module->reserved = true;
    list_.push(module->map());
  }

  Status run() {
    for (uint32_t i = 0; i < list_.count();) {
      Module& module = *module_of(list_[i]);
      if (module.walked) {
        ++i;
        continue;
      }
      module.walked = true;
      LD_TRY(visit(module, i));  // filtees may have come before it
    }
    return nullptr;
  }

  List<LinkMap*>& list() { return list_; }

 private:
  Status visit(Module& module, uint32_t position) {
    if (module.faked) return nullptr;
    if (module.initfini != nullptr) {  // loaded earlier: its direct dependencies are known
      for (LinkMap** dependency = module.initfini + 1; *dependency != nullptr; ++dependency)
        add(module_of(*dependency));
      return nullptr;
    }
    List<LinkMap*> needed;
    Status status = nullptr;
    for (const Elf64_Dyn& entry : module.view.entries) {
      const char* name = entry.d_tag == DT_NEEDED || is_filter(entry) ? module.view.string(entry.d_un.d_val) : nullptr;
      if (name == nullptr) continue;
      status = is_filter(entry) ? filter(module, name, entry.d_tag, needed, position) : need(module, name, needed);
      if (status != nullptr) break;
    }
    // The root's own list comes with the sort, which (as glibc's) must not see it before.
    if (status == nullptr && !needed.empty() && &module != &root_) keep_dependencies(module, needed);
    needed.free();
    return status;
  }

  static bool is_filter(const Elf64_Dyn& entry) {
    return static_cast<uint64_t>(entry.d_tag) == DT_AUXILIARY || static_cast<uint64_t>(entry.d_tag) == DT_FILTER;
  }

  // In DT_NEEDED the tokens are expanded too.
  static char* expanded(Module& module, const char* name) {
    return find(name, '$') == nullptr ? duplicate(name) : expand_tokens(name, strlen(name), &module);
  }

  Result<Module*> load_for(Module& module, const char* name, bool as_filtee) {
    char* expanded_name = expanded(module, name);
    if (expanded_name == nullptr) return {nullptr, fail(name, "empty dynamic string token substitution")};
    if (as_filtee && debug::on(debug::kLibs))
      debug::print("load auxiliary object=%s requested by file=%s\n", expanded_name, display_name(module));
    const Result<Module*> loaded =
        load(&module, expanded_name, module.type == Type::kExecutable ? Type::kLibrary : module.type, mode_);
    release_string(expanded_name);
    return loaded;
  }

  Status need(Module& module, const char* name, List<LinkMap*>& needed) {
    const Result<Module*> loaded = load_for(module, name, false);
    LD_TRY(loaded.failure);
    add(loaded.value);
    needed.push(loaded.value->map());
    return nullptr;
  }

  // A filtee is searched before its filter. An auxiliary one may be missing.
  Status filter(Module& module, const char* name, int64_t tag, List<LinkMap*>& needed, uint32_t& position) {
    const Result<Module*> loaded = load_for(module, name, true);
    if (loaded.failure != nullptr) {
      if (static_cast<uint64_t>(tag) == DT_FILTER) return loaded.failure;
      forget(loaded.failure);
      return nullptr;
    }
    needed.push(loaded.value->map());
    add(loaded.value);
    uint32_t at = position + 1;
    while (at < list_.count() && list_[at] != loaded.value->map()) ++at;
    if (at >= list_.count()) return nullptr;  // it is before the filter already, or the filter itself
    for (; at > position; --at) list_[at] = list_[at - 1];
    list_[position++] = loaded.value->map();
    if (!module.is_main) move_before(loaded.value, &module);
    return nullptr;
  }

  static void keep_dependencies(Module& module, const List<LinkMap*>& needed) {
    module.initfini_size = needed.count() + 2;
    module.initfini = make_array<LinkMap*>(module.initfini_size);
    module.initfini[0] = module.map();
    for (uint32_t i = 0; i < needed.count(); ++i) module.initfini[i + 1] = needed[i];
    at<LinkMap**>(module.map(), world.layout->link_map.l_initfini) = module.initfini;
  }

  Module& root_;
  int mode_;
  List<LinkMap*> list_;
};

class Sorter {
 public:
  Sorter(LinkMap** modules, uint32_t count) : modules_(modules), count_(count), sorted_(make_array<LinkMap*>(count)) {}
  ~Sorter() { release(sorted_, count_ * sizeof(LinkMap*)); }

  // Returns whether a dependency made by a binding was followed.
  bool pass(bool follow_bindings) {
    for (uint32_t i = 0; i < count_; ++i) module_of(modules_[i])->visited = false;
    free_ = count_;
    met_binding_ = false;
    for (uint32_t i = count_; i > 0 && free_ > 0; --i) visit(*module_of(modules_[i - 1]), follow_bindings);
    memcpy(modules_, sorted_, count_ * sizeof(LinkMap*));
    return met_binding_;
  }

 private:
  // Depth first without recursion: a chain of libraries may be longer than a thread's stack is deep.
  struct Step {
    Module* module;
    uint32_t dependency, binding;
  };

  static bool wanted(const Module& module) { return !module.visited && !module.faked; }

  // The next unvisited module that step's module depends on, or null.
  Module* advance(Step& step, bool follow_bindings) {
    Module& module = *step.module;
    if (module.initfini != nullptr) {
      while (module.initfini[step.dependency] != nullptr) {
        Module* dependency = module_of(module.initfini[step.dependency++]);
        if (wanted(*dependency) && !dependency->is_main) return dependency;
      }
    }
    if (!follow_bindings || module.relocation_dependencies.empty()) return nullptr;
    met_binding_ = true;
    while (step.binding < module.relocation_dependencies.count()) {
      const uint32_t index = module.relocation_dependencies.count() - 1 - step.binding++;
      Module* dependency = module_of(module.relocation_dependencies[index]);
      if (wanted(*dependency) && !dependency->is_main) return dependency;
    }
    return nullptr;
  }

  void visit(Module& root, bool follow_bindings) {
    if (!wanted(root)) return;
    List<Step> steps;
    root.visited = true;
    steps.push({&root, 0, 0});
    while (!steps.empty()) {
      if (Module* dependency = advance(steps.last(), follow_bindings); dependency != nullptr) {
        dependency->visited = true;
        steps.push({dependency, 0, 0});
        continue;
      }
      // A dependency that is not among those to be sorted finds no room and is passed by.
      if (free_ > 0) sorted_[--free_] = steps.last().module->map();
      steps.shrink(steps.count() - 1);
    }
    steps.free();
  }

  LinkMap** modules_;
  uint32_t count_;
  LinkMap** sorted_;
  uint32_t free_ = 0;
  bool met_binding_ = false;
};

}  // namespace

constexpr uint32_t kFirstStaysAlways = 39;  // the minor version of glibc

void sort_modules(LinkMap** modules, uint32_t count, bool first_stays, bool for_fini) {
  if (count < 2) return;
  LinkMap* first = modules[0];
  // Everything outside the set counts as visited, so that only members are placed.
  for (Module* module = world.first; module != nullptr; module = module->next()) module->visited = true;
  Sorter sorter(modules, count);
  if (sorter.pass(for_fini)) {
    sorter.pass(false);
    if (world.build->minor < kFirstStaysAlways) return;
  }
  if (!first_stays || modules[0] == first) return;
  uint32_t at = 0;
  while (modules[at] != first) ++at;
  for (; at > 0; --at) modules[at] = modules[at - 1];
  modules[0] = first;
}

Status load_dependencies(Module& root, Module* const* preloads, uint32_t preload_count, int mode) {
  Walk walk(root, mode);
  walk.add(&root);
  for (uint32_t i = 0; i < preload_count; ++i) walk.add(preloads[i]);
  LD_TRY(walk.run());
  const List<LinkMap*>& list = walk.list();

  // One piece of memory for both lists, as glibc has it: initfini, its null, then the search list.
  uint32_t count = 0;
  for (LinkMap* map : list) count += module_of(map)->faked ? 0 : 1;
  auto** storage = make_array<LinkMap*>(count * 2 + 1);
  LinkMap** search = storage + count + 1;
  uint32_t at_end = 0, at_sorted = 0;
  storage[at_sorted++] = root.map();  // filtees may stand before it in the search
  for (LinkMap* map : list) {
    if (module_of(map)->faked) continue;
    search[at_end++] = map;
    if (map != root.map()) storage[at_sorted++] = map;
  }
  sort_modules(storage, count, true, false);
  storage[count] = nullptr;

  release(root.initfini, root.initfini_size * sizeof(LinkMap*));
  root.initfini = storage;
  root.initfini_size = count * 2 + 1;
  root.initfini_count = count;
  at<LinkMap**>(root.map(), world.layout->link_map.l_initfini) = storage;
  *root.search_list() = {search, count};
  return nullptr;
}

}  // namespace pagefold::ld
