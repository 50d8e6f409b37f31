// Every combination of read, write, execute on a page that holds one `ret` instruction, and every access tried on it:
// a table of what was done and what raised SIGSEGV, with the signal's si_code (2 = SEGV_ACCERR, no permission).
#include "../common/probe.h"

static long wrong_addresses;

static void print_outcome(char kind, unsigned char* page) {
  const unsigned char ret = 0xc3;
  const struct outcome seen = try_access(kind, page, ret);
  if (seen.signal == 0) {
    printf(" %c=done", kind);
  } else {
    printf(" %c=%d/%d", kind, seen.signal, seen.code);
    wrong_addresses += seen.address != page;
  }
}

int main(void) {
  const unsigned char ret = 0xc3;
  for (int bits = 0; bits < 8; bits++) {
    const int read = bits & 1, write = bits & 2, execute = bits & 4;
    unsigned char* page = anonymous_pages(1, PROT_READ | PROT_WRITE);
    page[0] = ret;
    const int protection = (read ? PROT_READ : 0) | (write ? PROT_WRITE : 0) | (execute ? PROT_EXEC : 0);
    if (mprotect(page, page_size(), protection) != 0) die("mprotect");
    printf("%c%c%c:", read ? 'r' : '-', write ? 'w' : '-', execute ? 'x' : '-');
    print_outcome('r', page);
    print_outcome('w', page);
    print_outcome('x', page);
    printf("\n");
  }
  tell("signals with another address", wrong_addresses);

  int pipe_ends[2];
  if (pipe(pipe_ends) != 0) die("pipe");
  unsigned char* none = anonymous_pages(1, PROT_NONE);
  errno = 0;
  const int write_refused = write(pipe_ends[1], none, 1) == -1 && errno == EFAULT;
  unsigned char* read_only = anonymous_pages(1, PROT_READ);
  if (write(pipe_ends[1], "x", 1) != 1) die("write");
  errno = 0;
  const int read_refused = read(pipe_ends[0], read_only, 1) == -1 && errno == EFAULT;
  tell("system calls that got EFAULT", write_refused + read_refused);
  return 0;
}
