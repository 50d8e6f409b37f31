#include "ld/module/scope.h"

#include "ld/base/sys.h"
#include "ld/base/text.h"
#include "ld/debug/debug.h"
#include "ld/module/published.h"
#include "ld/tls/thread.h"

namespace pagefold::ld {
namespace {

constexpr int kUnused = 0, kUsed = 1, kWaited = 2;  // glibc's THREAD_GSCOPE_FLAG_*
constexpr int kFutexWait = 128, kFutexWake = 129;   // FUTEX_PRIVATE_FLAG included

struct Piece {
  void* piece;
  size_t size;
};
List<Piece> doomed;

uint32_t length(SearchList* const* scope) {
  uint32_t count = 0;
  while (scope != nullptr && scope[count] != nullptr) ++count;  // this loader itself has no scope
  return count;
}

void publish(Module& module, SearchList** scope, uint32_t capacity) {
  const auto& layout = world.layout->link_map;
  const uint32_t in_map = layout.l_scope_mem_count;
  SearchList** old = module.scope;
  const uint32_t old_capacity = module.scope_capacity;
  __atomic_store_n(&module.scope, scope, __ATOMIC_RELEASE);
  module.scope_capacity = capacity;
  at<SearchList**>(module.map(), layout.l_scope) = scope;
  at<uint64_t>(module.map(), layout.l_scope_max) = capacity;
  if (old != nullptr && old_capacity > in_map) release_later(old, old_capacity * sizeof(SearchList*));
}

int* flag_of(char* thread) { return &at<int>(thread, world.layout->tcb.gscope_flag); }

struct Node {
  Node* next;
  Node* previous;
};

void wait_for_threads(uint32_t list_offset, char* self) {
  auto* head = &at<Node>(published::rtld_global(), list_offset);
  for (Node* node = head->next; node != head; node = node->next) {
    char* thread = reinterpret_cast<char*>(node) - world.layout->pthread.list;
    int* flag = flag_of(thread);
    if (thread == self || __atomic_load_n(flag, __ATOMIC_SEQ_CST) == kUnused) continue;
    int expected = kUsed;
    if (!__atomic_compare_exchange_n(flag, &expected, kWaited, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST) &&
        expected == kUnused)
      continue;
    while (__atomic_load_n(flag, __ATOMIC_SEQ_CST) == kWaited)
      sys::call(__NR_futex, sys::word(flag), kFutexWait, kWaited, 0);
  }
}

}  // namespace

void set_initial_scope(Module& module, int mode) {
  const auto& layout = world.layout->link_map;
  module.scope = &at<SearchList*>(module.map(), layout.l_scope_mem);
  module.scope_capacity = layout.l_scope_mem_count;
  at<SearchList**>(module.map(), layout.l_scope) = module.scope;
  at<uint64_t>(module.map(), layout.l_scope_max) = module.scope_capacity;
  uint32_t count = 0;
  if (module.view.symbolic && !module.is_main && &module != world.vdso) {  // as glibc, only what it maps itself
    auto** own = make_array<LinkMap*>(1);
    own[0] = module.map();
    *module.symbolic_search_list() = {own, 1};
    module.scope[count++] = module.symbolic_search_list();
  }
  Module* root = &module;
  while (root->loader != nullptr) root = root->loader;
  SearchList* global = world.main == nullptr ? nullptr : world.main->search_list();
  SearchList* local = root->search_list();
  if (local == global || global == nullptr) {
    module.scope[count++] = local;
  } else {
    const bool deep = (mode & kDeepBind) != 0;
    module.scope[count++] = deep ? local : global;
    module.scope[count++] = deep ? global : local;
  }
  module.scope[count] = nullptr;
}

bool scope_has(const Module& module, const SearchList* list) {
  const uint32_t count = length(module.scope);
  for (uint32_t i = 0; i < count; ++i)
    if (module.scope[i] == list) return true;
  return false;
}

uint32_t add_to_scope(Module& module, SearchList* list) {
  if (scope_has(module, list)) return kWasInScope;
  const uint32_t count = length(module.scope);
  if (count + 1 < module.scope_capacity) {
    module.scope[count + 1] = nullptr;
    __atomic_store_n(&module.scope[count], list, __ATOMIC_RELEASE);
    return count;
  }
  const uint32_t capacity = module.scope_capacity * 2 < 8 ? 8 : module.scope_capacity * 2;
  auto** longer = make_array<SearchList*>(capacity);
  memcpy(longer, module.scope, count * sizeof(SearchList*));
  longer[count] = list;
  publish(module, longer, capacity);
  return count;
}

void drop_removed_scopes(Module& module) {
  const auto gone = [](const SearchList* list) {
    for (Module* other = world.first; other != nullptr; other = other->next())
      if (other->removed && (list == other->search_list() || list == other->symbolic_search_list())) return true;
    return false;
  };
  uint32_t stays = 0;
  const uint32_t count = length(module.scope);
  for (uint32_t i = 0; i < count; ++i) stays += gone(module.scope[i]) ? 0 : 1;
  if (stays == count) return;
  const uint32_t capacity = count + 1 < 8 ? 8 : count + 1;
  auto** kept = make_array<SearchList*>(capacity);
  uint32_t at = 0;
  for (uint32_t i = 0; i < count; ++i)
    if (!gone(module.scope[i])) kept[at++] = module.scope[i];
  publish(module, kept, capacity);
}

namespace {

// The main search list's array; start-up's belongs to the main program's storage.
void replace_global(LinkMap** list, uint32_t count, uint32_t capacity) {
  SearchList* global = world.main->search_list();
  LinkMap** old = global->list;
  const uint32_t old_capacity = world.global_capacity;
  if (list != old) __atomic_store_n(&global->list, list, __ATOMIC_RELEASE);
  __atomic_store_n(&global->count, count, __ATOMIC_RELEASE);
  if (list == old) return;
  world.global_capacity = capacity;
  if (old_capacity != 0) release_later(old, old_capacity * sizeof(LinkMap*));
}

}  // namespace

void add_to_global_scope(Module& module) {
  SearchList* global = world.main->search_list();
  const SearchList* added = module.search_list();
  uint32_t fresh = 0;
  for (uint32_t i = 0; i < added->count; ++i) fresh += module_of(added->list[i])->global ? 0 : 1;
  if (fresh == 0) return;
  LinkMap** list = global->list;
  uint32_t capacity = world.global_capacity;
  if (global->count + fresh > capacity) {
    capacity = (global->count + fresh) * 2;
    list = make_array<LinkMap*>(capacity);
    memcpy(list, global->list, global->count * sizeof(LinkMap*));
  }
  uint32_t count = global->count;
  for (uint32_t i = 0; i < added->count; ++i) {
    Module& one = *module_of(added->list[i]);
    if (one.global) continue;
    set_global(one, true);
    if (debug::on(debug::kScopes)) debug::print("\nadd %s [0] to global scope\n", one.name());
    list[count++] = added->list[i];
  }
  // A reader takes the count first: a longer array before the larger count.
  replace_global(list, count, capacity);
}

void drop_removed_from_global_scope() {
  SearchList* global = world.main->search_list();
  uint32_t stays = 0;
  for (uint32_t i = 0; i < global->count; ++i) stays += module_of(global->list[i])->removed ? 0 : 1;
  if (stays == global->count) return;
  auto** list = make_array<LinkMap*>(stays + 8);
  uint32_t at = 0;
  for (uint32_t i = 0; i < global->count; ++i)
    if (!module_of(global->list[i])->removed) list[at++] = global->list[i];
  // A reader between the two stores must not read beyond the shorter array.
  __atomic_store_n(&global->count, stays, __ATOMIC_SEQ_CST);
  wait_for_lookups();
  replace_global(list, stays, stays + 8);
}

bool has_threads() {
  if (!world.running) return false;
  // libc clears this flag of its own when it makes the first thread; the list of threads is the same without its name.
  auto* head = &at<Node>(published::rtld_global(), world.layout->rtld_global.dl_stack_used);
  if (head->next != head) return true;
  auto* user = &at<Node>(published::rtld_global(), world.layout->rtld_global.dl_stack_user);
  return user->next->next != user;
}

void enter_lookup() {
  if (world.running) __atomic_store_n(flag_of(thread_pointer()), kUsed, __ATOMIC_SEQ_CST);
}

void leave_lookup() {
  if (!world.running) return;
  int* flag = flag_of(thread_pointer());
  if (__atomic_exchange_n(flag, kUnused, __ATOMIC_RELEASE) == kWaited)
    sys::call(__NR_futex, sys::word(flag), kFutexWake, 1);
}

void wait_for_lookups() {
  if (has_threads()) {
    auto* lock = &at<int>(published::rtld_global(), world.layout->rtld_global.dl_stack_cache_lock);
    LowLevelLock guard(lock);
    char* self = thread_pointer();
    wait_for_threads(world.layout->rtld_global.dl_stack_used, self);
    wait_for_threads(world.layout->rtld_global.dl_stack_user, self);
  }
  for (const Piece& piece : doomed) release(piece.piece, piece.size);
  doomed.clear();
}

void release_later(void* piece, size_t size) { doomed.push({piece, size}); }

}  // namespace pagefold::ld
