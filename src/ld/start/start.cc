// A start, stage by stage. Until `load` has found that the program's libc is the one that was chosen, nothing is done
// that could not be undone, and the way to the genuine loader is open; after that every failure is final.
//
//   stage         may use                                     leaves
//   read          the stack                                   process
//   hand over?    process                                     (the genuine loader, or nothing)
//   program       the arena, the ELF views                    world.main (provisional layout)
//   choose_libc   the search; opens files, maps nothing       world.build, world.layout; libc's file kept open
//   publish       the layout                                  _rtld_global(_ro), processor, world.self, vdso
//   load          the search, mapping                         every module on the list, search order, versions
//   thread        TLS layout                                  thread pointer, dtv
//   bind          lookups, IFUNC resolvers (foreign code!)    relocated modules, RELRO closed
//   libc          libc's functions                            locks, malloc, errors signalled; own RELRO closed
//   initialise    everything                                  constructors have run
#include "ld/start/start.h"

#include "elf/hash.h"
#include "ld/abi/glibc/exports/private.h"
#include "ld/abi/glibc/rtld_global.h"
#include "ld/abi/glibc/thread_block.h"
#include "ld/api/debugger.h"
#include "ld/api/errors.h"
#include "ld/api/exports.h"
#include "ld/api/find_object.h"
#include "ld/api/lock.h"
#include "ld/base/text.h"
#include "ld/debug/debug.h"
#include "ld/find/cache.h"
#include "ld/find/load.h"
#include "ld/find/search_path.h"
#include "ld/hand_over/hand_over.h"
#include "ld/init/init.h"
#include "ld/map/map_object.h"
#include "ld/map/stack.h"
#include "ld/module/graph.h"
#include "ld/module/published.h"
#include "ld/module/scope.h"
#include "ld/plt/plt.h"
#include "ld/relocate/relocate.h"
#include "ld/resolve/lookup.h"
#include "ld/resolve/start_index.h"
#include "ld/resolve/versions.h"
#include "ld/start/libc.h"
#include "ld/start/options.h"
#include "ld/start/preload.h"
#include "ld/start/process.h"
#include "ld/start/processor.h"
#include "ld/start/program.h"
#include "ld/start/stack.h"
#include "ld/start/trace.h"
#include "ld/tls/dtv.h"
#include "ld/tls/libc_memory.h"
#include "ld/tls/static_tls.h"

extern "C" __attribute__((visibility("hidden"))) void _start();

