#include "ld/find/load.h"

#include "ld/base/text.h"
#include "ld/debug/debug.h"
#include "ld/find/cache.h"
#include "ld/find/origin.h"
#include "ld/find/search_path.h"
#include "ld/init/init.h"
#include "ld/map/map_object.h"
#include "ld/map/stack.h"
#include "ld/module/scope.h"
#include "ld/start/process.h"

namespace pagefold::ld {
namespace {

SearchPath* const kNone = reinterpret_cast<SearchPath*>(~uint64_t{0});  // asked, there is none

bool inhibited(const Module& module) {
  if (process.inhibit_rpath == nullptr || module.type == Type::kLoaded) return false;
  const char* at = process.inhibit_rpath;
  while (*at != '\0') {
    const char* end = at;
    while (*end != '\0' && *end != ':' && *end != ' ') ++end;
    const auto size = static_cast<size_t>(end - at);
    if (size > 0 &&
        (equal(at, size, module.name()) || (module.view.soname != nullptr && equal(at, size, module.view.soname))))
      return true;
    at = *end == '\0' ? end : end + 1;
  }
  return false;
}

SearchPath* path_of(Module& module, SearchPath*& slot, const char* list, const char* what) {
  if (slot == nullptr) {
    const bool usable = list != nullptr && *list != '\0' && !inhibited(module);
    slot = usable ? split_path(list, ":", &module, what, display_name(module)) : kNone;
  }
  return slot == kNone ? nullptr : slot;
}

// One search: each step leaves an open file or goes on.
class Search {
 public:
  Search(Module* loader, const char* name, OpenFile& file, char*& path)
      : loader_(loader), name_(name), file_(file), path_(path) {}

  Status run() {
    if (loader_ == nullptr || loader_->view.runpath == nullptr) LD_TRY(in_rpaths());
    if (open()) return nullptr;
    if (SearchPath* path = library_path(); path != nullptr) LD_TRY(in(*path));
    if (open()) return nullptr;
    if (loader_ != nullptr) {
      if (SearchPath* path = runpath_of(*loader_); path != nullptr) LD_TRY(in(*path));
    }
    if (open()) return nullptr;
    LD_TRY(in_cache());
    if (open()) return nullptr;
    if (!no_default_library()) LD_TRY(in(*default_path()));
    return nullptr;
  }

 private:
  bool open() const { return file_.is_open(); }
  Status in(SearchPath& path) { return search_directories(path, name_, file_, path_); }

  // The RPATH of whoever needs it, then of who needed that one, up to the program.
  Status in_rpaths() {
    bool main_seen = false;
    for (Module* module = loader_; module != nullptr && !open(); module = module->loader) {
      SearchPath* path = rpath_of(*module);
      if (path == nullptr) continue;
      main_seen |= module == world.main;
      LD_TRY(in(*path));
    }
    if (open() || main_seen || world.main == nullptr || world.main == loader_) return nullptr;
    SearchPath* path = rpath_of(*world.main);
    return path == nullptr ? nullptr : in(*path);
  }

  bool no_default_library() const {
    const Module* module = loader_ != nullptr ? loader_ : world.main;
    return module != nullptr && (module->view.flags_1 & DF_1_NODEFLIB) != 0;
  }

  Status in_cache() {
    if (process.inhibit_cache) return nullptr;
    if (debug::on(debug::kLibs)) debug::print(" search cache=/etc/ld.so.cache\n");
    const char* cached = look_up_cache(name_);
    if (cached == nullptr) return nullptr;
    if (no_default_library()) {
      const char* slash = find_last(cached, '/');
      if (slash != nullptr && is_system_directory(cached, static_cast<size_t>(slash + 1 - cached))) return nullptr;
    }
    if (debug::on(debug::kLibs)) debug::print("  trying file=%s\n", cached);
    char* path = duplicate(cached);
    LD_TRY(open_object(path, file_));
    if (open())
      path_ = path;
    else
      release_string(path);
    return nullptr;
  }

