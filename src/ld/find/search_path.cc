#include "ld/find/search_path.h"

#include "ld/base/text.h"
#include "ld/debug/debug.h"
#include "ld/find/origin.h"
#include "ld/module/module.h"
#include "ld/start/process.h"
#include "ld/start/processor.h"

namespace pagefold::ld {
namespace {

List<Directory*> directories;  // all that were ever named
Subdirectories active;
bool active_known = false;

constexpr const char* kSystemDirectories[] = {"/lib/x86_64-linux-gnu/", "/usr/lib/x86_64-linux-gnu/", "/lib/",
                                              "/usr/lib/"};

Directory* directory_named(const char* path, size_t size, const char* what, const char* where) {
  for (Directory* known : directories)
    if (equal(path, size, known->path)) return known;
  auto* added = make_array<Directory>(1);
  *added = {duplicate(path, size), 0, 0, what, where};
  directories.push(added);
  return added;
}

// All non-empty combinations of tls, the platform and x86_64 in glibc's order: as a binary number that counts down, tls
// the highest digit. `words` are from the highest to the lowest.
void add_legacy(Subdirectories& out, const char* const* words, unsigned count) {
  for (unsigned mask = (1u << count) - 1; mask > 0; --mask) {
    char* name = duplicate("");
    for (unsigned i = 0; i < count; ++i)
      if ((mask >> (count - 1 - i) & 1) != 0) name = concatenate(name, words[i], "/");
    if (out.count < kMaxSubdirectories - 1) out.name[out.count++] = name;
  }
}

bool listed(const char* names, const char* name) {
  for (const char* at = names; *at != '\0';) {
    const char* end = at;
    while (*end != '\0' && *end != ':') ++end;
    if (equal(at, static_cast<size_t>(end - at), name)) return true;
    at = *end == '\0' ? end : end + 1;
  }
  return false;
}

void add_hwcaps(Subdirectories& out) {
  if (process.hwcaps_prepend != nullptr) {
    for (const char* at = process.hwcaps_prepend; *at != '\0';) {
      const char* end = at;
      while (*end != '\0' && *end != ':') ++end;
      if (end > at && out.count < kMaxSubdirectories - 16)
        out.name[out.count++] = concatenate("glibc-hwcaps/", duplicate(at, static_cast<size_t>(end - at)), "/");
      at = *end == '\0' ? end : end + 1;
    }
  }
  const uint32_t isa = processor().isa_level;
  static constexpr const char* kLevels[] = {"x86-64-v4", "x86-64-v3", "x86-64-v2"};
  for (unsigned i = 0; i < 3; ++i) {
    if ((isa & (8u >> i)) == 0) continue;
    if (process.hwcaps_mask != nullptr && !listed(process.hwcaps_mask, kLevels[i])) continue;
    out.name[out.count++] = concatenate("glibc-hwcaps/", kLevels[i], "/");
  }
  out.hwcaps = out.count;
}

// The directories from number `from` on that the same kind of list has named first.
[[gnu::noinline]] void print_path(const SearchPath& path, uint32_t from) {
  const Directory& leader = *path.directories[from];
  debug::Line line;
  line << " search path=";
  bool first = true;
  const Subdirectories& subs = subdirectories();
  for (uint32_t at = from; at < path.directories.count() && path.directories[at]->what == leader.what; ++at) {
    const Directory& directory = *path.directories[at];
    for (unsigned i = 0; i < subs.count; ++i) {
      if ((directory.missing >> i & 1) != 0) continue;
      if (!first) line << ':';
      first = false;
      char* whole = concatenate(directory.path, subs.name[i]);
      const size_t size = strlen(whole);
      line.text(whole, size > 1 ? size - 1 : size);
      release_string(whole);
    }
  }
  line << "\t\t(" << leader.what;
  if (leader.where != nullptr) line << " from file " << leader.where;
  line << ")\n";
}

// Is the subdirectory there? Asked after a file in it was not.
void learn(Directory& directory, unsigned index, const char* path, size_t directory_size) {
  char* name = duplicate(path, directory_size > 1 ? directory_size - 1 : directory_size);
  sys::Stat stat;
  const bool is_there = !sys::failed(sys::stat(name, &stat)) && stat.is_directory();
  (is_there ? directory.present : directory.missing) |= 1u << index;
  release_string(name);
}

bool has_some_directory(const SearchPath& path) {
  const uint32_t all = static_cast<uint32_t>((uint64_t{1} << subdirectories().count) - 1);
  for (const Directory* directory : path.directories)
    if ((directory->missing & all) != all) return true;
  return false;
}

}  // namespace

void forget_subdirectories() {
  active_known = false;
  for (Directory* directory : directories) directory->missing = directory->present = 0;  // their bits named others
}

const Subdirectories& subdirectories() {
  if (active_known) return active;
  active_known = true;
  active = {};
  add_hwcaps(active);
  if (world.build->minor <= 36) {
    const char* words[4];
    unsigned count = 0;
    words[count++] = "tls";
    const char* platform = platform_name();
    if (platform != nullptr) words[count++] = platform;
    constexpr uint64_t kAvx512 = 4;
    if ((processor().hwcap & kAvx512) != 0) words[count++] = "avx512_1";
    words[count++] = "x86_64";
    add_legacy(active, words, count);
  }
  active.name[active.count++] = "";
  return active;
}

bool is_system_directory(const char* path, size_t size) {
  for (const char* system : kSystemDirectories)
    if (equal(path, size, system)) return true;
  return false;
}

SearchPath* default_path() {
  static SearchPath path;
  if (path.directories.empty())
    for (const char* system : kSystemDirectories)
      path.directories.push(directory_named(system, strlen(system), "system search path", nullptr));
  return &path;
}

SearchPath* split_path(const char* list, const char* separators, Module* owner, const char* what, const char* where) {
  auto* path = new (allocate(sizeof(SearchPath))) SearchPath;
  path->of_object = where != nullptr;
  for (const char* at = list;; ++at) {
    const char* end = at;
    while (*end != '\0' && find(separators, *end) == nullptr) ++end;
    char* element = expand_tokens(at, static_cast<size_t>(end - at), owner);
    if (element != nullptr) {
      size_t size = strlen(element);
      // An empty element is the current directory; several slashes at the end count as one.
      const char* name = size == 0 ? "./" : element;
      if (size == 0) size = 2;
      while (size > 1 && name[size - 1] == '/' && name[size - 2] == '/') --size;
      char* whole = duplicate(name, size);
      if (name[size - 1] != '/') {
        char* without_slash = whole;
        whole = concatenate(without_slash, "/");
        release_string(without_slash);
      }
      Directory* directory = directory_named(whole, strlen(whole), what, where);
      if (!path->directories.has(directory)) path->directories.push(directory);
      release_string(whole);
      release_string(element);
    }
    at = end;
    if (*at == '\0') break;
  }
  return path;
}

Status search_directories(SearchPath& path, const char* name, OpenFile& file, char*& found) {
  if (path.given_up) return nullptr;
  const Subdirectories& subs = subdirectories();
  const char* told = nullptr;
  for (uint32_t at = 0; at < path.directories.count(); ++at) {
    Directory* directory = path.directories[at];
    if (debug::on(debug::kLibs) && directory->what != told) print_path(path, at);
    told = directory->what;
    for (unsigned i = 0; i < subs.count; ++i) {
      if ((directory->missing >> i & 1) != 0) continue;
      char* candidate = concatenate(directory->path, subs.name[i], name);
      if (debug::on(debug::kLibs)) debug::print("  trying file=%s\n", candidate);
      LD_TRY(open_object(candidate, file));
      if (file.is_open()) {
        directory->present |= 1u << i;
        found = candidate;
        return nullptr;
      }
      if ((directory->present >> i & 1) == 0 && file.error == sys::kEnoent)
        learn(*directory, i, candidate, strlen(candidate) - strlen(name));
      release_string(candidate);
    }
  }
  path.given_up = path.of_object && debug::on(debug::kLibs) && !has_some_directory(path);
  return nullptr;
}

char* expand_tokens(const char* text, size_t size, Module* owner) {
  char* result = duplicate("");
  size_t done = 0;
  const auto append = [&](const char* part, size_t part_size) {
    char* piece = duplicate(part, part_size);
    char* longer = concatenate(result, piece);
    release_string(piece);
    release_string(result);
    result = longer;
  };
  for (size_t i = 0; i < size;) {
    struct Token {
      const char* name;
      size_t size;
    };
    if (text[i] != '$') {
      ++i;
      continue;
    }
    const bool braces = i + 1 < size && text[i + 1] == '{';
    const char* word = text + i + 1 + (braces ? 1 : 0);
    const size_t room = size - static_cast<size_t>(word - text);
    const char* value = nullptr;
    size_t used = 0;
    for (const Token& token : {Token{"ORIGIN", 6}, Token{"PLATFORM", 8}, Token{"LIB", 3}}) {
      if (room < token.size || !equal(word, token.size, token.name)) continue;
      if (braces && (room == token.size || word[token.size] != '}')) continue;
      const char next = room > token.size ? word[token.size] : '\0';
      const bool longer_word = !braces && ((next >= 'A' && next <= 'Z') || (next >= 'a' && next <= 'z') ||
                                           (next >= '0' && next <= '9') || next == '_');
      if (longer_word) continue;
      used = static_cast<size_t>(word - text) - i + token.size + (braces ? 1 : 0);
      value = token.name[0] == 'O' ? origin_of(owner) : token.name[0] == 'L' ? "lib/x86_64-linux-gnu" : platform_name();
      if (value == nullptr) {
        release_string(result);
        return nullptr;
      }
      break;
    }
    if (used == 0) {
      ++i;
      continue;
    }
    append(text + done, i - done);
    append(value, strlen(value));
    i += used;
    done = i;
  }
  append(text + done, size - done);
  return result;
}

}  // namespace pagefold::ld
