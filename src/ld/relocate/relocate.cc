#include "ld/relocate/relocate.h"

#include "elf/relr.h"
#include "ld/base/text.h"
#include "ld/debug/debug.h"
#include "ld/map/map_object.h"
#include "ld/plt/plt.h"
#include "ld/relocate/writable.h"
#include "ld/resolve/lookup.h"
#include "ld/start/process.h"
#include "ld/tls/static_tls.h"
#include "ld/tls/tlsdesc.h"

namespace pagefold::ld {
namespace {

uint32_t class_of(uint32_t type) {
  switch (type) {
    case R_X86_64_JUMP_SLOT:
    case R_X86_64_DTPMOD64:
    case R_X86_64_DTPOFF64:
    case R_X86_64_TPOFF64:
    case R_X86_64_TLSDESC:
      return kPlt;
    case R_X86_64_COPY:
      return kCopy;
    default:
      return 0;
  }
}

// What a relocation refers to. Empty: an undefined weak symbol.
struct Target {
  Found found;
  const Symbol* reference = nullptr;
};

class Relocator {
 public:
  Relocator(Module& module, bool lazy, Resolvers resolvers)
      : module_(module),
        lazy_(lazy),
        resolvers_(resolvers),
        writable_(module, module.view.text_relocations ? 0 : PF_W) {}

  Status run() {
    trust_relative_count();
    LD_TRY(relative());
    const elf::ObjectView<Elf>& view = module_.view;
    const elf::Table<Rela> rest{view.rela.data + view.relative_count, view.rela.count - view.relative_count};
    LD_TRY(pass(rest, false));
    if (!lazy_) LD_TRY(pass(view.plt_rela, false));
    if (late_) LD_TRY(pass(rest, true));
    if (lazy_) return prepare_plt();
    return late_ ? pass(view.plt_rela, true) : nullptr;
  }

 private:
  Status bad_place(uint64_t address) const {
    return fail_at(display_name(module_), "relocation outside the writable segments", address);
  }

  // DT_RELACOUNT may say more than there are; the relative ones stand together at the beginning.
  void trust_relative_count() {
    elf::ObjectView<Elf>& view = module_.view;
    const auto is_relative = [&](uint64_t i) {
      return static_cast<uint32_t>(view.rela[i].r_info) == R_X86_64_RELATIVE;
    };
    if (view.relative_count == 0 || is_relative(view.relative_count - 1)) return;
    uint64_t count = 0;
    while (count < view.relative_count && is_relative(count)) ++count;
    view.relative_count = count;
  }

  Status relative() {
    const elf::ObjectView<Elf>& view = module_.view;
    const uint64_t bias = module_.bias;
    uint64_t bad = 0;
    const bool good = elf::for_each_relr(view.relr, [&](uint64_t address) {
      auto* word = reinterpret_cast<uint64_t*>(writable_.at(address, 8));
      if (word == nullptr) return bad = address, false;
      *word += bias;
      return true;
    });
    if (!good) return bad_place(bad);
    const Rela* const end = view.rela.data + view.relative_count;
    for (const Rela* rela = view.rela.data; rela != end; ++rela) {
      char* word = writable_.at(rela->r_offset, 8);
      if (word == nullptr) return bad_place(rela->r_offset);
      const uint64_t value = bias + static_cast<uint64_t>(rela->r_addend);
      __builtin_memcpy(word, &value, 8);
    }
    if (debug::on(debug::kStatistics)) debug::statistics.relative += view.relative_count;
    return nullptr;
  }

  // IFUNC resolvers run in a second pass (`late`), when everything else they may look at is in place.
  Status pass(elf::Table<Rela> table, bool late) {
    for (const Rela& rela : table) {
      if (table.end() - &rela > kFar) fetch_ahead(&rela);
      const auto type = static_cast<uint32_t>(rela.r_info);
      const bool is_late = type == R_X86_64_IRELATIVE;
      if (is_late != late) {
        late_ |= is_late;
        continue;
      }
      LD_TRY(apply(rela, type));
    }
    return nullptr;
  }

  static constexpr int kNear = 6, kFar = 12;  // relocations ahead

