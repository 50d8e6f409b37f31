// two FILE: two processes, A and B. A stores through a private mapping of the file, then through a shared one, and
// synchronises that; then B writes to the file. After each step each tells what its mappings show; then the process
// outside is asked to look (`look: WHEN`), which answers with a byte; and at last come the private
// mappings and read(2).
#include "../common/children.h"

enum { kWord = 7 };  // each word is this long; page 0 of the file begins with one

struct view {
  unsigned char *shared, *private;
  int fd;
};

static struct view view_of(const char* path) {
  const int fd = open_or_die(path, O_RDWR);
  struct view v = {.fd = fd};
  v.shared = map_or_die(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  v.private = map_or_die(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  return v;
}

static void tell_shared(const char* when, char who, const struct view* v) {
  printf("%s, %c's shared mapping: %.*s\n", when, who, kWord, (const char*)v->shared);
  fflush(stdout);
}

static void tell_rest(const char* when, char who, const struct view* v) {
  char word[kWord + 1] = "";
  if (pread(v->fd, word, kWord, 0) != kWord) die("pread");
  printf("%s, %c's private mapping: %.*s\n", when, who, kWord, (const char*)v->private);
  printf("%s, %c's read: %s\n", when, who, word);
  fflush(stdout);
}

// B tells what its shared mapping shows when it is given the number of a step, the rest when it is given the same
// again; at the last step it writes first.
static const char* const kSteps[] = {"before", "after A's private store", "after A's shared store", "after A's msync",
                                     "after B's write"};
enum { kLast = 4 };

static void be_b(const char* path, int from_a, int to_a) {
  const struct view v = view_of(path);
  unsigned char step;
  int before = -1;
  for (; read(from_a, &step, 1) == 1; before = step) {
    if (step == kLast && before != step && pwrite(v.fd, "written", kWord, 0) != kWord) die("pwrite");
    (before == step ? tell_rest : tell_shared)(kSteps[step], 'B', &v);
    if (write(to_a, &step, 1) != 1) die("write");
  }
  exit(0);
}

static void ask(int to_b, int from_b, unsigned char step) {
  if (write(to_b, &step, 1) != 1 || read(from_b, &step, 1) != 1) die("B");
}

static void ask_outside(const char* when) {
  char go;
  printf("look: %s\n", when);
  fflush(stdout);
  if (read(0, &go, 1) != 1) die("nobody outside");
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  int to_b[2], from_b[2];
  if (pipe2(to_b, O_CLOEXEC) != 0 || pipe2(from_b, O_CLOEXEC) != 0) die("pipe2");
  const pid_t b = fork();
  if (b == 0) {
    close(to_b[1]);
    be_b(argv[1], to_b[0], from_b[1]);
  }
  const struct view v = view_of(argv[1]);
  for (unsigned char step = 0; step <= kLast; ++step) {
    if (step == 1) memcpy(v.private, "private", kWord);
    if (step == 2) memcpy(v.shared, "stored!", kWord);
    if (step == 3 && msync(v.shared, page_size(), MS_SYNC) != 0) die("msync");
    ask(to_b[1], from_b[0], step);
    tell_shared(kSteps[step], 'A', &v);
    ask_outside(kSteps[step]);
    tell_rest(kSteps[step], 'A', &v);
    ask(to_b[1], from_b[0], step);
  }
  close(to_b[1]);
  int status = 1;
  return waitpid(b, &status, 0) == b && status == 0 ? 0 : 1;
}
