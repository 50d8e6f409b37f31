// A handler that lifts the prohibition: each of 100 pages may only be read; the store traps, the handler calls
// mprotect for that page alone and returns, and the very same store is then done.
#include "../common/probe.h"

enum { kPages = 100 };
static long traps;

static void lift(int signal, siginfo_t* info, void* context) {
  (void)signal, (void)context;
  traps++;
  void* page = (void*)((uintptr_t)info->si_addr & ~(page_size() - 1));
  if (info->si_code != SEGV_ACCERR || mprotect(page, page_size(), PROT_READ | PROT_WRITE) != 0) _exit(3);
}

int main(void) {
  const size_t page = page_size();
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = lift;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGSEGV, &action, NULL);
  volatile unsigned char* p = anonymous_pages(kPages, PROT_READ);
  for (size_t i = 0; i < kPages; i++) {
    p[i * page] = 1;
    p[i * page + 1] = 2;
  }
  long stored = 0;
  for (size_t i = 0; i < kPages; i++) stored += p[i * page] == 1 && p[i * page + 1] == 2;
  tell("pages", kPages);
  tell("traps", traps);
  tell("pages stored to after all", stored);
  return 0;
}
