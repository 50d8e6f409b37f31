// Runs a program of memory and file operations, one a line, from the file named by its argument, and prints what each one
// gave: result or errno, bytes (as a sum), signal with code and place. tests/soak makes such programs at random; tests of
// single rules write them by hand.
//
// A line is a word and numbers. Files have names f0, f1, ..., descriptors and mappings are slots; mapping slot m is an
// island of its own, kSlotPages long, at an address that no output shows. Offsets and lengths are in bytes.
#include "file_operations.h"
#include "memory_operations.h"
#include "others.h"

// For a driver: says that this line has been reached, and waits to be told to go on.
static void op_meet(void) {
  char text[32];
  sprintf(text, "at-%ld", a[0]);
  close(MUST(open(text, O_WRONLY | O_CREAT, 0644)));
  sprintf(text, "go-%ld", a[0]);
  while (access(text, F_OK) != 0) usleep(500);
}

static void forget_all(void) {
  for (int i = 0; i < kFds; ++i) {
    if (fds[i] >= 0) close(fds[i]);
    fds[i] = -1;
  }
  for (int m = 0; m < kMaps; ++m) munmap(slot(m), SLOT_STRIDE);
  forget_mapped_files();
  memset(origins, 0, sizeof origins);
  memset(was_locked, 0, sizeof was_locked);
}
// Three files that nobody has open for writing.
static void op_reset(void) {
  reset_others();
  forget_all();
  for (int i = 0; i < 8; ++i) unlink(name_of(i, name1));
  for (int i = 0; i < 3; ++i) close(make_file(name_of(i, name1), (size_t)(i == 1 ? 20 : 3 + i) * PAGE + (i == 2 ? 100 : 0)));
}
// What the files hold in the end.
static void op_files(void) {
  for (int i = 0; i < 8; ++i) {
    int fd = open(name_of(i, name1), O_RDONLY);
    if (fd < 0) continue;
    unsigned h = 0;
    long total = 0;
    for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0; total += n) h = h * 31 + sum(buffer, (size_t)n);
    printf(" %s:%ld:%08x", name1, total, h);
    close(fd);
  }
}

static const struct {
  const char* word;
  void (*run)(void);
} kOperations[] = {
    {"open", op_open},         {"close", op_close},       {"read", op_read},         {"pread", op_pread},       {"preadv", op_preadv},
    {"write", op_write},       {"pwrite", op_pwrite},     {"pwritev", op_pwritev},   {"seek", op_seek},         {"hole", op_hole},
    {"read_map", op_read_map}, {"write_map", op_write_map}, {"map", op_map},         {"unmap", op_unmap},       {"protect", op_protect},
    {"msync", op_msync},       {"advise", op_advise},     {"remap", op_remap},       {"store", op_store},       {"load", op_load},
    {"ftruncate", op_ftruncate}, {"truncate", op_truncate}, {"allocate", op_allocate}, {"fsync", op_fsync},     {"sendfile", op_sendfile},
    {"copy", op_copy},         {"splice", op_splice},     {"rename", op_rename},     {"link", op_link},         {"unlink", op_unlink},
    {"stat", op_stat},         {"maps", op_maps},         {"meet", op_meet},         {"reset", op_reset},       {"files", op_files},
    {"child", op_child},       {"pipe_map", op_pipe_map},
    {"resize", op_resize},     {"twin", op_twin},         {"lock", op_lock},         {"preadv_map", op_preadv_map},
    {"pwritev_map", op_pwritev_map}, {"exchange", op_exchange}, {"append", op_append}, {"partner", op_partner},
    {"dup", op_dup},           {"sendfile_here", op_sendfile_here}, {"copy_here", op_copy_here}, {"splice_here", op_splice_here},
    {"symlink", op_symlink},   {"unnamed", op_unnamed},   {"hint", op_hint},         {"anon", op_anon},
    {"lock_on_fault", op_lock_on_fault}, {"resident", op_resident}, {"press", op_press},        {"scribble", op_scribble}, {"stranger", op_stranger}, {"settle", op_settle},     {"look_again", op_look_again}, {"outside", op_outside},
};

static int run_line(void) {
  char text[256];
  if (fgets(text, sizeof text, program) == NULL) return 0;
  char word[16];
  int at = 0;
  if (sscanf(text, "%15s%n", word, &at) != 1 || word[0] == '#') return 1;
  memset(a, 0, sizeof a);
  char* rest = text + at;
  for (int i = 0; i < kNumbers; ++i) a[i] = strtol(rest, &rest, 10);
  for (size_t i = 0; i < sizeof kOperations / sizeof *kOperations; ++i) {
    if (strcmp(word, kOperations[i].word) != 0) continue;
    text[strcspn(text, "\n")] = 0;
    printf("%d %s:", ++line_number, text);
    kOperations[i].run();
    printf("\n");
    return 1;
  }
  printf("unknown: %s", text);
  _exit(98);
}

int main(int argc, char** argv) {
  program = argc > 1 ? fopen(argv[1], "r") : NULL;
  if (program == NULL) return 98;
  for (int i = 0; i < kFds; ++i) fds[i] = -1;
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_NODEFER};
  sigaction(SIGSEGV, &action, 0);
  sigaction(SIGBUS, &action, 0);
  if (strcmp(argv[0], "stranger") == 0) serve(atoi(argv[2]), atoi(argv[3]));
  if (argc > 2 && strcmp(argv[2], "outside") == 0) serve_from_outside();
  while (run_line() != 0) {
  }
  fflush(stdout);
  return 0;
}
