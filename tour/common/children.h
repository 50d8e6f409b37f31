// Programs that live at the same time: a driver starts others that lie beside it, each with a pipe to it and one from
// it, and ends a child by closing its input.
#pragma once

#include "probe.h"

#include <sys/wait.h>

struct child {
  pid_t pid;
  int to, from;
};

// Where this program lies, without the last slash.
static inline const char* own_directory(void) {
  static char directory[4096];
  if (readlink("/proc/self/exe", directory, sizeof directory - 1) < 0) die("/proc/self/exe");
  *strrchr(directory, '/') = 0;
  return directory;
}

static inline struct child start_child(const char* name) {
  int in[2], out[2];
  if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) die("pipe2");
  char path[4200];
  snprintf(path, sizeof path, "%s/%s", own_directory(), name);
  fflush(stdout);
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
  return (struct child){pid, in[1], out[0]};
}

static inline void read_all(int fd, void* data, size_t size) {
  for (char* at = data; size > 0;) {
    const ssize_t got = read(fd, at, size);
    if (got <= 0) die("a child ended early");
    at += got;
    size -= (size_t)got;
  }
}

// Whether it ended well.
static inline int finish_child(const struct child* c) {
  close(c->to);
  int status = 1;
  return waitpid(c->pid, &status, 0) == c->pid && status == 0;
}

// ---- what a child does -------------------------------------------------------------------------------------------

static inline void put(const void* data, size_t size) {
  if (fwrite(data, 1, size, stdout) != size) die("write");
}

static inline void live_until_input_ends(void) {
  fflush(stdout);
  char end;
  while (read(0, &end, 1) > 0) {
  }
}

// ---- what /proc tells of another process -------------------------------------------------------------------------

// Kilobytes of a field ("Rss:") in smaps, summed over the mappings that `wanted` chooses.
static inline long smaps_kilobytes(pid_t pid, const char* field, int (*wanted)(const struct mapping*)) {
  char path[64], line[1024];
  snprintf(path, sizeof path, "/proc/%ld/smaps", (long)pid);
  FILE* smaps = fopen(path, "re");
  if (smaps == NULL) die(path);
  struct mapping m;
  int counts = 0;
  long kilobytes = 0;
  while (fgets(line, sizeof line, smaps) != NULL) {
    if (parse_mapping(line, &m))
      counts = wanted(&m);
    else if (counts && strncmp(line, field, strlen(field)) == 0)
      kilobytes += atol(line + strlen(field));
  }
  fclose(smaps);
  return kilobytes;
}
