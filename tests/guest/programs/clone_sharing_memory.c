// clone with CLONE_VM (no thread), with CLONE_VM | CLONE_VFORK, and without: whose memory is whose. Source: clone(2).
#include "guest.h"

static volatile int value;
static char stack[64 * 1024] __attribute__((aligned(16)));

static int child(void* argument) {
  value += (int)(long)argument;
  char* made = mmap(0, PAGE, RW, ANON, -1, 0);
  made[0] = 'x';
  *(char* volatile*)(stack) = made;
  return (int)(long)argument;
}

static void run(const char* title, int flags, long argument) {
  fflush(stdout);
  *(char* volatile*)(stack) = 0;
  pid_t pid = MUST(clone(child, stack + sizeof stack, flags | SIGCHLD, (void*)argument));
  show_end(title, pid);
  char* made = *(char* volatile*)(stack);
  printf("value %d, memory made by the child is %s\n", value, made ? made[0] == 'x' ? "ours, too" : "odd" : "not ours");
}

int main(void) {
  run("CLONE_VM", CLONE_VM, 1);
  run("CLONE_VM | CLONE_VFORK", CLONE_VM | CLONE_VFORK, 2);
  run("CLONE_VM | CLONE_FILES | CLONE_FS", CLONE_VM | CLONE_FILES | CLONE_FS, 3);
  run("a copy", 0, 4);
  run("CLONE_VFORK with a copy", CLONE_VFORK, 5);
  SHOW(clone(child, stack + sizeof stack, CLONE_SIGHAND | SIGCHLD, 0));
  SHOW(clone(child, stack + sizeof stack, CLONE_THREAD | SIGCHLD, 0));
  return 0;
}
