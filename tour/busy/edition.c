// The program that somebody wants to edit. It says which edition it is, and again whenever a byte comes, until its
// input ends. The word is in the file, where an editor finds it.
#include <stdio.h>
#include <unistd.h>

static volatile char edition[] = "EDITION-1";

int main(void) {
  char byte;
  do {
    printf("%s\n", (const char*)edition);
    fflush(stdout);
  } while (read(0, &byte, 1) == 1);
  return 0;
}
