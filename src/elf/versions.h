// What versions an object wants of others (verneed) and defines itself (verdef). Both are lists linked by byte
// distances; a walk ends at the first step that leads outside, at a distance of zero, and after as many entries as the
// dynamic section announced, whichever comes first. Distances are unsigned, so a walk never turns back. Source:
// gABI/LSB symbol versioning.
#pragma once

#include "elf/bytes.h"
#include "elf/dynamic.h"

namespace pagefold::elf {

inline constexpr uint16_t kVersionHidden = 0x8000, kVersionIndex = 0x7fff;

struct NeededVersion {
  const char* file;  // the object that should define it
  const char* name;
  uint32_t hash;
  uint16_t index;  // as used by versyms, bit 15: hidden
  bool weak;
};

struct DefinedVersion {
  const char* name;
  uint32_t hash;
  uint16_t index;
  bool base;  // the entry that names the file itself
};

// visit(NeededVersion) -> false to stop. A defect if the lists are broken; its place is the distance from their start.
template <class E, class Visit>
Defect for_each_needed_version(const ObjectView<E>& view, Visit&& visit) {
  uint64_t at = 0;
  for (uint64_t n = 0; n < view.verneed_count; ++n) {
    const auto* need = view.verneed.template at<Elf64_Verneed>(at);
    if (need == nullptr || need->vn_version != 1) return {"unsupported version of Verneed record", at};
    const char* file = view.string(need->vn_file);
    if (file == nullptr) return {"version requirement without file name", at};
    uint64_t aux_at = at + need->vn_aux;
    for (uint32_t k = 0; k < need->vn_cnt; ++k) {
      const auto* aux = view.verneed.template at<Elf64_Vernaux>(aux_at);
      const char* name = aux == nullptr ? nullptr : view.string(aux->vna_name);
      if (name == nullptr) return {"version requirement outside its table", aux_at};
      if (!visit(NeededVersion{file, name, aux->vna_hash, aux->vna_other, (aux->vna_flags & VER_FLG_WEAK) != 0}))
        return {};
      if (aux->vna_next == 0) break;
      aux_at += aux->vna_next;
    }
    if (need->vn_next == 0) break;
    at += need->vn_next;
  }
  return {};
}

template <class E, class Visit>
Defect for_each_defined_version(const ObjectView<E>& view, Visit&& visit) {
  uint64_t at = 0;
  for (uint64_t n = 0; n < view.verdef_count; ++n) {
    const auto* def = view.verdef.template at<Elf64_Verdef>(at);
    if (def == nullptr || def->vd_version != 1) return {"unsupported version of Verdef record", at};
    const auto* aux = view.verdef.template at<Elf64_Verdaux>(at + def->vd_aux);
    const char* name = aux == nullptr ? nullptr : view.string(aux->vda_name);
    if (name == nullptr) return {"version definition outside its table", at};
    if (!visit(DefinedVersion{name, def->vd_hash, def->vd_ndx, (def->vd_flags & VER_FLG_BASE) != 0})) return {};
    if (def->vd_next == 0) break;
    at += def->vd_next;
  }
  return {};
}

}  // namespace pagefold::elf
