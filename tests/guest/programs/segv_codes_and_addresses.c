// Every kind of bad access, with its signal, code and address. Source: sigaction(2), si_code; mmap(2).
#include "guest.h"

int main(void) {
  char* area = map_anon(8 * PAGE);
  char* hole = map_anon(3 * PAGE);
  MUST(munmap(hole + PAGE, PAGE));
  MUST(mprotect(area + PAGE, PAGE, PROT_NONE));
  MUST(mprotect(area + 2 * PAGE, PAGE, PROT_READ));
  MUST(mprotect(area + 3 * PAGE, PAGE, PROT_READ | PROT_EXEC));
  area[4 * PAGE] = (char)0xc3;  // a return instruction in memory without x
  TOUCH(Read, 0);
  TOUCH(Write, 0);
  TOUCH(Execute, 0);
  TOUCH(Read, 4095);
  TOUCH(Write, hole + PAGE);
  TOUCH(Read, hole + 2 * PAGE - 1);
  TOUCH(Execute, hole + PAGE + 100);
  TOUCH(Read, area + PAGE + 1234);
  TOUCH(Write, area + PAGE + 4095);
  TOUCH(Execute, area + PAGE);
  TOUCH(Read, area + 2 * PAGE);
  TOUCH(Write, area + 2 * PAGE + 5);
  TOUCH(Execute, area + 2 * PAGE);
  TOUCH(Write, area + 3 * PAGE);
  TOUCH(Execute, area + 4 * PAGE);
  TOUCH(Write, (char*)(uintptr_t)main);
  TOUCH(Write, "a literal");
  TOUCH(Execute, (char*)&area);
  int fd = make_file_read_only("file", PAGE + 10);
  char* file = map_island(3 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
  TOUCH(Write, file);
  TOUCH(Read, file + PAGE + 4000);
  TOUCH(Read, file + 2 * PAGE);
  TOUCH(Read, file + 3 * PAGE - 1);
  TOUCH(Write, file + 2 * PAGE);

  // An address that is none: the processor tells no address, the kernel no cause.
  struct sigaction on = {.sa_sigaction = probe_handler, .sa_flags = SA_SIGINFO};
  sigaction(SIGSEGV, &on, 0);
  char* volatile odd = (char*)0x8000000000000000;
  if (sigsetjmp(probe_return, 1) == 0) (void)*(volatile char*)odd;
  printf("not canonical: %s, address %s\n", fault_name(probe_signal, probe_code), probe_address ? "told" : "0");
  char* volatile kernel = (char*)0xffff888000000000;
  if (sigsetjmp(probe_return, 1) == 0) (void)*(volatile char*)kernel;
  printf("the kernel's: %s, address %s\n", fault_name(probe_signal, probe_code),
         probe_address == kernel ? "told" : "0");

  // Unhandled, each kills.
  signal(SIGSEGV, SIG_DFL);
  char* victims[] = {hole + PAGE, area + PAGE, file + 2 * PAGE};
  for (int i = 0; i < 3; ++i) {
    pid_t child = fork_child();
    if (child == 0) _exit(*(volatile char*)victims[i]);
    show_end("unhandled", child);
  }
  pid_t child = fork_child();
  if (child == 0) {
    signal(SIGSEGV, SIG_IGN);
    _exit(*(volatile char*)victims[0]);
  }
  show_end("ignored", child);
  return 0;
}
