// witness FILE SECONDS COMMAND...: makes the file, runs the command with its output passed on, and whenever a line
// `look: WHEN` comes, reads the file and tells what is in it. SECONDS: how long it looks on, after the private store
// and the shared one, for the file to become another (0: it looks once).
#include "../common/children.h"

#include <time.h>

enum { kWord = 7 };

static void look(const char* path, char word[kWord + 1]) {
  const int fd = open_or_die(path, O_RDONLY);
  word[kWord] = 0;
  if (read(fd, word, kWord) != kWord) die("read");
  close(fd);
}

static void tell_look(const char* path, const char* when, int seconds) {
  char first[kWord + 1], now[kWord + 1];
  look(path, first);
  printf("%s, outside: %s\n", when, first);
  if (seconds == 0 || strstr(when, "shared store") == NULL) return;
  const time_t end = time(NULL) + seconds;
  do {
    look(path, now);
    usleep(5000);
  } while (strcmp(now, "stored!") != 0 && time(NULL) < end);
  printf("%s, outside, some time later: %s\n", when, now);
}

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  const int fd = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0 || write(fd, "before.", kWord) != kWord || ftruncate(fd, 4096) != 0) die(argv[1]);
  close(fd);
  int in[2], out[2];
  if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) die("pipe2");
  const pid_t child = fork();
  if (child == 0) {
    dup2(in[0], 0);
    dup2(out[1], 1);
    execvp(argv[3], argv + 3);
    die(argv[3]);
  }
  close(in[0]);
  close(out[1]);
  FILE* lines = fdopen(out[0], "re");
  char line[256];
  while (fgets(line, sizeof line, lines) != NULL) {
    if (strncmp(line, "look: ", 6) != 0) {
      fputs(line, stdout);
      continue;
    }
    line[strcspn(line, "\n")] = 0;
    tell_look(argv[1], line + 6, atoi(argv[2]));
    if (write(in[1], "\n", 1) != 1) die("write");
  }
  int status = 1;
  return waitpid(child, &status, 0) == child && status == 0 ? 0 : 1;
}
