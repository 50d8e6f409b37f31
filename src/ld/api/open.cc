#include "ld/api/open.h"

#include "ld/api/debugger.h"
#include "ld/api/errors.h"
#include "ld/api/find_object.h"
#include "ld/api/lock.h"
#include "ld/api/unload.h"
#include "ld/base/text.h"
#include "ld/debug/debug.h"
#include "ld/find/cache.h"
#include "ld/find/load.h"
#include "ld/find/search_path.h"
#include "ld/init/init.h"
#include "ld/module/graph.h"
#include "ld/module/scope.h"
#include "ld/relocate/relocate.h"
#include "ld/resolve/lookup.h"
#include "ld/resolve/versions.h"
#include "ld/start/process.h"
#include "ld/tls/dtv.h"
#include "ld/tls/static_tls.h"

namespace pagefold::ld {
namespace {

constexpr int64_t kBaseNamespace = 0, kNewNamespace = -1, kCallersNamespace = -2;
constexpr int kBindingMask = kLazy | kNow;

class Opening {
 public:
  Opening(const char* file, int mode, Module* caller) : file_(file), mode_(mode), caller_(caller) {}

  Status run(Module*& result) {
    first_new_ = newest_serial();
    const Status status = load_and_bind(result);
    close_cache();
    if (status != nullptr) undo();
    tell_debugger(ListState::kConsistent);
    return status;
  }

  // Loaded, or opened for the first time, by this call.
  bool is_new() const { return is_new_; }

  // After the constructors, as glibc does it.
  void finish() {
    if ((mode_ & kGlobal) != 0) add_to_global_scope(*opened_);
    tell();
  }

 private:
  void tell() const {
    if (debug::on(debug::kFiles))
      debug::print("opening file=%s [0]; direct_opencount=%u\n\n", opened_->name(), opened_->open_count);
  }

  static uint64_t newest_serial() {
    uint64_t newest = 0;
    for (Module* module = world.first; module != nullptr; module = module->next())
      if (module->serial >= newest) newest = module->serial + 1;
    return newest;
  }

  Status load_and_bind(Module*& result) {
    char* name = duplicate(file_);
    if (find(file_, '$') != nullptr && find(file_, '/') == nullptr) {
      release_string(name);
      name = expand_tokens(file_, strlen(file_), caller_);
      if (name == nullptr) return fail(file_, "empty dynamic string token substitution");
    }
    const Result<Module*> loaded = load(caller_, name, Type::kLoaded, mode_ | kOpened | kRoot);
    release_string(name);
    LD_TRY(loaded.failure);
    result = loaded.value;
    if (result == nullptr) return nullptr;  // RTLD_NOLOAD, and it is not
    Module& module = *result;
    set_open_count(module, module.open_count + 1);
    opened_ = &module;
    if (module.search_list()->list != nullptr) return open_again(module);
    if ((mode_ & kNoDelete) != 0) module.nodelete_pending = true;
    LD_TRY(load_dependencies(module, nullptr, 0, (mode_ | kOpened) & (kOpened | kDeepBind)));
    LD_TRY(check(module));
    if (debug::on(debug::kScopes)) debug::print_scope(module, 0);
    tell_debugger(ListState::kConsistent);
    LD_TRY(bind(module));
    commit(module);
    is_new_ = true;
    return nullptr;
  }

  Status open_again(Module& module) {
    tell();
    if ((mode_ & kGlobal) != 0 && !module.global) add_to_global_scope(module);
    if ((mode_ & kNoDelete) != 0) {
      if (debug::on(debug::kFiles) && !module.nodelete) debug::print("marking %s [0] as NODELETE\n", module.name());
      module.nodelete = true;
    }
    return nullptr;
  }

  static Status check(Module& module) {
    VersionProblems problems;
    const SearchList& list = *module.search_list();
    for (uint32_t i = 0; i < list.count; ++i) LD_TRY(check_versions(*module_of(list.list[i]), false, false, problems));
    return nullptr;
  }

  // TLS numbers first: relocations name them. Then from the last dependency to the object itself.
  Status bind(Module& module) {
    const SearchList& list = *module.search_list();
    for (uint32_t i = 0; i < list.count; ++i) {
      Module& one = *module_of(list.list[i]);
      if (one.init_called || one.relocated || one.tls_size == 0) continue;
      TlsLock lock;
      add_tls_module(one);
      has_tls_ = true;
    }
    const bool lazy = (mode_ & kLazy) != 0 && !process.bind_now;
    for (uint32_t i = module.initfini_count; i > 0; --i) LD_TRY(relocate(*module_of(module.initfini[i - 1]), lazy));
    return nullptr;
  }

  // From here on nothing fails.
  void commit(Module& module) {
    activate_nodelete();
    const SearchList& list = *module.search_list();
    for (uint32_t i = 0; i < list.count; ++i) {
      Module& one = *module_of(list.list[i]);
      const bool was_loaded = one.init_called && one.type == Type::kLoaded;
      const uint32_t added = was_loaded ? add_to_scope(one, module.search_list()) : 0;
      if (debug::on(debug::kScopes) && added != kWasInScope) debug::print_scope(one, added);
    }
    if (has_tls_) publish_tls_generation();
    for (uint32_t i = 0; i < list.count; ++i) {
      Module& one = *module_of(list.list[i]);
      if (!one.needs_static_tls_init) continue;
      one.needs_static_tls_init = false;
      initialise_static_tls(one);
    }
    update_object_index();
  }

  static void activate_nodelete() {
    for (Module* module = world.first; module != nullptr; module = module->next()) {
      if (!module->nodelete_pending) continue;
      if (debug::on(debug::kFiles)) debug::print("activating NODELETE for %s [0]\n", module->name());
      module->nodelete = true;
      module->nodelete_pending = false;
    }
  }

  // Everything that this call loaded goes again; nobody has seen it.
  void undo() {
    for (Module* module = world.first; module != nullptr; module = module->next()) module->nodelete_pending = false;
    if (opened_ != nullptr && opened_->open_count > 0) set_open_count(*opened_, opened_->open_count - 1);
    discard_since(first_new_);
  }

  const char* file_;
  int mode_;
  Module* caller_;
  uint64_t first_new_ = 0;
  Module* opened_ = nullptr;
  bool has_tls_ = false, is_new_ = false;
};

Status refuse(const char* file, int mode, int64_t name_space) {
  if ((mode & kBindingMask) == 0) return fail(file, "invalid mode for dlopen()", sys::kEinval);
  if (name_space == kNewNamespace)
    return fail(file, "dlmopen() into a new namespace is not supported by this loader (ld-pagefold.so)", sys::kEinval);
  if (name_space != kBaseNamespace && name_space != kCallersNamespace)
    return fail(file, "invalid target namespace in dlmopen()", sys::kEinval);
  return nullptr;
}

}  // namespace

LinkMap* open_module(const char* file, int mode, const void* caller, int64_t name_space, int, char**, char**) {
  Module* result = nullptr;
  Status status = nullptr;
  {
    LoadLock lock;
    status = refuse(file, mode, name_space);
    Module* calling = module_at(sys::word(caller));
    Opening opening(file, mode, calling != nullptr ? calling : world.main);
    if (status == nullptr) status = opening.run(result);
    // Constructors run under the lock, but after every change: one that opens another library finds all in order.
    // What was open already is left to whoever opened it, who may be in the middle of calling its constructors.
    if (status == nullptr && opening.is_new()) {
      initialise(*result);
      opening.finish();
    }
  }
  if (status != nullptr) signal(status);
  return result == nullptr ? nullptr : result->map();
}

}  // namespace pagefold::ld
