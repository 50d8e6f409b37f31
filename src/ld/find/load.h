// From a name to a module: is it loaded already, where is its file, map it. The order of the search is glibc's
// (ld.so(8)).
#pragma once

#include "ld/base/status.h"
#include "ld/find/open_file.h"
#include "ld/module/module.h"

namespace pagefold::ld {

inline constexpr int kNoLoad = 0x4;         // RTLD_NOLOAD
inline constexpr int kOpened = 0x40000000;  // within dlopen
inline constexpr int kRoot = 0x20000000;    // the object that dlopen names

// `loader`: who wants it, null for the program itself or preloading. With kNoLoad the value is null if it is not
// loaded.
Result<Module*> load(Module* loader, const char* name, Type type, int mode);

// Only finds and opens the file for a plain name or path; `path` is the caller's. No file: the failure says so.
Status find_file(Module* loader, const char* name, OpenFile& file, char*& path);

// The already loaded module that answers to `name`, or null.
Module* find_loaded(const char* name);

// The directories of a module's DT_RPATH or DT_RUNPATH, null if it has none.
SearchPath* rpath_of(Module& module);
SearchPath* runpath_of(Module& module);
SearchPath* library_path();

// LD_DEBUG=files: the flags that glibc does not know; those, and where it lies.
void warn_of_flags(const Module& module);
void tell_place(const Module& module);

}  // namespace pagefold::ld
