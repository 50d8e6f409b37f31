/* A program that needs no libc itself, and (-DREPORT) the library that does and tells what the initial stack held at the program's
   entry: words, and the auxiliary vector's types with the values that every start has alike. */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef REPORT
static const char* kind(unsigned long address, const Elf64_Ehdr* program, const void* entry) {
  if (address == (unsigned long)entry) return "the program's entry";
  if (address == (unsigned long)program + program->e_phoff) return "the program's headers";
  return address ? "an address" : "0";
}

void report(unsigned long* stack, const Elf64_Ehdr* program, const void* entry) {
  int argc = (int)*stack;
  char** word = (char**)(stack + 1);
  printf("%d words\n", argc);
  for (int i = 0; i < argc; i++) printf("argv %s\n", *word++);
  if (*word++) exit(1);
  for (; *word; word++) printf("env %s\n", *word);
  for (const Elf64_auxv_t* aux = (const Elf64_auxv_t*)(word + 1); aux->a_type; aux++) {
    unsigned long value = aux->a_un.a_val;
    switch (aux->a_type) {
      case AT_PHDR:
      case AT_ENTRY:
      case AT_BASE: printf("aux %lu %s\n", aux->a_type, kind(value, program, entry)); break;
      case AT_EXECFN: printf("aux %lu %s\n", aux->a_type, (char*)value); break;
      case AT_RANDOM:
      case AT_PLATFORM:
      case AT_SYSINFO_EHDR: printf("aux %lu %s\n", aux->a_type, value ? "an address" : "0"); break;
      default: printf("aux %lu %#lx\n", aux->a_type, value);
    }
  }
  fflush(stdout);
  exit(42);
}
#else
void report(unsigned long* stack, const Elf64_Ehdr* program, const void* entry);
extern const Elf64_Ehdr __ehdr_start __attribute__((visibility("hidden")));
void _start(void);
__asm__(".globl _start\n_start: mov %rsp, %rdi\n and $-16, %rsp\n call begin\n");
__attribute__((used, visibility("hidden"))) void begin(unsigned long* stack) { report(stack, &__ehdr_start, (const void*)_start); }
#endif
