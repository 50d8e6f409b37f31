// Other processes, which run some of the program's lines while the first one waits:
//   child     forked for these lines
//   partner   forked when first asked for; lives on, with the mappings and descriptors that it has, until the next reset
//   stranger  the same by fork and exec: it begins with nothing
//   outside   started by the driver, outside the run (main's "outside" argument); told what to do through two FIFOs
#pragma once

#include "memory_operations.h"

static FILE* program;
static int line_number;
static int run_line(void);

enum { kPartner, kStranger, kOutside, kOthers };
static struct {
  pid_t pid;
  int to, from;
} others[kOthers] = {{0, -1, -1}, {0, -1, -1}, {0, -1, -1}};
static int am_outside;  // such a process runs the lines of its strangers, and those for outside, itself

enum { kForget = -1 };  // as `lines`: closes and unmaps all
struct order {
  long place, lines;
  int line_number;
};

static void read_program_from(long place) {
  fclose(program);
  program = MUST(fopen("program", "r") ?: (FILE*)-1);
  fseek(program, place, SEEK_SET);
}

static void skip_lines(long lines) {
  char text[256];
  while (lines-- > 0 && fgets(text, sizeof text, program) != NULL) ++line_number;
}

static void run_lines(const struct order* order) {
  line_number = order->line_number;
  fseek(program, order->place, SEEK_SET);
  for (long left = order->lines; left > 0 && run_line() != 0; --left) {
  }
}

// In a forked process: the parent's others are not its own.
static void leave_others(void) {
  for (int i = 0; i < kOutside; ++i) {
    if (others[i].to >= 0) close(others[i].to), close(others[i].from);
    others[i].to = others[i].from = -1;
  }
}

static void end_others(void) {
  for (int i = 0; i < kOutside; ++i) {
    if (others[i].to < 0) continue;
    close(others[i].to), close(others[i].from);
    others[i].to = others[i].from = -1;
    MUST(waitpid(others[i].pid, NULL, 0));
  }
}

// The parent has read the lines with stdio, too.
static void op_child(void) {
  const long lines = a[0] % 16, here = ftell(program);
  fflush(stdout);
  pid_t child = fork_child();
  if (child == 0) {
    leave_others();
    scatter_locked_origins();
    read_program_from(here);
    run_lines(&(struct order){here, lines, line_number});
    end_others();
    leave(0);
  }
  int status;
  MUST(waitpid(child, &status, 0));
  printf(" child %d", status);
  skip_lines(lines);
}

static void serve(int in, int out) {
  struct order order;
  read_program_from(0);
  while (read(in, &order, sizeof order) == sizeof order) {
    run_lines(&order);
    fflush(stdout);
    MUST(write(out, "", 1));
  }
  end_others();
  leave(0);
}

// What it prints goes to whoever asked.
static void forget_all(void);
static void serve_from_outside(void) {
  const int in = MUST(open("to-outside", O_RDWR)), out = MUST(open("from-outside", O_RDWR));
  struct order order;
  am_outside = 1;
  while (read(in, &order, sizeof order) == sizeof order) {
    char* text = NULL;
    size_t length = 0;
    FILE* usual = stdout;
    stdout = open_memstream(&text, &length);
    order.lines == kForget ? forget_all() : run_lines(&order);
    fclose(stdout);
    stdout = usual;
    MUST(write(out, &length, sizeof length));
    MUST(write(out, text, length));
    free(text);
  }
}

static void start(int which) {
  int to[2], from[2];
  char in[16], out[16];
  MUST(pipe(to)), MUST(pipe(from));
  others[which].pid = fork_child();
  if (others[which].pid == 0) {
    close(to[1]), close(from[0]);
    leave_others();
    scatter_locked_origins();
    if (which == kPartner) serve(to[0], from[1]);
    sprintf(in, "%d", to[0]), sprintf(out, "%d", from[1]);
    execl("/proc/self/exe", "stranger", "program", in, out, NULL);
    _exit(97);
  }
  close(to[0]), close(from[1]);
  others[which].to = to[1], others[which].from = from[0];
  MUST(fcntl(to[1], F_SETFD, FD_CLOEXEC)), MUST(fcntl(from[0], F_SETFD, FD_CLOEXEC));
}

static void send_order(int which, long lines) {
  const struct order order = {ftell(program), lines, line_number};
  fflush(stdout);
  MUST(write(others[which].to, &order, sizeof order));
}

static void ask(int which) {
  const long lines = a[0] % 16;
  char byte;
  if (others[which].to < 0) start(which);
  send_order(which, lines);
  MUST(read(others[which].from, &byte, 1));
  skip_lines(lines);
}
static void op_partner(void) {
  ask(kPartner);
  printf(" end of partner");
}
static void op_stranger(void) {
  if (am_outside) return;
  ask(kStranger);
  printf(" end of stranger");
}

static void hear_from_outside(void) {
  size_t length = 0;
  MUST(read(others[kOutside].from, &length, sizeof length));
  for (size_t done = 0; done < length;) {
    const size_t most = length - done < sizeof buffer ? length - done : sizeof buffer;
    const ssize_t n = MUST(read(others[kOutside].from, buffer, most));
    fwrite(buffer, 1, (size_t)n, stdout);
    done += (size_t)n;
  }
}
static void op_outside(void) {
  if (am_outside) return;
  if (others[kOutside].to < 0) {
    others[kOutside].to = MUST(open("to-outside", O_WRONLY | O_CLOEXEC));
    others[kOutside].from = MUST(open("from-outside", O_RDONLY | O_CLOEXEC));
  }
  const long lines = a[0] % 16;
  send_order(kOutside, lines);
  hear_from_outside();
  skip_lines(lines);
  printf(" end of outside");
}

// Before an announced outsider: what was stored is in the files. After it: what it did is seen.
static void op_settle(void) {
  int directory = MUST(open(".", O_RDONLY | O_DIRECTORY));
  MUST(syncfs(directory));
  close(directory);
}
static void op_look_again(void) {
  for (size_t i = 0; i < sizeof mapped_files / sizeof *mapped_files; ++i) {
    if (mapped_files[i].inode == 0) continue;
    char name[32];
    sprintf(name, "/proc/self/fd/%d", mapped_files[i].fd);
    int fd = MUST(open(name, O_RDONLY));
    void* page = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
    if (page != MAP_FAILED) munmap(page, PAGE);
    close(fd);
  }
}

static void reset_others(void) {
  end_others();
  if (others[kOutside].to < 0) return;
  send_order(kOutside, kForget);
  hear_from_outside();
}