namespace pagefold::ld {
namespace {

// Whose tables are tried first; a wrong guess costs a second look at the program.
constexpr uint32_t kLikelyMinor = 36;

uint64_t own_base = 0;
LibcFound libc;
int own_arguments = 0;  // as a command: how many stand before the program's name
const char* own_path = nullptr;

void must(Status failure) {
  if (failure != nullptr) die_of(failure);
}

[[noreturn]] void leave_to_genuine(const char* reason) {
  List<hand_over::Region> mapped;
  const auto note = [&](const Module& module) {
    if (module.map_end <= module.map_start || &module == world.self || &module == world.vdso) return;
    if (module.is_main && !process.direct) return;
    mapped.push({module.map_start & ~(process.page_size - 1),
                 ((module.map_end + process.page_size - 1) & ~(process.page_size - 1)) -
                     (module.map_start & ~(process.page_size - 1))});
  };
  if (world.first == nullptr && world.main != nullptr) note(*world.main);
  for (Module* module = world.first; module != nullptr; module = module->next()) note(*module);
  close_kept();
  close_cache();
  restore_initial_stack();
  char* interpreter = nullptr;
  if (world.main != nullptr)
    if (const char* name = interpreter_of_program(); name != nullptr) interpreter = duplicate(name);
  hand_over::hand_over({process.stack, reason, interpreter, reinterpret_cast<const char*>(own_base), process.direct,
                        mapped.begin(), mapped.count()});
}

const glibc::Build* likely_build() {
  for (const glibc::Build& build : glibc::known_builds())
    if (build.minor == kLikelyMinor) return &build;
  return &glibc::known_builds()[0];
}

void use_build(const glibc::Build* build) {
  world.build = build;
  world.layout = &build->layout;
}

void read(uint64_t* stack) {
  read_stack(stack);
  process.direct = process.entry == reinterpret_cast<uint64_t>(&_start);
  use_build(likely_build());
  const char* reason = hand_over::reason_at_start(stack);
  if (reason == nullptr) read_environment();
  if (reason == nullptr && process.direct) {
    own_path = process.argv[0];
    own_arguments = read_options(reason);
  }
  if (reason == nullptr) return;
  if (!process.direct) must(describe_program());
  leave_to_genuine(reason);
}

// As a command the program's arguments begin behind our own; the stack itself is changed only when no hand-over can
// come any more.
void find_program() {
  if (!process.direct) return must(describe_program());
  process.argv += own_arguments;
  const Status failure = map_program();
  if (failure != nullptr && process.mode == Mode::kVerify) sys::exit_group(1);
  must(failure);
}

void leave_audited() {
  for (const Elf64_Dyn& entry : world.main->view.entries) {
    if (entry.d_tag == DT_AUDIT) leave_to_genuine("DT_AUDIT asks for an audit library");
    if (entry.d_tag == DT_DEPAUDIT) leave_to_genuine("DT_DEPAUDIT asks for an audit library");
  }
}

void choose_libc() {
  const uint32_t told = debug::mask;
  debug::mask = 0;  // the search that users want to see is that of load()
  libc = find_libc();
  debug::mask = told;
  if (libc.reason != nullptr) leave_to_genuine(libc.reason);
  if (libc.build->minor != world.build->minor || debug::on(debug::kLibs)) forget_subdirectories();
  const bool same = libc.build == world.build;
  use_build(libc.build);
  glibc::the_build = libc.build;
  if (const char* tunable = glibc::tunables.read(*libc.build, process.envp); tunable != nullptr)
    leave_to_genuine(tunable);
  if (!processor_is_known()) leave_to_genuine("this processor is not known exactly");
  if (!same) must(remake_main());
}

void settle_arguments() {
  if (process.direct) {
    keep_initial_stack();
    drop_arguments(own_arguments);
    if (process.argv0 != nullptr) process.argv[0] = const_cast<char*>(process.argv0);
    set_auxiliary(AT_PHDR, sys::word(world.main->headers.data));
    set_auxiliary(AT_PHNUM, world.main->headers.count);
    set_auxiliary(AT_ENTRY, world.main->entry);
    set_auxiliary(AT_EXECFN, sys::word(process.argv[0]));
  }
  __libc_stack_end = process.stack;
  _dl_argv = process.argv;
}

void publish() {
  settle_arguments();
  void* ro = published::rtld_global_ro();
  glibc::fill_rtld_global_ro(ro, *world.build, reinterpret_cast<glibc::AuxEntry*>(process.auxv), processor(),
                             glibc::tunables);
  glibc::fill_rtld_global(published::rtld_global(), *world.build);
  at<int>(ro, world.layout->rtld_global_ro.dl_lazy) = process.bind_now ? 0 : 1;
  at<uint32_t>(ro, world.layout->rtld_global_ro.dl_debug_mask) = debug::mask;
  start_lazy_binding();
  publish_functions();
  Module& main = *world.main;
  set_open_count(main, 1);  // by its start
  set_initial_scope(main, 0);
  append_to_list(&main);
  at<uint32_t>(published::rtld_global(), world.layout->rtld_global.dl_stack_flags) = main.stack_flags;
  must(describe_self(own_base, own_path));
  append_to_list(world.self);
  must(describe_vdso());
  if (world.vdso == nullptr) return;
  set_initial_scope(*world.vdso, 0);
  append_to_list(world.vdso);
}

void report_version(const char* object, const char* text) {
  Out(kStandardError) << program_name() << ": " << object << ": " << text << '\n';
}

void check_all_versions() {
  VersionProblems problems;
  problems.report = report_version;
  const bool trace = process.mode == Mode::kTrace;
  for (Module* module = world.first; module != nullptr; module = module->next())
    must(check_versions(*module, true, trace, problems));
  constexpr int kVersionsMissing = 1;  // glibc's exit code for this
  if (problems.missing > 0 && !trace) sys::exit_group(kVersionsMissing);
}

void load() {
  show_debugger(own_base);
  tell_debugger(ListState::kAdding);
  const uint64_t started = debug::on(debug::kStatistics) ? debug::clock() : 0;
  List<Module*> preloads;
  load_preloads(preloads);
  must(load_dependencies(*world.main, preloads.begin(), preloads.count(), 0));
  if (debug::on(debug::kStatistics)) debug::statistics.load = debug::clock() - started;
  close_kept();
  settle_self();
  const SearchList& list = *world.main->search_list();
  for (uint32_t i = 0; i < list.count; ++i) set_global(*module_of(list.list[i]), true);
  world.libc = find_loaded(kLibcName);
  if (world.libc != nullptr && (world.libc->device != libc.device || world.libc->inode != libc.inode))
    leave_to_genuine("the program's libc.so.6 is another than the search found first");
  relocate_dynamic(*world.main);
  char* first_namespace = static_cast<char*>(published::rtld_global()) + world.layout->rtld_global.dl_ns;
  const auto& layout = world.layout->link_namespaces;
  at<SearchList*>(first_namespace, layout.ns_main_searchlist) = world.main->search_list();
  set_if_present(first_namespace, layout.libc_map, world.libc == nullptr ? nullptr : world.libc->map());
  at<SearchList>(published::rtld_global_ro(), world.layout->rtld_global_ro.dl_initial_searchlist) = list;
  check_all_versions();
}

int64_t system_call(int64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d) {
  return sys::call(number, a, b, c, d);
}

glibc::MainThread main_thread;

void make_thread() {
  for (Module* module = world.first; module != nullptr; module = module->next()) add_tls_module(*module);
  const auto* auxv = reinterpret_cast<const glibc::AuxEntry*>(process.auxv);
  const glibc::ExtraTls extra = glibc::extra_tls(*world.build, auxv, glibc::tunables);
  const glibc::TlsSurplus surplus = glibc::tls_surplus(glibc::tunables);
  lay_out_static_tls(extra.size, extra.align, surplus.surplus, surplus.optional);
  const auto size = at<uint64_t>(published::rtld_global_ro(), world.layout->rtld_global_ro.dl_tls_static_size);
  const auto align = at<uint64_t>(published::rtld_global_ro(), world.layout->rtld_global_ro.dl_tls_static_align);
  const uint64_t start = sys::word(allocate(size + align));
  const uint64_t below = size - world.layout->pthread.size;
  char* block = reinterpret_cast<char*>((start + below + align - 1) & ~(align - 1));
  main_thread = {block, process.random, __libc_stack_end, 0, false};
  const auto used = at<uint64_t>(published::rtld_global(), world.layout->rtld_global.dl_tls_static_used);
  main_thread.extra_tls_offset = extra.size == 0 ? 0 : -static_cast<int64_t>(used);
  glibc::fill_thread_block(*world.build, published::rtld_global(), main_thread);
  Dtv* dtv = make_dtv();
  at<Dtv*>(block, world.layout->tcb.dtv) = dtv;
  at<Dtv*>(published::rtld_global(), world.layout->rtld_global.dl_initial_dtv) = dtv;
  glibc::Rseq rseq{};
  if (!glibc::register_thread(*world.build, auxv, glibc::tunables, main_thread, system_call, rseq))
    fatal("cannot set the thread pointer");
  __rseq_size = rseq.size;
  __rseq_offset = rseq.offset;
}

// Dependencies first, so that what a copy relocation copies and an IFUNC resolver uses is in place.
void bind() {
  const uint64_t started = debug::on(debug::kStatistics) ? debug::clock() : 0;
  const Module& main = *world.main;
  open_start_index();
  for (uint32_t i = main.initfini_count; i > 0; --i)
    must(relocate(*module_of(main.initfini[i - 1]), !process.bind_now));
  close_start_index();
  if (debug::on(debug::kStatistics)) debug::statistics.relocation = debug::clock() - started;
  initialise_thread_tls(main_thread.block);
  for (Module* all = world.first; all != nullptr; all = all->next()) {
    if (all->nodelete_pending) all->nodelete = true;
    all->nodelete_pending = false;
  }
}

// An ordinary search, in the vDSO alone, that LD_DEBUG shows; a kernel may lack any of them.
uint64_t vdso_function(const char* name) {
  const char* version_name = "LINUX_2.6";
  const Version version{version_name, elf::sysv_hash(version_name), 1, nullptr};
  Symbol reference{};
  reference.st_info = ELF64_ST_INFO(STB_WEAK, STT_NOTYPE);
  const Wanted wanted{name, elf::gnu_hash(name), &version, nullptr, &reference, 0, 0};
  SearchList* const scope[] = {world.vdso->search_list(), nullptr};
  Found found;
  must(look_up(wanted, world.vdso, scope, nullptr, found));
  return found.is_defined() ? found.address() : 0;
}

void publish_vdso() {
  if (world.vdso == nullptr) return;
  const auto& layout = world.layout->rtld_global_ro;
  struct Row {
    uint32_t offset;
    const char* name;
  };
  const Row rows[] = {{layout.dl_vdso_clock_gettime64, "__vdso_clock_gettime"},
                      {layout.dl_vdso_gettimeofday, "__vdso_gettimeofday"},
                      {layout.dl_vdso_time, "__vdso_time"},
                      {layout.dl_vdso_getcpu, "__vdso_getcpu"},
                      {layout.dl_vdso_clock_getres_time64, "__vdso_clock_getres"},
                      {layout.dl_vdso_getrandom, "__vdso_getrandom"}};
  VersionProblems problems;
  forget(check_versions(*world.vdso, false, false, problems));
  for (const Row& row : rows) {
    if (!glibc::present(row.offset)) continue;
    at<uint64_t>(published::rtld_global_ro(), row.offset) = vdso_function(row.name);
  }
  at<LinkMap*>(published::rtld_global_ro(), layout.dl_sysinfo_map) = world.vdso->map();
}

void meet_libc() {
  start_locking();
  start_signalling();
  start_libc_memory();
  world.running = true;
  if (world.libc == nullptr) return;
  const Found early = look_up_in(*world.libc, "__libc_early_init", "GLIBC_PRIVATE");
  if (early.is_defined()) reinterpret_cast<void (*)(bool)>(early.address())(true);
}

}  // namespace

Entry start(uint64_t* stack, uint64_t base) {
  own_base = base;
  read(stack);
  if (process.debug != nullptr) debug::start();
  if (debug::on(debug::kUnused)) process.bind_now = true;  // calls count as use
  if (debug::on(debug::kStatistics)) debug::statistics.started = debug::clock();
  find_program();
  if (process.mode == Mode::kVerify)
    sys::exit_group(!world.main->view.entries.data ? 1 : interpreter_of_program() != nullptr ? 0 : 2);
  if (program_stands_alone()) {
    settle_arguments();
    return {world.main->entry, 0};
  }
  leave_audited();
  choose_libc();
  publish();
  publish_vdso();
  load();
  close_cache();
  if (process.mode == Mode::kTrace || process.mode == Mode::kList) {
    if (process.warn || debug::on(debug::kUnused)) make_thread();
    list_and_exit();
  }
  make_thread();
  if (debug::on(debug::kScopes)) debug::print("\nInitial object scopes\n");
  if (debug::on(debug::kScopes))
    for (Module* module = world.first; module != nullptr; module = module->next()) debug::print_scope(*module, 0);
  bind();
  keep_debug_copy_current();
  update_object_index();
  meet_libc();
  if (debug::on(debug::kStatistics)) debug::print_statistics();
  must(protect_relro(*world.self));
  tell_debugger(ListState::kConsistent);
  initialise_program();
  return {world.main->entry, reinterpret_cast<uint64_t>(&finish_program)};
}

}  // namespace pagefold::ld
