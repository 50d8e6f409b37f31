#include "ld/start/trace.h"

#include "elf/versions.h"
#include "ld/base/out.h"
#include "ld/base/sys.h"
#include "ld/base/text.h"
#include "ld/debug/debug.h"
#include "ld/find/load.h"
#include "ld/module/module.h"
#include "ld/relocate/relocate.h"
#include "ld/resolve/lookup.h"
#include "ld/start/process.h"

namespace pagefold::ld {
namespace {

void list_libraries() {
  Out out(kStandardOutput);
  if (world.main->next() == nullptr) out << "\tstatically linked\n";
  for (Module* module = world.main->next(); module != nullptr; module = module->next()) {
    const char* asked = module->names->name;
    if (module->faked) {
      out << '\t' << asked << " => not found\n";
    } else if (equal(asked, module->name())) {
      (out << '\t' << asked << " (").hex(module->map_start, 16) << ")\n";
    } else {
      (out << '\t' << asked << " => " << module->name() << " (").hex(module->map_start, 16) << ")\n";
    }
  }
}

void relocate_and_tell(Module& module) {
  const Status failure = relocate(module, !process.bind_now, Resolvers::kLeft);
  if (failure == nullptr) return;
  Out out(kStandardError);
  out << failure->text << "\t(" << (*failure->object == '\0' ? program_name() : failure->object) << ")\n";
  out.flush();
  forget(failure);
}

// ldd -d binds data, ldd -r functions too; what cannot be bound is told. No code of the program or its libraries runs.
void bind_and_tell() {
  tell_undefined_only = true;
  const Module& main = *world.main;
  for (uint32_t i = main.initfini_count; i > 0; --i) {
    Module* module = module_of(main.initfini[i - 1]);
    if (module->faked || module == world.self) continue;
    relocate_and_tell(*module);
  }
}

// ldd -u: which libraries that the program names does it bind nothing to? The list of modules begins with them, in that
// order.
[[noreturn]] void list_unused_and_exit() {
  tell_undefined_only = true;
  relocate_and_tell(*world.main);
  bool first = true;
  const Module* module = world.main;
  for (const Elf64_Dyn& entry : world.main->view.entries) {
    if (entry.d_tag != DT_NEEDED) continue;
    module = module->next();
    if (module == world.vdso) module = module->next();
    if (module == nullptr) break;
    if (module->used) continue;
    Out out(kStandardOutput);
    if (first) out << "Unused direct dependencies:\n";
    first = false;
    out << '\t' << module->name() << '\n';
  }
  sys::exit_group(first ? 0 : 1);
}

const char* defining_file(const char* file) {
  for (Module* module = world.first; module != nullptr; module = module->next())
    if (!module->faked && answers_to(*module, file)) return module->name();
  return "not found";
}

void list_versions() {
  Out out(kStandardOutput);
  bool first = true;
  for (Module* module = world.first; module != nullptr; module = module->next()) {
    if (module->view.verneed.empty()) continue;
    if (first) out << "\n\tVersion information:\n";
    first = false;
    out << '\t' << display_name(*module) << ":\n";
    elf::for_each_needed_version(module->view, [&](const elf::NeededVersion& want) {
      out << "\t\t" << want.file << " (" << want.name << ") " << (want.weak ? "[WEAK] " : "") << "=> "
          << defining_file(want.file) << '\n';
      return true;
    });
  }
}

}  // namespace

void list_and_exit() {
  if (process.mode == Mode::kTrace && debug::on(debug::kUnused)) list_unused_and_exit();
  list_libraries();
  if (process.warn) bind_and_tell();
  if (process.verbose) list_versions();
  sys::exit_group(0);
}

}  // namespace pagefold::ld
