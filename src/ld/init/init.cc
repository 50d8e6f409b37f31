#include "ld/init/init.h"

#include "ld/api/lock.h"
#include "ld/debug/debug.h"
#include "ld/module/graph.h"
#include "ld/start/process.h"

namespace pagefold::ld {
namespace {

using Constructor = void (*)(int, char**, char**);
using Destructor = void (*)();

Module* first_of_all = nullptr;

void call_array(const Module& module, elf::AddressRange range) {
  const auto* functions = reinterpret_cast<Constructor const*>(module.bias + range.address);
  for (uint64_t i = 0; i < range.size / sizeof(Constructor); ++i)
    functions[i](process.argc, process.argv, process.envp);
}

void call_constructors(Module& module) {
  if (module.init_called || module.faked) return;
  module.init_called = true;
  set_bits(module.map(), world.layout->link_map.l_init_called, 1, 1);
  if (module.is_main) return;
  if (debug::on(debug::kCalls)) debug::print("\ncalling init: %s\n\n", display_name(module));
  if (module.view.init != 0)
    reinterpret_cast<Constructor>(module.bias + module.view.init)(process.argc, process.argv, process.envp);
  call_array(module, module.view.init_array);
}

}  // namespace

void wants_first(Module& module) { first_of_all = &module; }
void forget_first(const Module& module) {
  if (first_of_all == &module) first_of_all = nullptr;
}

void initialise(Module& root) {
  if (first_of_all != nullptr) {
    Module* first = first_of_all;
    first_of_all = nullptr;
    call_constructors(*first);
  }
  for (uint32_t i = root.initfini_count; i > 0; --i) call_constructors(*module_of(root.initfini[i - 1]));
}

void initialise_program() {
  Module& main = *world.main;
  if (first_of_all != nullptr) {
    Module* first = first_of_all;
    first_of_all = nullptr;
    call_constructors(*first);
  }
  if (main.view.preinit_array.size != 0) {
    if (debug::on(debug::kCalls)) debug::print("\ncalling preinit: %s\n\n", display_name(main));
    call_array(main, main.view.preinit_array);
  }
  // Only what start-up loaded: the list may grow while a constructor calls dlopen.
  const uint32_t count = main.initfini_count;
  for (uint32_t i = count; i > 0; --i) call_constructors(*module_of(main.initfini[i - 1]));
}

void call_destructors(Module& module) {
  if (debug::on(debug::kCalls)) debug::print("\ncalling fini: %s [0]\n\n", module.name());
  module.init_called = false;
  set_bits(module.map(), world.layout->link_map.l_init_called, 1, 0);
  const elf::AddressRange& range = module.view.fini_array;
  const auto* functions = reinterpret_cast<Destructor const*>(module.bias + range.address);
  for (uint64_t i = range.size / sizeof(Destructor); i > 0; --i) functions[i - 1]();
  if (module.view.fini != 0) reinterpret_cast<Destructor>(module.bias + module.view.fini)();
}

// Destructors come in an order of their own: all objects, in the order of the list, sorted once more, dependents first.
// It differs from the reverse order of the constructors where dependencies form cycles or came by dlopen.
List<Module*> in_destructor_order(Module* closed) {
  constexpr uint32_t kClosedGoesFirst = 39;  // the minor version of glibc
  List<LinkMap*> all;
  for (Module* module = world.first; module != nullptr; module = module->next()) {
    all.push(module->map());
    if (module != closed || world.build->minor < kClosedGoesFirst) continue;
    all.last() = all[0];
    all[0] = module->map();
  }
  sort_modules(all.begin(), all.count(), true, true);
  List<Module*> sorted;
  for (LinkMap* map : all) sorted.push(module_of(map));
  all.free();
  return sorted;
}

void finish_program() {
  List<Module*> modules;
  {
    LoadLock lock;
    modules = in_destructor_order(nullptr);
    for (Module* module : modules) ++module->open_count;  // nobody may unload them from now on
  }
  for (Module* module : modules) {
    if (module->init_called) call_destructors(*module);
    --module->open_count;
  }
  if (debug::on(debug::kStatistics)) debug::print_final_statistics();
}

}  // namespace pagefold::ld
