#include "ld/tls/dtv.h"

#include "ld/api/lock.h"
#include "ld/base/out.h"
#include "ld/base/text.h"
#include "ld/module/published.h"
#include "ld/tls/libc_memory.h"
#include "ld/tls/static_tls.h"
#include "ld/tls/thread.h"

namespace pagefold::ld {
namespace {

constexpr uint64_t kDtvSurplus = 14;   // glibc's DTV_SURPLUS: room for modules to come
constexpr uint64_t kSlotSurplus = 62;  // glibc's TLS_SLOTINFO_SURPLUS

// glibc's dtv_slotinfo_list, for those who look at it.
struct SlotInfo {
  uint64_t generation;
  LinkMap* map;
};
struct SlotInfoList {
  uint64_t length;
  SlotInfoList* next;
  SlotInfo slots[];
};

struct Slot {
  uint64_t generation;
  Module* module;
};
Slot* slots = nullptr;  // by number; a longer array replaces it, the old one stays for its readers
uint64_t capacity = 0;

uint64_t& global(uint32_t offset) { return at<uint64_t>(published::rtld_global(), offset); }
uint64_t& highest() { return global(world.layout->rtld_global.dl_tls_max_dtv_idx); }
uint64_t& generation() { return global(world.layout->rtld_global.dl_tls_generation); }
Dtv*& dtv_of(char* thread) { return at<Dtv*>(thread, world.layout->tcb.dtv); }

void make_room(uint64_t number) {
  if (number < capacity) return;
  const uint64_t bigger = number + kSlotSurplus + 2;
  auto* array = make_array<Slot>(bigger);
  if (capacity != 0) memcpy(array, slots, capacity * sizeof(Slot));
  __atomic_store_n(&slots, array, __ATOMIC_RELEASE);
  __atomic_store_n(&capacity, bigger, __ATOMIC_RELEASE);
}

// Lists of start-up begin with module 1 in slot 0; what dlopen adds stands at its own number.
void mirror_slot(const Module* module, uint64_t number, uint64_t when) {
  auto*& first = at<SlotInfoList*>(published::rtld_global(), world.layout->rtld_global.dl_tls_dtv_slotinfo_list);
  uint64_t index = world.running ? number : number - 1;
  SlotInfoList** link = &first;
  while (*link != nullptr && index >= (*link)->length) {
    index -= (*link)->length;
    link = &(*link)->next;
  }
  if (*link == nullptr) {
    const uint64_t length = index + kSlotSurplus;
    auto* list = static_cast<SlotInfoList*>(allocate(sizeof(SlotInfoList) + length * sizeof(SlotInfo)));
    list->length = length;
    __atomic_store_n(link, list, __ATOMIC_RELEASE);
  }
  SlotInfo& slot = (*link)->slots[index];
  slot.map = module == nullptr ? nullptr : const_cast<LinkMap*>(module->map());
  slot.generation = when;
}

Dtv* resize(Dtv* old, uint64_t largest) {
  const uint64_t length = largest + kDtvSurplus;
  const uint64_t old_length = old[-1].counter;
  auto* block = static_cast<Dtv*>(libc_calloc(length + 2, sizeof(Dtv)));
  if (block == nullptr) fatal("cannot allocate memory for thread-local data: ABORT");
  memcpy(block, old - 1, (old_length + 2) * sizeof(Dtv));
  block[0].counter = length;
  if (old != at<Dtv*>(published::rtld_global(), world.layout->rtld_global.dl_initial_dtv)) libc_free(old - 1);
  return block + 1;
}

// Every slot that changed since the dtv was last up to date, as far as the wanted module needs.
Dtv* catch_up(char* thread, uint64_t wanted) {
  Dtv* dtv = dtv_of(thread);
  const Slot* known = __atomic_load_n(&slots, __ATOMIC_ACQUIRE);
  const uint64_t target = __atomic_load_n(&known[wanted].generation, __ATOMIC_ACQUIRE);
  if (dtv[0].counter >= target) return dtv;
  const uint64_t count = __atomic_load_n(&highest(), __ATOMIC_ACQUIRE);
  for (uint64_t number = 1; number <= count; ++number) {
    const uint64_t when = __atomic_load_n(&known[number].generation, __ATOMIC_ACQUIRE);
    if (when > target || when <= dtv[0].counter) continue;
    if (dtv[-1].counter < number) {
      if (known[number].module == nullptr) continue;
      dtv = resize(dtv, count);
      dtv_of(thread) = dtv;
    }
    libc_free(dtv[number].pointer.to_free);
    dtv[number].pointer = {kUnallocated, nullptr};
  }
  dtv[0].counter = target;
  return dtv;
}

void* allocate_block(const Module& module, void*& to_free) {
  // The image's first byte keeps its place within the alignment.
  const uint64_t align = module.tls_align,
                 extra = align > 16 || module.tls_first_byte != 0 ? align + module.tls_first_byte : 0;
  char* start = static_cast<char*>(libc_malloc(module.tls_size + extra));
  if (start == nullptr) fatal("cannot allocate memory for thread-local data: ABORT");
  to_free = start;
  if (extra != 0) {
    const auto address = sys::word(start);
    start += ((address - module.tls_first_byte + align - 1) & ~(align - 1)) + module.tls_first_byte - address;
  }
  copy_tls_image(module, start);
  return start;
}

__attribute__((noinline)) void* allocate_or_adopt(char* thread, Dtv* dtv, uint64_t number) {
  Module& module = *slots[number].module;
  // Another thread's dlopen may be moving it into static TLS right now: the first dynamic use decides, under the lock.
  if (__atomic_load_n(&module.tls_offset, __ATOMIC_ACQUIRE) != kDynamicTlsOnly) {
    TlsLock lock;
    if (module.tls_offset == kNoTlsOffset) {
      set_tls_offset(module, kDynamicTlsOnly);
    } else if (module.tls_offset != kDynamicTlsOnly) {
      dtv[number].pointer = {thread - module.tls_offset, nullptr};
      return dtv[number].pointer.block;
    }
  }
  void* to_free = nullptr;
  void* block = allocate_block(module, to_free);
  // malloc may have used TLS itself, and replaced the dtv.
  dtv = dtv_of(thread);
  dtv[number].pointer = {block, to_free};
  return block;
}

}  // namespace

uint64_t tls_generation() { return generation(); }
uint64_t highest_tls_module() { return highest(); }
Module* tls_module(uint64_t number) { return number < capacity ? slots[number].module : nullptr; }

void add_tls_module(Module& module) {
  if (module.tls_size == 0 || module.tls_module != 0) return;
  uint64_t number = 1;
  while (number < capacity && slots[number].module != nullptr) ++number;
  make_room(number);
  if (number > highest()) __atomic_store_n(&highest(), number, __ATOMIC_RELEASE);
  module.tls_module = number;
  at<uint64_t>(module.map(), world.layout->link_map.l_tls_modid) = number;
  slots[number].module = &module;
  const uint64_t when = world.running ? generation() + 1 : 0;
  __atomic_store_n(&slots[number].generation, when, __ATOMIC_RELEASE);
  mirror_slot(&module, number, when);
}

void remove_tls_module(Module& module) {
  const uint64_t number = module.tls_module;
  if (number == 0) return;
  slots[number].module = nullptr;
  __atomic_store_n(&slots[number].generation, generation() + 1, __ATOMIC_RELEASE);
  mirror_slot(nullptr, number, generation() + 1);
  while (highest() > 0 && slots[highest()].module == nullptr)
    __atomic_store_n(&highest(), highest() - 1, __ATOMIC_RELEASE);
  module.tls_module = 0;
}

void publish_tls_generation() { __atomic_store_n(&generation(), generation() + 1, __ATOMIC_RELEASE); }

uint64_t generation_of(const Module& module) {
  return module.tls_module != 0 ? slots[module.tls_module].generation : generation() + 1;
}

void* tls_address(const TlsIndex& index) {
  char* thread = thread_pointer();
  Dtv* dtv = dtv_of(thread);
  if (__builtin_expect(dtv[0].counter != __atomic_load_n(&generation(), __ATOMIC_ACQUIRE), 0))
    dtv = catch_up(thread, index.module);
  void* block = dtv[index.module].pointer.block;
  if (__builtin_expect(block == kUnallocated, 0)) block = allocate_or_adopt(thread, dtv, index.module);
  return static_cast<char*>(block) + index.offset;
}

Dtv* make_dtv() {
  const uint64_t length = highest() + kDtvSurplus;
  auto* block =
      static_cast<Dtv*>(world.running ? libc_calloc(length + 2, sizeof(Dtv)) : allocate((length + 2) * sizeof(Dtv)));
  if (block == nullptr) return nullptr;
  block[0].counter = length;
  return block + 1;
}

void* initialise_thread_tls(char* thread) {
  TlsLock lock;
  Dtv* dtv = dtv_of(thread);
  if (dtv[-1].counter < highest()) {
    dtv = resize(dtv, highest());
    dtv_of(thread) = dtv;
  }
  uint64_t newest = 0;
  for (uint64_t number = 1; number <= highest(); ++number) {
    const Slot& slot = slots[number];
    if (slot.module == nullptr) continue;
    if (slot.generation > newest) newest = slot.generation;
    const Module& module = *slot.module;
    dtv[number].pointer = {kUnallocated, nullptr};
    if (module.tls_offset == kNoTlsOffset || module.tls_offset == kDynamicTlsOnly) continue;
    char* block = thread - module.tls_offset;
    dtv[number].pointer.block = block;
    copy_tls_image(module, block);
  }
  dtv[0].counter = newest;
  return thread;
}

void* allocate_thread_block() {
  const auto& ro = world.layout->rtld_global_ro;
  const auto size = at<uint64_t>(published::rtld_global_ro(), ro.dl_tls_static_size);
  const auto align = at<uint64_t>(published::rtld_global_ro(), ro.dl_tls_static_align);
  char* start = static_cast<char*>(libc_calloc(1, size + align + sizeof(void*)));
  if (start == nullptr) return nullptr;
  const uint64_t end = sys::word(start) + size + align - sizeof(void*);
  char* thread = reinterpret_cast<char*>((end - world.layout->pthread.size) & ~(align - 1));
  at<void*>(thread, world.layout->pthread.size) = start;  // behind the block: what to free
  return thread;
}

void free_thread_tls(char* thread, bool free_block) {
  Dtv* dtv = dtv_of(thread);
  for (uint64_t i = 0; i < dtv[-1].counter; ++i) libc_free(dtv[1 + i].pointer.to_free);
  if (dtv != at<Dtv*>(published::rtld_global(), world.layout->rtld_global.dl_initial_dtv)) libc_free(dtv - 1);
  if (free_block) libc_free(at<void*>(thread, world.layout->pthread.size));
}

void* existing_block(const Module& module) {
  if (module.tls_module == 0) return nullptr;
  const Dtv* dtv = dtv_of(thread_pointer());
  if (dtv[0].counter != generation()) {
    if (module.tls_module >= dtv[-1].counter) return nullptr;
    if (slots[module.tls_module].generation > dtv[0].counter) return nullptr;
  }
  void* block = dtv[module.tls_module].pointer.block;
  return block == kUnallocated ? nullptr : block;
}

}  // namespace pagefold::ld