  // (The compiler's own prefetch is dropped where it may use general registers only.)
  static void fetch(const void* at) { asm volatile("prefetcht0 (%0)" : : "r"(at)); }

  // Symbols and their names lie all over their tables; asked for in time, they do not have to be waited for.
  void fetch_ahead(const Rela* rela) const {
    const elf::ObjectView<Elf>& view = module_.view;
    const auto symbol_of = [&](const Rela& ahead) {
      const uint64_t index = ahead.r_info >> 32;
      return index < view.symbols.count ? view.symbols.data + index : nullptr;
    };
    fetch(symbol_of(rela[kFar]));
    if (const Symbol* near = symbol_of(rela[kNear]); near != nullptr) fetch(view.strings.data + near->st_name);
  }

  Status apply(const Rela& rela, uint32_t type) {
    if (type == R_X86_64_NONE) return nullptr;
    char* place =
        writable_.at(rela.r_offset, type == R_X86_64_PC32 || type == R_X86_64_32 || type == R_X86_64_SIZE32 ? 4 : 8);
    if (place == nullptr) return bad_place(rela.r_offset);
    const auto addend = static_cast<uint64_t>(rela.r_addend);
    if (type == R_X86_64_RELATIVE) return store(place, module_.bias + addend);
    if (type == R_X86_64_IRELATIVE) return store(place, chosen(module_.bias + addend));
    Target target;
    LD_TRY(resolve(static_cast<uint32_t>(rela.r_info >> 32), class_of(type), target));
    return bind(type, place, addend, target, rela);
  }

  uint64_t chosen(uint64_t resolver) const {
    return resolvers_ == Resolvers::kCalled ? call_resolver(resolver) : resolver;
  }

  static Status store(char* place, uint64_t value) {
    __builtin_memcpy(place, &value, 8);
    return nullptr;
  }

  Status resolve(uint32_t index, uint32_t reference_class, Target& target) {
    if (index >= module_.view.symbols.count) {
      if (index != 0) return fail_at(display_name(module_), "relocation of a symbol outside the symbol table", index);
      target.found.module = &module_;
      return nullptr;
    }
    const Symbol& symbol = module_.view.symbols[index];
    target.reference = &symbol;
    const unsigned visibility = visibility_of(symbol);
    if (binding_of(symbol) == STB_LOCAL || visibility == STV_HIDDEN || visibility == STV_INTERNAL) {
      target.found = {&symbol, &module_};
      return nullptr;
    }
    if (index == last_index_ && reference_class == last_class_) {
      if (debug::on(debug::kStatistics)) ++debug::statistics.cached;
      target.found = last_found_;
      return nullptr;
    }
    const char* name = module_.view.string(symbol.st_name);
    if (name == nullptr) return fail_at(display_name(module_), "symbol name outside the string table", symbol.st_name);
    const Module* file = nullptr;
    const Version* version = version_of(module_, index, &file);
    const Wanted wanted{
        name, elf::gnu_hash(name), version, file, &symbol, reference_class, kAddDependency | kForRelocation};
    LD_TRY(look_up(wanted, &module_, module_.scope, nullptr, target.found));
    last_index_ = index;
    last_class_ = reference_class;
    last_found_ = target.found;
    return nullptr;
  }

  Status value_of(const Target& target, uint64_t& value) {
    const Found& found = target.found;
    value = 0;
    if (found.module == nullptr) return nullptr;
    value = found.symbol == nullptr ? 0 : found.address();
    if (found.symbol == nullptr || type_of(*found.symbol) != STT_GNU_IFUNC || found.symbol->st_shndx == SHN_UNDEF)
      return nullptr;
    if (resolvers_ == Resolvers::kLeft) return nullptr;
    if (found.module != &module_ && !found.module->relocated) warn_of_early_resolver(target);
    value = call_resolver(value);
    return nullptr;
  }

