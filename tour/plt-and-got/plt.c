// Looks at the machinery of its own calls to puts while it works: the call instructions, puts's place in the PLT, and
// the slot that this place jumps through, before and after the first call.
#include "../common/children.h"
#include "../common/objects.h"

// The linker's table of the relocations that belong to the PLT, one a function.
struct plt_slots {
  uintptr_t base;
  const ElfW(Rela) * first;
  size_t count;
  const ElfW(Sym) * symbols;
  const char* names;
};

static const void* relocated(uintptr_t base, ElfW(Addr) address) {
  return (const void*)(address < base ? base + address : address);  // the loader may have added the base already
}

static struct plt_slots own_slots(void) {
  struct plt_slots slots = {(uintptr_t)object_at(_DYNAMIC).dli_fbase, NULL, 0, NULL, NULL};
  for (const ElfW(Dyn)* entry = _DYNAMIC; entry->d_tag != DT_NULL; entry++) {
    if (entry->d_tag == DT_JMPREL) slots.first = relocated(slots.base, entry->d_un.d_ptr);
    if (entry->d_tag == DT_PLTRELSZ) slots.count = entry->d_un.d_val / sizeof *slots.first;
    if (entry->d_tag == DT_SYMTAB) slots.symbols = relocated(slots.base, entry->d_un.d_ptr);
    if (entry->d_tag == DT_STRTAB) slots.names = relocated(slots.base, entry->d_un.d_ptr);
  }
  return slots;
}

static unsigned char* slot_of(const struct plt_slots* slots, const char* name) {
  for (size_t i = 0; i < slots->count; i++)
    if (strcmp(slots->names + slots->symbols[ELF64_R_SYM(slots->first[i].r_info)].st_name, name) == 0)
      return (unsigned char*)(slots->base + slots->first[i].r_offset);
  return NULL;
}

static uintptr_t value_of(const volatile unsigned char* slot) { return *(const volatile uintptr_t*)slot; }

static int32_t relative(const volatile unsigned char* at) {
  int32_t value;
  memcpy(&value, (const unsigned char*)(uintptr_t)at, sizeof value);
  return value;
}

// The place in the PLT whose `jmp *slot(%rip)` (ff 25, 32 bits) goes through the slot; NULL when there is none.
static const unsigned char* plt_entry_through(const unsigned char* slot, const struct mapping* text) {
  for (const unsigned char* at = (const unsigned char*)text->start; at + 6 <= (const unsigned char*)text->end; at++)
    if (at[0] == 0xff && at[1] == 0x25 && at + 6 + relative(at + 2) == slot) return at;
  return NULL;
}

// Instructions `call place` (e8, 32 bits) in the program's code.
static long calls_to(const unsigned char* place, const struct mapping* text) {
  long calls = 0;
  for (const unsigned char* at = (const unsigned char*)text->start; at + 5 <= (const unsigned char*)text->end; at++)
    calls += at[0] == 0xe8 && at + 5 + relative(at + 1) == place;
  return calls;
}

static uint64_t hash_of(const struct mapping* text) {
  uint64_t hash = UINT64_C(0xcbf29ce484222325);
  for (const unsigned char* at = (const unsigned char*)text->start; at < (const unsigned char*)text->end; at++)
    hash = (hash ^ *at) * UINT64_C(0x100000001b3);
  return hash;
}

// Where a slot leads: the object it is in.
static void tell_target(const char* key, uintptr_t target) {
  tell_text(key, name_only(object_at((const void*)target).dli_fname));
}

// A store of what is there already, in a child: what may be stored to is not changed.
static int signal_of_a_store(unsigned char* slot) { return try_access('w', slot, *slot).signal; }

// Ten calls of puts, each an instruction of its own.
__attribute__((noinline)) static void call_puts_ten_times(void) {
  puts("call 1"), puts("call 2"), puts("call 3"), puts("call 4"), puts("call 5");
  puts("call 6"), puts("call 7"), puts("call 8"), puts("call 9"), puts("call 10");
}

int main(void) {
  const struct plt_slots slots = own_slots();
  unsigned char* slot = slot_of(&slots, "puts");
  struct mapping text, data;
  if (slot == NULL || !find_mapping((const void*)(uintptr_t)main, &text) || !find_mapping(slot, &data)) die("puts");
  const unsigned char* place = plt_entry_through(slot, &text);
  if (place == NULL) die("no place in the PLT");
  const uint64_t before = hash_of(&text);
  tell("slots of the PLT", (long)slots.count);
  tell("call instructions to puts's place", calls_to(place, &text));
  tell_address("place, code at", place);
  tell_bytes("place, code", place, 16);
  tell_address("slot at", slot);
  tell_bytes("slot before", slot, sizeof(uintptr_t));
  tell("slot leads back into the place", value_of(slot) == (uintptr_t)place + 6);
  tell_target("slot leads to, before", value_of(slot));
  call_puts_ten_times();
  tell_bytes("slot after", slot, sizeof(uintptr_t));
  tell_target("slot leads to, after", value_of(slot));
  tell("slot has the address of puts", value_of(slot) == (uintptr_t)dlsym(RTLD_DEFAULT, "puts"));
  tell("code of the program has changed", hash_of(&text) != before);
  tell_text("permissions of the slot's page", data.permissions);
  tell("signal when the slot is stored to", signal_of_a_store(slot));
  return 0;
}
