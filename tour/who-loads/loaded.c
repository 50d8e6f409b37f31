// Tells who loaded it: the interpreter that the program names, where that lies, and what is mapped when main begins.
#include "../common/objects.h"

// The program's INTERP, found as the kernel finds it, in the program headers.
static const char* interpreter_named(void) {
  const ElfW(Phdr)* headers = (const ElfW(Phdr)*)getauxval(AT_PHDR);
  const size_t count = getauxval(AT_PHNUM);
  uintptr_t base = 0;
  for (size_t i = 0; i < count; i++)
    if (headers[i].p_type == PT_PHDR) base = (uintptr_t)headers - headers[i].p_vaddr;
  for (size_t i = 0; i < count; i++)
    if (headers[i].p_type == PT_INTERP) return (const char*)(base + headers[i].p_vaddr);
  return "none";
}

// How many pieces of the file may be executed.
static long executable_pieces(const char* path) {
  char line[1024];
  struct mapping m;
  long pieces = 0;
  FILE* maps = fopen("/proc/self/maps", "re");
  if (maps == NULL) die("/proc/self/maps");
  while (fgets(line, sizeof line, maps) != NULL)
    pieces += parse_mapping(line, &m) && m.permissions[2] == 'x' && strcmp(m.path, path) == 0;
  fclose(maps);
  return pieces;
}

int main(void) {
  const unsigned char* base = (const unsigned char*)getauxval(AT_BASE);
  struct mapping m;
  if (!find_mapping(base, &m)) die("nothing mapped at AT_BASE");
  tell_text("INTERP in the program", interpreter_named());
  tell_address("address given as AT_BASE", base);
  tell_text("file there", name_only(m.path));
  tell("ELF header there", memcmp(base, ELFMAG, SELFMAG) == 0);
  tell("executable pieces of it", executable_pieces(m.path));
  tell("program's entry lies in the program",
       object_at((const void*)getauxval(AT_ENTRY)).dli_fbase == object_at((const void*)(uintptr_t)main).dli_fbase);
  char line[1024];
  FILE* maps = fopen("/proc/self/maps", "re");
  if (maps == NULL) die("/proc/self/maps");
  while (fgets(line, sizeof line, maps) != NULL) fputs(line, stdout);
  fclose(maps);
  return 0;
}
