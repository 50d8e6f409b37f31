// A symbolic link is swapped between two programs while others exec it: what runs is wholly the one or wholly the
// other. Source: execve(2), path_resolution(7): the file checked is the file run.
#include "guest.h"

// Differ in the two programs, in read-only and in writable data; found and changed in the file.
static volatile const char read_only[] = "SWAP-MARKER-R-?";
static volatile char writable[] = "SWAP-MARKER-W-?";

static void make_program(const char* name, char letter) {
  static char text[8 << 20];
  int in = MUST(open("/proc/self/exe", O_RDONLY)), out = MUST(open(name, O_WRONLY | O_CREAT, 0755));
  ssize_t length = MUST(read(in, text, sizeof text));
  for (ssize_t i = 0; i + 15 < length; ++i)
    if (!memcmp(text + i, "SWAP-MARKER-", 12) && text[i + 13] == '-' && text[i + 14] == '?') text[i + 14] = letter;
  MUST(write(out, text, (size_t)length));
  close(out);
  close(in);
}

// The exit code says which program this is: 'a' or 'b'; 1 when its parts do not agree.
static int which(void) {
  char exe[4096] = "";
  MUST(readlink("/proc/self/exe", exe, sizeof exe - 1));
  char name = exe[strlen(exe) - 1];
  return read_only[14] == name && writable[14] == name && (name == 'a' || name == 'b') ? name : 1;
}

int main(int argc, char** argv) {
  (void)argv;
  if (argc > 1) return which();
  make_program("program-a", 'a');
  make_program("program-b", 'b');
  MUST(symlink("program-a", "link"));
  pid_t swapper = fork_child();
  if (swapper == 0) {
    alarm(60);
    for (int i = 0;; ++i) {
      unlink("next");
      (void)!symlink(i % 2 ? "program-a" : "program-b", "next");
      rename("next", "link");
    }
  }
  int whole = 0;
  for (int round = 0; round < 80; ++round) {
    pid_t child = MUST(fork());
    if (child == 0) {
      execl("./link", "link", "child", (char*)0);
      _exit(2);
    }
    int status;
    MUST(waitpid(child, &status, 0));
    whole += WIFEXITED(status) && (WEXITSTATUS(status) == 'a' || WEXITSTATUS(status) == 'b');
  }
  kill(swapper, SIGKILL);
  show_end("swapper", swapper);
  printf("%d of 80 were wholly one program\n", whole);
  return 0;
}