  Module* loader_;
  const char* name_;
  OpenFile& file_;
  char*& path_;
};

Module* same_file(const OpenFile& file) {
  for (Module* module = world.first; module != nullptr; module = module->next())
    if (!module->removed && module->inode == file.stat.inode && module->device == file.stat.device && !module->faked)
      return module;
  return nullptr;
}

// `name` as it was asked for: so glibc names what it refuses after mapping.
Status refuse_mode(const Module& module, const char* name, int mode) {
  if ((module.view.flags_1 & DF_1_NOOPEN) != 0 && (mode & kOpened) != 0)
    return fail(name, "shared object cannot be dlopen()ed");
  if ((module.view.flags_1 & DF_1_PIE) != 0 && module.type != Type::kExecutable)
    return fail(name, "cannot dynamically load position-independent executable");
  return nullptr;
}

Module* fake(const char* name, Module* loader, Type type) {
  Module* module = new_module(duplicate(name), name, type, loader);
  module->faked = module->relocated = true;
  mirror(*module);
  append_to_list(module);
  return module;
}

}  // namespace

SearchPath* rpath_of(Module& module) {
  const bool ignored = module.is_main && module.view.runpath != nullptr;
  return path_of(module, module.rpath_dirs, ignored ? nullptr : module.view.rpath, "RPATH");
}
SearchPath* runpath_of(Module& module) { return path_of(module, module.runpath_dirs, module.view.runpath, "RUNPATH"); }

SearchPath* library_path() {
  static SearchPath* path = nullptr;
  if (path == nullptr) {
    const char* list = process.library_path;
    if (list == nullptr || *list == '\0') {
      path = kNone;
    } else {
      // LD_DEBUG names a directory by the first of these lists that has it.
      (void)default_path();
      if (world.main != nullptr && runpath_of(*world.main) == nullptr) (void)rpath_of(*world.main);
      path = split_path(list, ":;", nullptr, "LD_LIBRARY_PATH", nullptr);
    }
  }
  return path == kNone ? nullptr : path;
}

Module* find_loaded(const char* name) {
  for (Module* module = world.first; module != nullptr; module = module->next()) {
    if (module->faked || module->removed) continue;
    if (answers_to(*module, name)) return module;
    // A library may be known by another name than the SONAME that somebody needs.
    const char* soname = module->view.soname;
    if (module->soname_added || soname == nullptr || !equal(soname, name)) continue;
    add_name(*module, soname);
    module->soname_added = true;
    return module;
  }
  return nullptr;
}

Status find_file(Module* loader, const char* name, OpenFile& file, char*& path) {
  path = nullptr;
  if (find(name, '/') != nullptr) {
    char* expanded = loader == nullptr ? duplicate(name) : expand_tokens(name, strlen(name), loader);
    if (expanded == nullptr) return fail(name, "empty dynamic string token substitution");
    LD_TRY(open_object(expanded, file));
    path = expanded;
  } else {
    if (debug::on(debug::kLibs)) debug::print("find library=%s [0]; searching\n", name);
    LD_TRY(Search(loader, name, file, path).run());
    if (debug::on(debug::kLibs)) debug::print("\n");
  }
  if (file.is_open()) return nullptr;
  release_string(path);
  path = nullptr;
  if (file.other_class) return fail(name, "wrong ELF class: ELFCLASS32");
  return fail(name, "cannot open shared object file", static_cast<int>(file.error != 0 ? file.error : sys::kEnoent));
}

Result<Module*> load(Module* loader, const char* name, Type type, int mode) {
  if (Module* known = find_loaded(name); known != nullptr) return {known, nullptr};
  if (debug::on(debug::kFiles) && loader != nullptr)
    debug::print("\nfile=%s [0];  %s by %s [0]\n", name, (mode & kRoot) != 0 ? "dynamically loaded" : "needed",
                 debug::file_of(*loader));

  OpenFile file;
  char* path = nullptr;
  Status status = find_file(loader, name, file, path);
  if (status != nullptr) {
    const bool missing = status->error == sys::kEnoent && !file.other_class;
    if (process.mode != Mode::kTrace || !missing || world.running) return {nullptr, status};
    forget(status);
    return {fake(name, loader, type), nullptr};
  }
  if (status = know_identity(file, path); status != nullptr) {
    file.close();
    return {nullptr, status};
  }
  if (Module* same = same_file(file); same != nullptr) {
    file.close();
    release_string(path);
    add_name(*same, name);
    return {same, nullptr};
  }
  if ((mode & kNoLoad) != 0) {
    file.close();
    release_string(path);
    return {nullptr, nullptr};
  }
  if (debug::on(debug::kFiles)) debug::print("file=%s [0];  generating link map\n", name);
  // Who opens an object only lends its search path: the opened object is the root of its own scope.
  const Result<Module*> mapped = map_object(file, path, name, type, (mode & kRoot) != 0 ? nullptr : loader);
  if (mapped.failure != nullptr) return mapped;
  Module& module = *mapped.value;
  status = refuse_mode(module, name, mode);
  if (status == nullptr) status = allow_stack(module, name);
  if (status != nullptr) {
    unmap(module);
    free_module(&module);
    return {nullptr, status};
  }
  if ((module.view.flags_1 & DF_1_NODELETE) != 0) module.nodelete_pending = true;
  if ((module.view.flags_1 & DF_1_INITFIRST) != 0) wants_first(module);
  if (debug::on(debug::kFiles)) tell_place(module);
  origin_of(&module);  // libc reads it for dlinfo
  set_initial_scope(module, mode);
  append_to_list(&module);
  return {&module, nullptr};
}

void warn_of_flags(const Module& module) {
  constexpr uint64_t kKnown =
      DF_1_NOW | DF_1_NODELETE | DF_1_INITFIRST | DF_1_NOOPEN | DF_1_ORIGIN | DF_1_NODEFLIB | DF_1_PIE;
  const uint64_t unknown = module.view.flags_1 & ~kKnown;
  if (unknown != 0) debug::print("\nWARNING: Unsupported flag value(s) of 0x%lx in DT_FLAGS_1.\n", unknown);
}

void tell_place(const Module& module) {
  warn_of_flags(module);
  debug::print(
      "  dynamic: 0x%016lx  base: 0x%016lx   size: 0x%016lx\n    entry: 0x%016lx  phdr: 0x%016lx  phnum:   %16lu\n\n",
      sys::word(module.map()->l_ld), module.bias, module.map_end - module.map_start, module.entry,
      sys::word(module.headers.data), module.headers.count);
}

}  // namespace pagefold::ld
