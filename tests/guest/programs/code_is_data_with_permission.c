// Text is not writable until asked for; data is not executable; code written into memory runs after mprotect; a
// program may rewrite its own text, privately. Source: mprotect(2), mmap(2).
#include "guest.h"

__attribute__((noinline, aligned(4096), section(".text.answer"))) static int answer(void) { return 41; }

typedef int (*Function)(void);

// mov eax, value; ret
static void emit(char* at, int value) {
  unsigned char code[] = {0xb8, (unsigned char)value, (unsigned char)(value >> 8), 0, 0, 0xc3};
  memcpy(at, code, sizeof code);
}

int main(void) {
  char* page = map_anon(4 * PAGE);
  emit(page, 1);
  TOUCH(Execute, page);
  MUST(mprotect(page, PAGE, PROT_READ | PROT_EXEC));
  printf("data made executable: %d\n", ((Function)page)());
  TOUCH(Write, page);

  // W^X toggling as a just-in-time compiler does.
  long sum = 0;
  for (int round = 0; round < 1000; ++round) {
    MUST(mprotect(page, PAGE, RW));
    emit(page + round % 100 * 16, round);
    MUST(mprotect(page, PAGE, PROT_READ | PROT_EXEC));
    sum += ((Function)(page + round % 100 * 16))();
  }
  printf("a thousand toggles: %ld\n", sum);

  // Writable and executable at once: each store is run at once.
  char* both = map_island(PAGE, RW | PROT_EXEC, ANON, -1, 0);
  sum = 0;
  for (int round = 0; round < 1000; ++round) {
    emit(both, round);
    sum += ((Function)both)();
  }
  printf("rewritten in place: %ld\n", sum);

  // One object mapped twice: written here, executed there.
  int fd = MUST(memfd_create("code", 0));
  MUST(ftruncate(fd, PAGE));
  char* written = map_island(PAGE, RW, MAP_SHARED, fd, 0);
  char* executed = map_island(PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
  sum = 0;
  for (int round = 0; round < 1000; ++round) {
    emit(written, round);
    sum += ((Function)executed)();
  }
  printf("written through another mapping: %ld\n", sum);

  // The program's own text, changed in a child only.
  Function volatile self = answer;
  char* text = (char*)((uintptr_t)answer & ~(PAGE - 1));
  TOUCH(Write, text);
  printf("text says %d\n", self());
  pid_t child = fork_child();
  if (child == 0) {
    MUST(mprotect(text, PAGE, RW | PROT_EXEC));
    emit((char*)(uintptr_t)answer, 42);
    MUST(mprotect(text, PAGE, PROT_READ | PROT_EXEC));
    printf("the child's text says %d\n", self());
    leave(0);
  }
  show_end("child", child);
  printf("text says %d\n", self());

  // A library loaded from a file of bytes.
  int file = make_file("bytes", 2 * PAGE);
  char code[6];
  emit(code, 77);
  MUST(pwrite(file, code, sizeof code, PAGE));
  close(file);
  file = MUST(open("bytes", O_RDONLY));
  char* loaded = map_island(2 * PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
  printf("from a file: %d\n", ((Function)(loaded + PAGE))());
  return 0;
}
