/* What a program sees of its own start: to be the same under the genuine loader alone and after a hand-over. */
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

extern char** environ;

int main(int argc, char** argv) {
  char exe[4096] = "";
  if (readlink("/proc/self/exe", exe, sizeof exe - 1) < 0) return 1;
  printf("exe %s\n", exe);
  char comm[64] = "";
  FILE* file = fopen("/proc/self/comm", "r");
  if (!file || !fgets(comm, sizeof comm, file)) return 1;
  printf("comm %s", comm);
  for (int i = 0; i < argc; i++) printf("argv %s\n", argv[i]);
  for (char** e = environ; *e; e++)
    if (strncmp(*e, "PAGEFOLD_", 9) != 0) printf("env %s\n", *e);
  printf("execfn %s secure %lu headers %lu\n", (char*)getauxval(AT_EXECFN), getauxval(AT_SECURE), getauxval(AT_PHNUM));
  return 42;
}
