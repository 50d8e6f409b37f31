// Everything a hostile guest without privileges can try on Pagefold's code and data in its own address space. Prints what it
// gained, which must be nothing. Arguments: text base, text size, area base, offset of the commands, first call number.
#include "guest.h"

#include <sys/ucontext.h>

#define EINVALID (-1000000)

static unsigned long text_base, text_size, area_base, commands, first_call;
static char* system_call;  // syscall; hlt
static sigjmp_buf back;
static volatile long result;

static void after_hlt(int number, siginfo_t* info, void* context) {
  (void)number, (void)info;
  result = ((ucontext_t*)context)->uc_mcontext.gregs[REG_RAX];
  siglongjmp(back, 1);
}

// The call made by jumping to the stub's own instruction; the hlt behind it faults.
static long from_stub(long number, long a, long b, long c, long d, long e, long f) {
  result = EINVALID;
  if (sigsetjmp(back, 1) == 0) {
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("jmp *%0" : : "b"(system_call), "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "memory");
  }
  return result;
}

static void show(const char* title, long value) {
  printf("%s: %s\n", title, value < 0 && value > -4096 ? errno_name((int)-value) : value == 0 ? "0" : "GAINED");
}

static void text_stays(void) {
  const long page = (long)PAGE, text = (long)text_base;
  show("mmap over the text", from_stub(SYS_mmap, text, page, 7, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
  show("mmap into the text", from_stub(SYS_mmap, text - page, page + 1, 7, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
  show("munmap", from_stub(SYS_munmap, text, (long)text_size, 0, 0, 0, 0));
  show("munmap from below", from_stub(SYS_munmap, text - 4 * page, 1L << 32, 0, 0, 0, 0));
  show("mprotect", from_stub(SYS_mprotect, text, page, 7, 0, 0, 0));
  show("mremap away", from_stub(SYS_mremap, text, page, page, MREMAP_MAYMOVE, 0, 0));
  char* own = map_anon(PAGE);
  own[0] = 1;
  show("mremap onto it", from_stub(SYS_mremap, (long)own, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, text, 0));
  int memory = open("/proc/self/mem", O_RDWR);
  if (memory >= 0) CHECK(pwrite(memory, "\xc3", 1, (off_t)text) == -1);
}

static void calls_to_the_supervisor(void) {
  const long token = *(volatile long*)area_base;
  static const char* const names[] = {"hello", "forked", "uffd", "ready", "fork failed"};
  for (int i = 0; i < 5; ++i) {
    show(names[i], from_stub((long)first_call + i, 0, token, 0, 0, 0, 0));
    show(names[i], syscall((long)first_call + i, token, token, -1L) == -1 ? -errno : 0);
  }
  show("a call beyond", syscall((long)first_call + 6) == -1 ? -errno : 1);
  show("io_uring", from_stub(425, 8, (long)map_anon(PAGE), 0, 0, 0, 0));
}

static volatile bool gained;

// Overwrites the agent's commands with one that would open the file, as often as it can.
static void* forger(void* path) {
  for (;;) {
    for (int i = 0; i < 8; ++i) {
      volatile long* command = (volatile long*)(area_base + commands + (unsigned long)i * 72);
      command[7] = -1;
      command[0] = SYS_open, command[1] = (long)path, command[2] = O_RDONLY;
    }
  }
  return 0;
}

static void* result_reader(void* none) {
  for (;;) {
    for (int i = 0; i < 8; ++i) {
      volatile long* command = (volatile long*)(area_base + commands + (unsigned long)i * 72);
      // A descriptor: no address and no result of a memory call is so small.
      if (command[0] == SYS_open && command[7] > 0 && command[7] < 4096) gained = true;
    }
  }
  return none;
}

static void forged_commands(const char* path) {
  pid_t child = fork_child();
  if (child == 0) {
    signal(SIGALRM, SIG_DFL);
    alarm(1);
    pthread_t thread;
    pthread_create(&thread, 0, forger, (void*)path);
    pthread_create(&thread, 0, result_reader, 0);
    for (int i = 0; i < 3000; ++i) {
      void* file = mmap(0, 4 * PAGE, PROT_READ | PROT_EXEC, ANON, -1, 0);
      if (file != MAP_FAILED) munmap(file, 4 * PAGE);
      if (gained) _exit(99);
    }
    _exit(0);
  }
  int status;
  MUST(waitpid(child, &status, 0));
  CHECK(!(WIFEXITED(status) && WEXITSTATUS(status) == 99));
}

// Pretends to be the agent, while another thread needs the real one.
static void false_agent(void) {
  pid_t child = fork_child();
  if (child == 0) {
    alarm(1);
    const long token = *(volatile long*)area_base;
    if (fork() == 0) {
      alarm(1);
      for (;;) syscall((long)first_call + 5, token);
    }
    pthread_t thread;
    pthread_create(&thread, 0, forger, "/");
    for (;;) {
      char* area = mmap(0, 4 * PAGE, PROT_READ | PROT_EXEC, ANON, -1, 0);
      if (area != MAP_FAILED) munmap(area, 4 * PAGE);
      syscall((long)first_call + 5, token);
    }
  }
  int status;
  MUST(waitpid(child, &status, 0));
  printf("a false agent ends by itself: %s\n", WIFSIGNALED(status) ? "yes" : "NO");
}

int main(int argc, char** argv) {
  if (argc != 6) return 2;
  text_base = strtoul(argv[1], 0, 0), text_size = strtoul(argv[2], 0, 0), area_base = strtoul(argv[3], 0, 0);
  commands = strtoul(argv[4], 0, 0), first_call = strtoul(argv[5], 0, 0);
  int secret = MUST(open("roots", O_WRONLY | O_CREAT, 0600));
  close(secret);
  if (geteuid() == 0) MUST(setresuid(65534, 65534, 65534));
  CHECK(open("roots", O_RDONLY) == -1 && errno == EACCES);
  for (char* at = (char*)text_base; at < (char*)text_base + text_size - 3; ++at)
    if (!memcmp(at, "\x0f\x05\xf4", 3)) system_call = at;
  if (!system_call) return 3;
  struct sigaction on = {.sa_sigaction = after_hlt, .sa_flags = SA_SIGINFO};
  MUST(sigaction(SIGSEGV, &on, 0));
  show("getpid by the stub's instruction", from_stub(SYS_getpid, 0, 0, 0, 0, 0, 0) == getpid() ? 0 : 1);
  show("open", from_stub(SYS_open, (long)"roots", O_RDONLY, 0, 0, 0, 0));
  show("setuid", from_stub(SYS_setuid, 0, 0, 0, 0, 0, 0));
  text_stays();
  calls_to_the_supervisor();
  forged_commands("roots");
  false_agent();
  // Still sound.
  char* area = map_anon(64 * PAGE);
  memset(area, 's', 64 * PAGE);
  pid_t child = fork_child();
  if (child == 0) leave(all_are(area, 64 * PAGE, 's') ? 0 : 1);
  show_end("a child after all that", child);
  return 0;
}