  // The objects were linked in the wrong order: the resolver is called before its own object is relocated. In a library
  // that may go well, and glibc tries; the program itself comes last, so that waiting for it would have no end.
  void warn_of_early_resolver(const Target& target) const {
    const char* symbol = module_.view.string(target.reference->st_name);
    const char* name = symbol == nullptr ? "" : symbol;
    Out out(kStandardError);
    if (target.found.module->type != Type::kExecutable) {
      out << program_name() << ": Relink `" << module_.name() << "' with `" << target.found.module->name()
          << "' for IFUNC symbol `" << name << "'\n";
      return;
    }
    out << program_name() << ": IFUNC symbol '" << name << "' referenced in '" << module_.name()
        << "' is defined in the executable and creates an unsatisfiable circular dependency.\n";
    out.flush();
    sys::exit_group(127);
  }

  Status bind(uint32_t type, char* place, uint64_t addend, const Target& target, const Rela& rela) {
    const Symbol* symbol = target.found.symbol;
    Module* definer = target.found.module;
    uint64_t value = 0;
    switch (type) {
      case R_X86_64_GLOB_DAT:
      case R_X86_64_JUMP_SLOT:
        LD_TRY(value_of(target, value));
        return store(place, value);
      case R_X86_64_64:
        LD_TRY(value_of(target, value));
        return store(place, value + addend);
      case R_X86_64_32:
      case R_X86_64_PC32:
        LD_TRY(value_of(target, value));
        return narrow(place, value + addend - (type == R_X86_64_PC32 ? sys::word(place) : 0), type, target);
      case R_X86_64_SIZE64:
        return store(place, (symbol == nullptr ? 0 : symbol->st_size) + addend);
      case R_X86_64_SIZE32:
        return narrow(place, (symbol == nullptr ? 0 : symbol->st_size) + addend, R_X86_64_32, target);
      case R_X86_64_COPY:
        return copy(rela, target);
      case R_X86_64_DTPMOD64:
        if (definer == nullptr) return nullptr;
        LD_TRY(has_tls(*definer, rela));
        return store(place, definer->tls_module);
      case R_X86_64_DTPOFF64:
        return store_offset(place, definer, symbol, addend);
      case R_X86_64_TPOFF64:
        if (definer == nullptr) return nullptr;
        LD_TRY(has_tls(*definer, rela));
        LD_TRY(need_static_tls(module_, *definer));
        return store(place, value_in_tls(symbol) + addend - static_cast<uint64_t>(definer->tls_offset));
      case R_X86_64_TLSDESC:
        return describe_tls(rela, definer, symbol, addend);
      default:
        return bad_type("unexpected reloc type 0x", type);
    }
  }

  Status has_tls(const Module& definer, const Rela& rela) const {
    if (definer.tls_size != 0) return nullptr;
    return fail_at(display_name(module_), "thread-local relocation to an object without thread-local storage",
                   rela.r_offset);
  }

  static uint64_t value_in_tls(const Symbol* symbol) { return symbol == nullptr ? 0 : symbol->st_value; }

  static Status store_offset(char* place, const Module* definer, const Symbol* symbol, uint64_t addend) {
    return definer == nullptr ? nullptr : store(place, value_in_tls(symbol) + addend);
  }

  Status describe_tls(const Rela& rela, Module* definer, const Symbol* symbol, uint64_t addend) {
    char* place = writable_.at(rela.r_offset, 16);
    if (place == nullptr) return bad_place(rela.r_offset);
    if (definer != nullptr) LD_TRY(has_tls(*definer, rela));
    return make_tls_descriptor(module_, reinterpret_cast<TlsDescriptor*>(place), definer,
                               value_in_tls(symbol) + addend);
  }

  Status narrow(char* place, uint64_t value, uint32_t type, const Target& target) {
    const auto low = static_cast<uint32_t>(value);
    __builtin_memcpy(place, &low, 4);
    const bool fits = type == R_X86_64_PC32 ? static_cast<int64_t>(value) == static_cast<int32_t>(low) : value == low;
    if (fits) return nullptr;
    const char* name = target.reference == nullptr ? nullptr : module_.view.string(target.reference->st_name);
    Out out(kStandardError);
    out << program_name() << ": Symbol `" << (name == nullptr ? "" : name) << "' causes overflow in "
        << (type == R_X86_64_PC32 ? "R_X86_64_PC32" : "R_X86_64_32") << " relocation\n";
    return nullptr;
  }

