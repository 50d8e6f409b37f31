// One megabyte of arguments and environment arrives whole and in order, on a stack that must hold it. Source:
// execve(2).
#include "guest.h"

extern char** environ;
enum { kStrings = 1000, kLength = 1000 };

static unsigned hash(char** strings, int* count) {
  unsigned value = 5381;
  *count = 0;
  for (; strings[*count]; ++*count)
    for (char* at = strings[*count]; *at; ++at) value = value * 33 + (unsigned char)*at;
  return value;
}

static char** make(const char* prefix, char letter, int count) {
  char** strings = calloc((size_t)count + 1, sizeof(char*));
  for (int i = 0; i < count; ++i) {
    strings[i] = malloc(kLength + 32);
    int used = sprintf(strings[i], "%s%d=", prefix, i);
    memset(strings[i] + used, letter + i % 20, kLength);
    strings[i][used + kLength] = 0;
  }
  return strings;
}

int main(int argc, char** argv) {
  int count;
  unsigned value = hash(argv + 1, &count);
  if (argc > 1) {
    printf("%d arguments, hash %u\n", count, value);
    value = hash(environ, &count);
    printf("%d variables, hash %u\n", count, value);
    CHECK(strcmp(getenv("V7"), strchr(environ[7], '=') + 1) == 0);
    // The strings may be written; cmdline shows what they hold.
    argv[1][0] = '!';
    char start[8] = "";
    int fd = MUST(open("/proc/self/cmdline", O_RDONLY));
    size_t total = 0, zeros = 0;
    static char buffer[1 << 16];
    for (ssize_t got; (got = MUST(read(fd, buffer, sizeof buffer))) > 0; total += (size_t)got)
      for (ssize_t i = 0; i < got; ++i) zeros += buffer[i] == 0;
    CHECK(zeros == (size_t)argc);
    CHECK(total > 1000 * 1000);
    MUST(pread(fd, start, 5, (off_t)strlen(argv[0]) + 1));
    printf("%s\n", start);
    return 0;
  }
  char** arguments = make("A", 'a', kStrings);
  char** variables = make("V", 'A', 200);
  char** with_name = calloc(kStrings + 2, sizeof(char*));
  with_name[0] = "myself";
  memcpy(with_name + 1, arguments, kStrings * sizeof(char*));
  value = hash(arguments, &count);
  printf("%d arguments, hash %u\n", count, value);
  value = hash(variables, &count);
  printf("%d variables, hash %u\n", count, value);
  fflush(stdout);
  execve("/proc/self/exe", with_name, variables);
  return 1;
}
