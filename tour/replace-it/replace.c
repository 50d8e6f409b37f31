// Installs version 1 of a library, starts a program that uses it, installs version 2 as a package manager does - a new
// file, renamed over the old name - and starts programs again. Who says what?
#include "answering.h"

static const char kInstalled[] = "libgreeting.so.1";

static void copy_file(const char* from, const char* to) {
  char buffer[65536];
  const int in = open_or_die(from, O_RDONLY);
  const int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
  if (out < 0) die(to);
  for (ssize_t got; (got = read(in, buffer, sizeof buffer)) > 0;)
    if (write(out, buffer, (size_t)got) != got) die(to);
  close(in);
  close(out);
}

static void install(const char* version) {
  char from[4200];
  snprintf(from, sizeof from, "%s/%s", own_directory(), version);
  copy_file(from, "libgreeting.new");
  if (rename("libgreeting.new", kInstalled) != 0) die("rename");
}

static struct spoken ask(const struct child* c) {
  struct spoken spoken;
  if (write(c->to, "?", 1) != 1) die("a child ended early");
  read_all(c->from, &spoken, sizeof spoken);
  return spoken;
}

static void tell_spoken(const char* who, const struct child* c) {
  const struct spoken spoken = ask(c);
  printf("%s: %d\n", who, spoken.version);
  printf("%s says: %s\n", who, spoken.words);
}

// Mappings of the library in that process whose file has lost its name.
static long nameless_mappings(pid_t pid) {
  char path[64], line[1024];
  snprintf(path, sizeof path, "/proc/%ld/maps", (long)pid);
  FILE* maps = fopen(path, "re");
  if (maps == NULL) die(path);
  long count = 0;
  while (fgets(line, sizeof line, maps) != NULL)
    count += strstr(line, kInstalled) != NULL && strstr(line, "(deleted)") != NULL;
  fclose(maps);
  return count;
}

static uint64_t hash_of_program(const char* name) {
  char path[4200];
  snprintf(path, sizeof path, "%s/%s", own_directory(), name);
  const int fd = open_or_die(path, O_RDONLY);
  uint64_t hash = UINT64_C(0xcbf29ce484222325);
  unsigned char buffer[65536];
  for (ssize_t got; (got = read(fd, buffer, sizeof buffer)) > 0;)
    for (ssize_t i = 0; i < got; i++) hash = (hash ^ buffer[i]) * UINT64_C(0x100000001b3);
  close(fd);
  return hash;
}

int main(void) {
  char here[4096];
  if (getcwd(here, sizeof here) == NULL || setenv("LD_LIBRARY_PATH", here, 1) != 0) die("LD_LIBRARY_PATH");
  unlink(kInstalled);
  install("libgreeting1.so");
  const uint64_t programs = hash_of_program("speaker") ^ hash_of_program("singer");
  const struct child early = start_child("speaker");
  tell_spoken("early speaker", &early);
  tell("mappings of it without a name, before", nameless_mappings(early.pid));

  install("libgreeting2.so");
  tell_spoken("early speaker, afterwards", &early);
  tell("mappings of it without a name, afterwards", nameless_mappings(early.pid));
  const struct child late = start_child("speaker"), singer = start_child("singer");
  tell_spoken("late speaker", &late);
  tell_spoken("late singer", &singer);
  tell_spoken("early speaker, at the end", &early);
  tell("programs are as they were", programs == (hash_of_program("speaker") ^ hash_of_program("singer")));
  tell("processes that ended well", finish_child(&early) + finish_child(&late) + finish_child(&singer));
  return 0;
}
