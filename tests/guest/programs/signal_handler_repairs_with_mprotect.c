// A SIGSEGV handler opens the page and returns: the access is done again and succeeds; on the normal and on an
// alternate stack, for reads, writes and execution. Write barriers of collectors work so. Source: sigaction(2),
// sigaltstack(2).
#include "guest.h"

enum { kPages = 200 };
static char* area;
static volatile int repairs, on_alternate;
static char alternate[64 * 1024];

static void repair(int number, siginfo_t* info, void* context) {
  (void)number;
  (void)context;
  char* page = (char*)((uintptr_t)info->si_addr & ~(PAGE - 1));
  char here;
  on_alternate += &here >= alternate && &here < alternate + sizeof alternate;
  if (info->si_code != SEGV_ACCERR || page < area || page >= area + kPages * PAGE) _exit(50);
  if (mprotect(page, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC) != 0) _exit(51);
  ++repairs;
}

// Unmapped ranges can be repaired by mapping them.
static void map_there(int number, siginfo_t* info, void* context) {
  (void)number;
  (void)context;
  char* page = (char*)((uintptr_t)info->si_addr & ~(PAGE - 1));
  if (info->si_code != SEGV_MAPERR) _exit(52);
  if (mmap(page, PAGE, RW, ANON | MAP_FIXED, -1, 0) != page) _exit(53);
  *page = 'm';
  ++repairs;
}

static void install(void (*handler)(int, siginfo_t*, void*), int flags) {
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};
  MUST(sigaction(SIGSEGV, &action, 0));
}

int main(void) {
  area = map_anon(kPages * PAGE);
  MUST(sigaltstack(&(stack_t){.ss_sp = alternate, .ss_size = sizeof alternate}, 0));
  for (int round = 0; round < 4; ++round) {
    MUST(mprotect(area, kPages * PAGE, round % 2 ? PROT_READ : PROT_NONE));
    install(repair, round >= 2 ? SA_ONSTACK : 0);
    repairs = on_alternate = 0;
    for (int page = 0; page < kPages; page += 2) area[page * (long)PAGE + page] = (char)page;
    long sum = 0;
    for (int page = 0; page < kPages; ++page) sum += (unsigned char)area[page * (long)PAGE + page];
    printf("round %d: %d repairs, %d on the alternate stack, sum %ld\n", round, repairs, on_alternate, sum);
  }
  area[7 * PAGE] = (char)0xc3;
  MUST(mprotect(area + 7 * PAGE, PAGE, RW));
  repairs = 0;
  ((void (*)(void))(area + 7 * PAGE))();
  printf("executed after %d repair\n", repairs);

  char* hole = map_anon(32 * PAGE);
  MUST(munmap(hole, 32 * PAGE));
  install(map_there, 0);
  repairs = 0;
  long sum = 0;
  for (int page = 0; page < 32; page += 3) sum += hole[page * (long)PAGE];
  printf("%d pages mapped by the handler, sum %ld\n", repairs, sum);

  // A system call does not raise it: EFAULT, and no handler.
  MUST(mprotect(area, PAGE, PROT_NONE));
  install(repair, 0);
  repairs = 0;
  int ends[2];
  MUST(pipe(ends));
  SHOW(write(ends[1], area, 10));
  SHOW(repairs);
  pid_t child = fork_child();
  if (child == 0) {
    area[0] = 'c';
    SHOW(repairs);
    leave(0);
  }
  show_end("child with the inherited handler", child);
  return 0;
}
