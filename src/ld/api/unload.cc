#include "ld/api/unload.h"

#include "ld/api/debugger.h"
#include "ld/api/errors.h"
#include "ld/api/find_object.h"
#include "ld/api/lock.h"
#include "ld/api/open.h"
#include "ld/debug/debug.h"
#include "ld/init/init.h"
#include "ld/map/map_object.h"
#include "ld/module/scope.h"
#include "ld/tls/dtv.h"
#include "ld/tls/static_tls.h"

namespace pagefold::ld {
namespace {

// A destructor may call dlclose: the outer call then looks again.
enum class Sweep { kNone, kRunning, kAgain } sweep = Sweep::kNone;

bool has_running_destructors(Module& module) {
  const uint32_t offset = world.layout->link_map.l_tls_dtor_count;
  return __atomic_load_n(&at<uint64_t>(module.map(), offset), __ATOMIC_ACQUIRE) != 0;
}

bool is_root(Module& module) {
  return module.type != Type::kLoaded || module.open_count > 0 || module.nodelete || has_running_destructors(module);
}

void mark(Module& root) {
  List<Module*> pending;
  const auto reach = [&](LinkMap* map) {
    Module* module = module_of(map);
    if (module->map_used) return;
    module->map_used = true;
    pending.push(module);
  };
  reach(root.map());
  while (!pending.empty()) {
    Module& module = *pending.last();
    pending.shrink(pending.count() - 1);
    if (module.initfini != nullptr)
      for (LinkMap** map = module.initfini; *map != nullptr; ++map) reach(*map);
    for (LinkMap* map : module.relocation_dependencies) reach(map);
  }
  pending.free();
}

bool mark_all() {
  for (Module* module = world.first; module != nullptr; module = module->next()) module->map_used = false;
  for (Module* module = world.first; module != nullptr; module = module->next())
    if (is_root(*module)) mark(*module);
  bool something_goes = false;
  for (Module* module = world.first; module != nullptr; module = module->next()) something_goes |= !module->map_used;
  return something_goes;
}

void call_all_destructors(Module* closed) {
  List<Module*> modules = in_destructor_order(closed);
  for (Module* module : modules)
    if (!module->map_used && module->init_called) call_destructors(*module);
  modules.free();
}

// An object that stays, but was loaded for one that goes, needs a search list of its own.
void give_own_search_list(Module& module) {
  if (module.type != Type::kLoaded || module.search_list()->list != nullptr || module.initfini == nullptr) return;
  uint32_t count = 0;
  while (module.initfini[count] != nullptr) ++count;
  auto** list = make_array<LinkMap*>(count);
  for (uint32_t i = 0; i < count; ++i) list[i] = module.initfini[i];
  module.search_storage = list;
  module.search_storage_size = count;
  *module.search_list() = {list, count};
  add_to_scope(module, module.search_list());
}

void forget_loader(Module& module) {
  if (module.loader == nullptr || !module.loader->removed) return;
  module.loader = nullptr;
  at<LinkMap*>(module.map(), world.layout->link_map.l_loader) = nullptr;
}

bool remove_tls(Module& module) {
  if (module.tls_module == 0) return false;
  TlsLock lock;
  remove_tls_module(module);
  if (module.tls_offset != kNoTlsOffset && module.tls_offset != kDynamicTlsOnly)
    return_static_tls(static_cast<uint64_t>(module.tls_offset), module.tls_size);
  return true;
}

void drop_bindings_to_removed(Module& module) {
  List<LinkMap*>& bindings = module.relocation_dependencies;
  uint32_t stays = 0;
  for (LinkMap* map : bindings)
    if (!module_of(map)->removed) bindings[stays++] = map;
  bindings.shrink(stays);
}

// Everything marked as removed leaves the lists, then, when no lookup can see it any more, the memory.
void remove_marked() {
  tell_debugger(ListState::kRemoving);
  for (Module* module = world.first; module != nullptr; module = module->next()) {
    if (module->removed) continue;
    give_own_search_list(*module);
    drop_removed_scopes(*module);
    forget_loader(*module);
    drop_bindings_to_removed(*module);
  }
  drop_removed_from_global_scope();
  wait_for_lookups();
  bool had_tls = false;
  // The newest first, so that static TLS at the end is found to be at the end.
  List<Module*> gone;
  for (Module* module = world.last; module != nullptr;) {
    LinkMap* previous = module->map()->l_prev;
    if (module->removed) {
      had_tls |= remove_tls(*module);
      gone.push(module);
    }
    module = previous == nullptr ? nullptr : module_of(previous);
  }
  if (had_tls) publish_tls_generation();
  {
    WriteLock lock;
    for (Module* module : gone) remove_from_list(module);
  }
  update_object_index();
  for (Module* module : gone) {
    if (debug::on(debug::kFiles)) debug::print("\nfile=%s [0];  destroying link map\n", debug::file_of(*module));
    forget_first(*module);
    unmap(*module);
    free_module(module);
  }
  gone.free();
  tell_debugger(ListState::kConsistent);
}

// `closed` was the reason; what else goes when a destructor has closed something has none.
void sweep_up(Module* closed) {
  do {
    sweep = Sweep::kRunning;
    if (!mark_all()) break;
    for (Module* module = world.first; module != nullptr; module = module->next())
      if (!module->map_used) module->removed = true;
    call_all_destructors(closed);
    closed = nullptr;
    for (Module* module = world.first; module != nullptr; module = module->next())
      set_bits(module->map(), world.layout->link_map.l_removed, 1, module->removed ? 1 : 0);
    remove_marked();
  } while (sweep == Sweep::kAgain);
  sweep = Sweep::kNone;
}

Status close_one(Module& module) {
  if (module.nodelete) return nullptr;  // not even counted
  if (module.open_count == 0) return fail(module.name(), "shared object not open");
  set_open_count(module, module.open_count - 1);
  const bool stays = module.open_count > 0 || module.type != Type::kLoaded;
  if (debug::on(debug::kFiles) && (stays || sweep != Sweep::kNone))
    debug::print("\nclosing file=%s; direct_opencount=%u\n", module.name(), module.open_count);
  if (stays) return nullptr;
  if (sweep != Sweep::kNone)
    sweep = Sweep::kAgain;
  else
    sweep_up(&module);
  return nullptr;
}

bool is_listed(const void* handle) {
  for (Module* module = world.first; module != nullptr; module = module->next())
    if (module->map() == handle) return true;
  return false;
}

}  // namespace

void discard_since(uint64_t serial) {
  bool some = false;
  for (Module* module = world.first; module != nullptr; module = module->next()) {
    if (module->serial < serial || module->init_called || module->is_main) continue;
    module->removed = some = true;
  }
  if (some) remove_marked();
}

void close_module(void* handle) {
  Status status = nullptr;
  {
    LoadLock lock;
    status =
        is_listed(handle) ? close_one(*module_of(static_cast<LinkMap*>(handle))) : fail("", "shared object not open");
  }
  if (status != nullptr) signal(status);
}

}  // namespace pagefold::ld
