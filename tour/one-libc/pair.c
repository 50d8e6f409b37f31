// Starts `adder` and, when the argument is 2, `folder` beside it while the first still lives; collects from each the
// frames that hold libc's code, and compares them page by page. The programs lie beside this one.
#include "libc_text.h"

#include <sys/wait.h>

enum { kMostPages = 4096 };

struct holder {
  pid_t pid;
  int to, from;
  struct holding holding;
};

static uint64_t frames[2][kMostPages];

static void read_all(int fd, void* data, size_t size) {
  for (char* at = data; size > 0;) {
    const ssize_t got = read(fd, at, size);
    if (got <= 0) die("a holder ended early");
    at += got;
    size -= (size_t)got;
  }
}

static struct holder start(const char* directory, const char* name) {
  int in[2], out[2];
  if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) die("pipe2");
  char path[4200];
  snprintf(path, sizeof path, "%s/%s", directory, name);
  const pid_t pid = fork();
  if (pid < 0) die("fork");
  if (pid == 0) {
    dup2(in[0], 0);
    dup2(out[1], 1);
    execl(path, name, (char*)NULL);
    _exit(127);
  }
  close(in[0]);
  close(out[1]);
  return (struct holder){pid, in[1], out[0], {0, 0}};
}

static void collect(struct holder* h, uint64_t* into) {
  read_all(h->from, &h->holding, sizeof h->holding);
  if (h->holding.pages > kMostPages) die("more pages than expected");
  read_all(h->from, into, h->holding.pages * sizeof *into);
}

static int finish(const struct holder* h) {
  close(h->to);
  int status = 1;
  return waitpid(h->pid, &status, 0) == h->pid && status == 0;
}

// Kilobytes that /proc/PID/smaps tells of libc's text in that process, by field ("Rss:").
static long text_kilobytes(pid_t pid, const char* field) {
  char path[64], line[1024];
  snprintf(path, sizeof path, "/proc/%ld/smaps", (long)pid);
  FILE* smaps = fopen(path, "re");
  if (smaps == NULL) die(path);
  struct mapping m;
  int in_text = 0;
  long kilobytes = -1;
  while (kilobytes < 0 && fgets(line, sizeof line, smaps) != NULL) {
    if (parse_mapping(line, &m)) in_text = m.permissions[2] == 'x' && strstr(m.path, "/libc.so.6") != NULL;
    if (in_text && strncmp(line, field, strlen(field)) == 0) kilobytes = atol(line + strlen(field));
  }
  fclose(smaps);
  return kilobytes;
}

// The programs' and this driver's own, which also uses libc: together the shares (Pss) of a frame make a whole.
static void tell_shares(const struct holder* holders, int programs) {
  text_kilobytes(getpid(), "Pss:");  // looking touches libc's text, too: what counts is the second look
  long resident = 0, share = text_kilobytes(getpid(), "Pss:");
  for (int i = 0; i < programs; i++) {
    resident += text_kilobytes(holders[i].pid, "Rss:");
    share += text_kilobytes(holders[i].pid, "Pss:");
  }
  tell("kB of libc's text resident in the programs", resident);
  tell("kB of frames behind it", share);
}

int main(int argc, char** argv) {
  const int programs = argc > 1 ? atoi(argv[1]) : 2;
  char directory[4096] = {0};
  if (readlink("/proc/self/exe", directory, sizeof directory - 1) < 0) die("/proc/self/exe");
  *strrchr(directory, '/') = 0;
  const char* names[2] = {"adder", "folder"};
  struct holder holders[2];
  memset(frames, 0, sizeof frames);
  for (int i = 0; i < programs; i++) {
    holders[i] = start(directory, names[i]);
    collect(&holders[i], frames[i]);
  }
  const uint64_t pages = holders[0].holding.pages;
  tell("frame numbers visible", frame_numbers_visible());
  tell("pages of libc's text", (long)pages);
  if (programs == 2) {
    long equal = 0;
    for (uint64_t i = 0; i < pages; i++) equal += frames[0][i] != 0 && frames[0][i] == frames[1][i];
    tell("pages in the second program", (long)holders[1].holding.pages);
    tell("pages with one frame for both", equal);
  }
  tell_shares(holders, programs);
  int ended_well = 0;
  for (int i = 0; i < programs; i++) ended_well += finish(&holders[i]);
  tell("programs that ended well", ended_well);
  return 0;
}
