#include "ld/resolve/lookup.h"

#include "elf/hash.h"
#include "ld/base/text.h"
#include "ld/debug/debug.h"
#include "ld/resolve/dependency.h"
#include "ld/resolve/start_index.h"
#include "ld/resolve/unique.h"
#include "ld/start/process.h"

namespace pagefold::ld {

__attribute__((visibility("hidden"))) bool tell_undefined_only = false;

namespace {

constexpr uint32_t kUsefulTypes =
    1u << STT_NOTYPE | 1u << STT_OBJECT | 1u << STT_FUNC | 1u << STT_COMMON | 1u << STT_TLS | 1u << STT_GNU_IFUNC;

enum class Outcome { kGoOn, kFound };

// The state of one search: while looking for an unversioned name, exactly one versioned definition is good enough.
struct Candidate {
  const Symbol* versioned = nullptr;
  unsigned versions = 0;
};

bool version_fits(const Wanted& wanted, const Module& module, uint32_t index, const Symbol& symbol,
                  Candidate& candidate) {
  const elf::Table<uint16_t>& versyms = module.view.versyms;
  if (versyms.data == nullptr || index >= versyms.count) return true;
  const uint16_t versym = versyms[index];
  const uint32_t number = versym & 0x7fff;
  const bool hidden = (versym & 0x8000) != 0;
  if (wanted.version == nullptr) {
    if (number < ((wanted.flags & kReturnNewest) != 0 ? 2u : 3u)) return true;
    if (!hidden && candidate.versions++ == 0) candidate.versioned = &symbol;
    return false;
  }
  const Version none{};
  const Version& have = number < module.version_count ? module.versions[number] : none;
  if (have.hash == wanted.version->hash && have.name != nullptr && equal(have.name, wanted.version->name)) return true;
  return wanted.version->hidden == 0 && have.hash == 0 && !hidden;
}

bool fits(const Wanted& wanted, const Module& module, uint32_t index, Candidate& candidate) {
  if (index >= module.view.symbols.count) return false;
  const Symbol& symbol = module.view.symbols[index];
  const unsigned type = type_of(symbol);
  if (symbol.st_value == 0 && symbol.st_shndx != SHN_ABS && type != STT_TLS) return false;
  if (symbol.st_shndx == SHN_UNDEF && (wanted.reference_class & kPlt) != 0) return false;
  if ((kUsefulTypes >> type & 1) == 0) return false;
  if (&symbol != wanted.reference) {
    const char* name = module.view.string(symbol.st_name);
    if (name == nullptr || !equal(name, wanted.name)) return false;
  }
  return version_fits(wanted, module, index, symbol, candidate);
}

const Symbol* find_in(const Wanted& wanted, const Module& module) {
  Candidate candidate;
  uint32_t index = 0;
  const auto visit = [&](uint32_t i) { return fits(wanted, module, i, candidate); };
  if (module.view.gnu.bucket_count != 0) {
    index = module.view.gnu.candidates(wanted.hash, visit);
  } else {
    index = module.view.sysv.candidates(elf::sysv_hash(wanted.name), visit);
  }
  if (index != 0) return &module.view.symbols[index];
  return candidate.versions == 1 ? candidate.versioned : nullptr;
}

// A copy relocation does not look in the object that has it.
bool is_passed_over(const Wanted& wanted, const Module& module, const Module* referrer, const Module* skip) {
  return &module == skip || module.removed || ((wanted.reference_class & kCopy) != 0 && &module == referrer);
}

template <bool kExplain>
Outcome look_in_list(const Wanted& wanted, Module* referrer, const SearchList& list, uint32_t from, const Module* skip,
                     Found& found) {
  const uint32_t count = __atomic_load_n(&list.count, __ATOMIC_ACQUIRE);
  LinkMap** maps = __atomic_load_n(&list.list, __ATOMIC_RELAXED);
  const Filter* filters = start_filters(list);
  for (uint32_t i = from; i < count; ++i) {
    if (!kExplain && filters != nullptr && !filters[i].maybe_has(wanted.hash)) continue;
    Module& module = *module_of(maps[i]);
    if constexpr (kExplain) {
      if (is_passed_over(wanted, module, referrer, skip)) continue;
      debug::print("symbol=%s;  lookup in file=%s [0]\n", wanted.name, debug::file_of(module));
    }
    const Symbol* symbol = nullptr;
    if (module.view.gnu.bucket_count != 0 ? module.view.gnu.maybe_has(wanted.hash)
                                          : module.view.sysv.bucket_count != 0) {
      if (is_passed_over(wanted, module, referrer, skip)) continue;
      symbol = find_in(wanted, module);
    }
    if (symbol == nullptr) continue;
    switch (binding_of(*symbol)) {
      case STB_WEAK:
        if (process.dynamic_weak) {  // LD_DYNAMIC_WEAK: good enough if nothing stronger comes
          if (!found.is_defined()) found = {symbol, &module};
          break;
        }
        [[fallthrough]];
      case STB_GLOBAL:
        found = {symbol, &module};
        return Outcome::kFound;
      case STB_GNU_UNIQUE:
        found = unique_definition(wanted, referrer, {symbol, &module});
        return Outcome::kFound;
      default:
        break;
    }
  }
  return Outcome::kGoOn;
}

template <bool kExplain>
Outcome look_in_scope(const Wanted& wanted, Module* referrer, SearchList* const* scope, const Module* skip,
                      Found& found) {
  uint32_t from = 0;
  if (skip != nullptr) {  // the search begins after it, in the first list
    const SearchList& list = **scope;
    while (from < list.count && module_of(list.list[from]) != skip) ++from;
  }
  for (; *scope != nullptr; ++scope, from = 0) {
    const Outcome outcome = look_in_list<kExplain>(wanted, referrer, **scope, from, skip, found);
    if (outcome != Outcome::kGoOn) return outcome;
  }
  return Outcome::kGoOn;
}

Outcome search(const Wanted& wanted, Module* referrer, SearchList* const* scope, const Module* skip, Found& found) {
  return debug::on(debug::kSymbols) ? look_in_scope<true>(wanted, referrer, scope, skip, found)
                                    : look_in_scope<false>(wanted, referrer, scope, skip, found);
}

// A protected symbol is preempted by nobody, where its own object refers to it.
void bind_protected(const Wanted& wanted, Module* referrer, SearchList* const* scope, const Module* skip,
                    Found& found) {
  if (wanted.reference_class == kPlt) {
    if (found.module != referrer) found = {wanted.reference, referrer};
    return;
  }
  Wanted plt = wanted;
  plt.reference_class = kPlt;
  Found definition;
  search(plt, referrer, scope, skip, definition);
  if (definition.is_defined() && definition.module != referrer) found = {wanted.reference, referrer};
}

Status tell(Status failure) {
  if (!tell_undefined_only) return failure;
  {
    Out out(kStandardError);
    out << failure->text << "\t(" << failure->object << ")\n";
  }
  forget(failure);
  return nullptr;
}

// A damaged hash table makes names vanish: then that is the message.
const Module* with_broken_hash(const Wanted& wanted, SearchList* const* scope) {
  for (; *scope != nullptr; ++scope)
    for (uint32_t i = 0; i < (*scope)->count; ++i) {
      const Module& module = *module_of((*scope)->list[i]);
      const elf::ObjectView<Elf>& view = module.view;
      const bool broken = view.gnu.bucket_count != 0
                              ? view.gnu.maybe_has(wanted.hash) && view.gnu.is_broken_for(wanted.hash)
                              : view.sysv.bucket_count != 0 && view.sysv.is_broken_for(elf::sysv_hash(wanted.name));
      if (broken) return &module;
    }
  return nullptr;
}

Status undefined(const Wanted& wanted, const Module* referrer, SearchList* const* scope) {
  if (wanted.reference != nullptr && binding_of(*wanted.reference) == STB_WEAK) return nullptr;
  if (debug::on(debug::kUnused)) return nullptr;  // what is asked is which libraries are used, not what is missing
  if (const Module* broken = with_broken_hash(wanted, scope); broken != nullptr) {
    const void* table = broken->view.gnu.bucket_count != 0 ? broken->view.gnu.buckets : broken->view.sysv.buckets;
    return fail_at(broken->name(), "invalid hash table", reinterpret_cast<uint64_t>(table) - broken->bias);
  }
  const bool versioned = wanted.version != nullptr && wanted.version->name != nullptr;
  char* text = concatenate("undefined symbol: ", wanted.name, versioned ? ", version " : "",
                           versioned ? wanted.version->name : "");
  const Status failure = fail(referrer == nullptr ? "" : display_name(*referrer), text, 0, "symbol lookup error");
  release_string(text);
  debug::tell_error(failure->object, failure->occasion, failure->text, !tell_undefined_only);
  return tell(failure);
}

void tell_binding(const Wanted& wanted, const Module* referrer, const Found& found, bool is_protected) {
  const bool versioned = wanted.version != nullptr;
  debug::print("binding file %s [0] to %s [0]: %s symbol `%s'%s%s%s\n",
               referrer == nullptr ? "" : debug::file_of(*referrer), debug::file_of(*found.module),
               is_protected ? "protected" : "normal", wanted.name, versioned ? " [" : "",
               versioned ? wanted.version->name : "", versioned ? "]" : "");
}

}  // namespace

Status look_up(const Wanted& wanted, Module* referrer, SearchList* const* scope, const Module* skip, Found& found) {
  if (debug::on(debug::kStatistics)) ++debug::statistics.relocations;
  for (;;) {
    found = {};
    search(wanted, referrer, scope, skip, found);
    if (!found.is_defined()) return undefined(wanted, referrer, scope);
    const bool is_protected = wanted.reference != nullptr && visibility_of(*wanted.reference) == STV_PROTECTED;
    if (is_protected) bind_protected(wanted, referrer, scope, skip, found);
    const bool may_unload = found.module->type == Type::kLoaded && (wanted.flags & kAddDependency) != 0;
    if (__builtin_expect(may_unload, 0) && !add_dependency(referrer, *found.module, wanted.flags))
      continue;  // it is going
    if (!found.module->used) found.module->used = true;
    if (debug::on(debug::kBindings)) tell_binding(wanted, referrer, found, is_protected);
    return nullptr;
  }
}

Found look_up_in(Module& module, const char* name, const char* version_name) {
  Version version{version_name, version_name == nullptr ? 0 : elf::sysv_hash(version_name), 0, nullptr};
  const Wanted wanted{name, elf::gnu_hash(name), version_name == nullptr ? nullptr : &version, nullptr, nullptr, 0, 0};
  if (module.view.gnu.bucket_count != 0 ? !module.view.gnu.maybe_has(wanted.hash) : module.view.sysv.bucket_count == 0)
    return {};
  const Symbol* symbol = find_in(wanted, module);
  return symbol == nullptr ? Found{} : Found{symbol, &module};
}

const Version* version_of(const Module& module, uint32_t index, const Module** file) {
  const elf::Table<uint16_t>& versyms = module.view.versyms;
  if (versyms.data == nullptr || index >= versyms.count) return nullptr;
  const uint32_t number = versyms[index] & 0x7fff;
  if (number >= module.version_count || module.versions[number].hash == 0) return nullptr;
  *file = module.version_files[number];
  return &module.versions[number];
}

}  // namespace pagefold::ld
