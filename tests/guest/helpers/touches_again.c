// Touches one page that cannot be read, and again when it can be. Argument: "private" or "shared" memory, of which 24 MiB are stamped, so
// that the page is in a swap; or "private file", "shared file": the first page of the file "data".
// Steps are files: "ready", then "lost" is waited for; "told", then "mended".
#include "guest.h"

#define PAGES ((size_t)6 * 1024)

static sigjmp_buf back;
static siginfo_t got;
static void on_bus(int signal, siginfo_t* info, void* context) {
  (void)context;
  got = *info;
  siglongjmp(back, signal);
}

static void tell(const char* step) { MUST(close(MUST(open(step, O_WRONLY | O_CREAT, 0600)))); }
static void await(const char* step) {
  while (access(step, F_OK) != 0) usleep(2000);
}

static void look_at(const volatile uint64_t* page) {
  if (sigsetjmp(back, 1) == 0)
    printf("touch: %llx\n", (unsigned long long)*page);
  else
    printf("touch: SIGBUS %s, %s\n", got.si_code == BUS_ADRERR ? "BUS_ADRERR" : got.si_code == BUS_MCEERR_AR ? "BUS_MCEERR_AR" : "?",
           got.si_addr == page ? "at the page" : "elsewhere");
}

// The kernel meets the page.
static void hand_over(const void* page) {
  int ends[2];
  MUST(pipe(ends));
  SHOW(write(ends[1], page, 8));
  close(ends[0]);
  close(ends[1]);
}

int main(int argc, char** argv) {
  const int kind = argc > 1 && argv[1][0] == 's' ? MAP_SHARED : MAP_PRIVATE;
  uint64_t* memory;
  MUST(mlockall(MCL_CURRENT));
  if (argc > 2) {
    memory = MUST(mmap(NULL, PAGE, RW, kind, MUST(open("data", O_RDWR)), 0));
  } else {
    memory = MUST(mmap(NULL, PAGES * PAGE, RW, kind | MAP_ANONYMOUS, -1, 0));
    for (size_t i = 0; i < PAGES * PAGE / sizeof *memory; ++i) memory[i] = (i + 1) * 0x9e3779b97f4a7c15u;
  }
  const struct sigaction action = {.sa_sigaction = on_bus, .sa_flags = SA_SIGINFO};
  MUST(sigaction(SIGBUS, &action, NULL));
  tell("ready");
  await("lost");
  look_at(memory);
  look_at(memory);
  hand_over(memory);
  tell("told");
  await("mended");
  look_at(memory);
  hand_over(memory);
  memory[1] = 1;
  printf("store: %llx %llx\n", (unsigned long long)memory[0], (unsigned long long)memory[1]);
  return 0;
}
