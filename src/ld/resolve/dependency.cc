#include "ld/resolve/dependency.h"

#include "ld/api/lock.h"
#include "ld/debug/debug.h"
#include "ld/module/scope.h"
#include "ld/resolve/lookup.h"

namespace pagefold::ld {
namespace {

bool holds_already(const Module& referrer, const Module& definer) {
  const LinkMap* wanted = definer.map();
  if (referrer.initfini != nullptr)
    for (LinkMap** map = referrer.initfini; *map != nullptr; ++map)
      if (*map == wanted) return true;
  for (LinkMap* map : referrer.relocation_dependencies)
    if (map == wanted) return true;
  return false;
}

bool still_loaded(const Module& module, uint64_t serial) {
  for (Module* listed = world.first; listed != nullptr; listed = listed->next())
    if (listed == &module) return !listed->removed && listed->serial == serial;
  return false;
}

// What cannot be unloaded keeps what it refers to for ever.
void keep_for(const Module& referrer, Module& definer, bool for_relocation) {
  if (debug::on(debug::kBindings) && !definer.stays(for_relocation)) {
    if (referrer.name()[0] == '\0')
      debug::print("marking %s [0] as NODELETE due to reference from main program\n", definer.name());
    else
      debug::print("marking %s [0] as NODELETE due to reference from %s [0]\n", definer.name(), referrer.name());
  }
  definer.keep(for_relocation);
}

}  // namespace

bool add_dependency(Module* referrer, Module& definer, uint32_t flags) {
  if (referrer == nullptr || referrer == &definer) return true;
  if (definer.nodelete) return true;
  if (holds_already(*referrer, definer)) return true;
  const uint64_t serial = definer.serial;
  const bool unlocked = (flags & kWithoutLock) != 0;
  // The load lock is taken outside of lookups: whoever holds it may be waiting for them to end.
  if (unlocked) leave_lookup();
  bool stays;
  {
    LoadLock lock;
    stays = still_loaded(definer, serial);
    if (stays && !holds_already(*referrer, definer) && !definer.nodelete) {
      if (referrer->type == Type::kLoaded) {
        referrer->relocation_dependencies.push(definer.map());
        if (debug::on(debug::kFiles))
          debug::print("\nfile=%s [0];  needed by %s [0] (relocation dependency)\n\n", debug::file_of(definer),
                       debug::file_of(*referrer));
      } else {
        keep_for(*referrer, definer, (flags & kForRelocation) != 0);
      }
    }
    if (unlocked) enter_lookup();
  }
  return stays;
}

}  // namespace pagefold::ld
