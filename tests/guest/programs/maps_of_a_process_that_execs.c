// /proc/PID/maps of a process that execs two programs in turn: a reader who has seen the command line of one program sees its
// memory, with its file and a stack, never that of the one before or something in between. Source: proc(5); fs/exec.c,
// exec_update_lock.
#include "guest.h"

enum { ROUNDS = 60 };
static const char* const names[] = {"./even", "./odd"};
static char text[1 << 16];

// The number of bytes; 0 when the process is ending.
static ssize_t read_file(pid_t pid, const char* name) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
  int fd = open(path, O_RDONLY);
  if (fd < 0) return 0;
  ssize_t used = 0;
  for (ssize_t count; (count = read(fd, text + used, sizeof text - 1 - (size_t)used)) > 0;) used += count;
  close(fd);
  text[used] = 0;
  return used;
}

// The round the process is in: its only argument. 0: none yet, or it is ending.
static int round_of(pid_t pid) {
  const ssize_t length = read_file(pid, "cmdline");
  const char* argument = text + strlen(text) + 1;
  return argument < text + length ? atoi(argument) : 0;
}

static void exec_round(int round) {
  char argument[16];
  snprintf(argument, sizeof argument, "%d", round);
  execl(names[round % 2], names[round % 2], argument, (char*)0);
  _exit(1);
}

static void copy_self(const char* to) {
  int in = MUST(open("/proc/self/exe", O_RDONLY)), out = MUST(open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755));
  copy_rest(in, out);
  close(in);
  close(out);
}

int main(int argc, char** argv) {
  if (argc > 1) {
    if (atoi(argv[1]) == ROUNDS) return 7;
    usleep(500);
    exec_round(atoi(argv[1]) + 1);
  }
  copy_self(names[0]);
  copy_self(names[1]);
  int without_stack = 0, unfinished = 0, of_another_program = 0;
  pid_t child = fork_child();
  if (child == 0) exec_round(1);
  siginfo_t ended = {0};
  while (waitid(P_PID, (id_t)child, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid == 0) {
    const int before = round_of(child);
    if (before == 0 || read_file(child, "maps") == 0) continue;
    const bool shows_it = strstr(text, names[before % 2] + 1) != NULL, has_stack = strstr(text, "[stack]") != NULL;
    const bool is_finished = !strstr(text, "memfd:") && !strstr(text, "pagefold-stub");
    if (!is_finished) ++unfinished;
    // While the next exec is under way Linux, too, shows memory whose stack has no name yet (fs/binfmt_elf.c sets start_stack last).
    if (round_of(child) != before) continue;
    if (!has_stack) ++without_stack;
    if (!shows_it) ++of_another_program;
  }
  SHOW(without_stack);
  SHOW(unfinished);
  SHOW(of_another_program);
  show_end("child", child);
  return 0;
}