  Status copy(const Rela& rela, const Target& target) {
    const Symbol* from = target.found.symbol;
    if (from == nullptr || target.reference == nullptr) return nullptr;
    const uint64_t size = from->st_size < target.reference->st_size ? from->st_size : target.reference->st_size;
    char* place = writable_.at(rela.r_offset, size);
    if (place == nullptr) return bad_place(rela.r_offset);
    uint64_t value = 0;
    LD_TRY(value_of(target, value));
    if (!target.found.module->image().inside(value - target.found.module->bias, size, 0) &&
        target.found.module != world.vdso)
      return fail_at(display_name(*target.found.module), "copied symbol outside the loaded segments", from->st_value);
    memcpy(place, reinterpret_cast<const void*>(value), size);
    if (from->st_size > target.reference->st_size || (from->st_size < target.reference->st_size && process.verbose)) {
      Out out(kStandardError);
      out << program_name() << ": Symbol `" << module_.view.string(target.reference->st_name)
          << "' has different size in shared object, consider re-linking\n";
    }
    return nullptr;
  }

  Status bad_type(const char* before, uint32_t type) {
    constexpr char kDigits[] = "0123456789abcdef";
    const char number[] = {kDigits[type >> 4 & 15], kDigits[type & 15], '\0'};
    char* text = concatenate(before, number);
    const Status failure = fail(display_name(module_), text);
    release_string(text);
    return failure;
  }

  // The slots lead to the PLT's own code, which asks the loader; IFUNC and TLS slots cannot wait.
  Status prepare_plt() {
    bool late = false;
    for (const Rela& rela : module_.view.plt_rela) {
      const auto type = static_cast<uint32_t>(rela.r_info);
      if (type == R_X86_64_IRELATIVE) {
        late = true;
      } else if (type == R_X86_64_TLSDESC) {
        LD_TRY(apply(rela, type));
      } else if (type != R_X86_64_JUMP_SLOT) {
        return bad_type("unexpected PLT reloc type 0x", type);
      } else {
        auto* slot = reinterpret_cast<uint64_t*>(writable_.at(rela.r_offset, 8));
        if (slot == nullptr) return bad_place(rela.r_offset);
        *slot += module_.bias;
      }
    }
    if (late) LD_TRY(pass(module_.view.plt_rela, true));
    return attach_plt(module_);
  }

  Module& module_;
  bool lazy_;
  Resolvers resolvers_;
  Writable writable_;
  bool late_ = false;
  uint32_t last_index_ = 0, last_class_ = 0;
  Found last_found_;
};

// While text is relocated its pages are writable, and afterwards as the file says.
Status protect_text(const Module& module, bool writable) {
  for (const Elf64_Phdr& segment : module.headers) {
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
    const uint64_t start = (module.bias + segment.p_vaddr) & ~(process.page_size - 1);
    const uint64_t end =
        (module.bias + segment.p_vaddr + segment.p_memsz + process.page_size - 1) & ~(process.page_size - 1);
    const uint32_t protection = ((segment.p_flags & PF_R) != 0 ? sys::kProtRead : 0) |
                                ((segment.p_flags & PF_X) != 0 ? sys::kProtExec : 0) | (writable ? sys::kProtWrite : 0);
    const int64_t result = sys::protect(start, end - start, protection);
    if (sys::failed(result))
      return fail(display_name(module),
                  writable ? "cannot make segment writable for relocation" : "cannot restore segment prot after reloc",
                  sys::error_of(result));
  }
  return nullptr;
}

}  // namespace

Status relocate(Module& module, bool lazy, Resolvers resolvers) {
  if (module.relocated) return nullptr;
  const bool is_lazy = lazy && !module.view.bind_now && can_bind_lazily(module);
  if (debug::on(debug::kReloc))
    debug::print("\nrelocation processing: %s%s\n", display_name(module),
                 lazy && !module.view.bind_now ? " (lazy)" : "");
  if (module.view.text_relocations) LD_TRY(protect_text(module, true));
  LD_TRY(Relocator(module, is_lazy, resolvers).run());
  if (module.view.text_relocations) LD_TRY(protect_text(module, false));
  module.relocated = true;
  set_bits(module.map(), world.layout->link_map.l_relocated, 1, 1);
  return protect_relro(module);
}

}  // namespace pagefold::ld
