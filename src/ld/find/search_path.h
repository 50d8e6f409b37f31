// Directories to search: those of RPATH, RUNPATH, LD_LIBRARY_PATH and the system. In each, glibc first looks into the
// subdirectories for this processor (glibc-hwcaps/x86-64-v3 and, up to glibc 2.36, tls, x86_64 and their combinations).
// A directory is one object however many lists name it; a subdirectory that turned out not to exist is not asked again.
#pragma once

#include "ld/base/arena.h"
#include "ld/base/status.h"
#include "ld/find/open_file.h"

namespace pagefold::ld {

struct Module;

inline constexpr unsigned kMaxSubdirectories = 32;

struct Directory {
  const char* path;  // ends with a slash; "" is the current directory
  uint32_t missing;  // bit i: subdirectory i does not exist
  uint32_t present;  // bit i: it does
  // For LD_DEBUG: the list that named it first, "RUNPATH", and whose that was, or null.
  const char* what;
  const char* where;
};

struct SearchPath {
  List<Directory*> directories;
  bool of_object = false;  // an object's RPATH or RUNPATH
  bool given_up = false;   // of an object, and no directory exists: LD_DEBUG names it once
};

// Splits a colon-separated list (LD_LIBRARY_PATH also at semicolons), expanding $ORIGIN, $LIB and $PLATFORM for
// `owner`; elements that cannot be expanded are left out.
SearchPath* split_path(const char* list, const char* separators, Module* owner, const char* what, const char* where);

// $ORIGIN and so on in one name; null if it cannot be expanded. The result is the caller's.
char* expand_tokens(const char* text, size_t size, Module* owner);

// The system's directories.
SearchPath* default_path();

// Tries name in every directory and subdirectory. The name of what was opened is stored in `found` (the caller's).
Status search_directories(SearchPath& path, const char* name, OpenFile& file, char*& found);

// The subdirectories in the order of search, the plain directory ("") last. Each ends with a slash.
struct Subdirectories {
  const char* name[kMaxSubdirectories] = {};
  unsigned count = 0;
  unsigned hwcaps = 0;  // the first so many are glibc-hwcaps
};
const Subdirectories& subdirectories();
// When another libc, with other rules, was found.
void forget_subdirectories();

bool is_system_directory(const char* path, size_t size);

}  // namespace pagefold::ld
