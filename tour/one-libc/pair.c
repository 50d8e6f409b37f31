// Starts `adder` and, when the argument is 2, `folder` beside it while the first still lives; collects from each the
// frames that hold libc's code, and compares them page by page.
#include "libc_text.h"

enum { kMostPages = 4096 };

struct holder {
  struct child child;
  struct holding holding;
};

static uint64_t frames[2][kMostPages];

static void collect(struct holder* h, uint64_t* into) {
  read_all(h->child.from, &h->holding, sizeof h->holding);
  if (h->holding.pages > kMostPages) die("more pages than expected");
  read_all(h->child.from, into, h->holding.pages * sizeof *into);
}

static long text_kilobytes(pid_t pid, const char* field) { return smaps_kilobytes(pid, field, is_libc_text); }

// The programs' and this driver's own, which also uses libc: together the shares (Pss) of a frame make a whole.
static void tell_shares(const struct holder* holders, int programs) {
  text_kilobytes(getpid(), "Pss:");  // looking touches libc's text, too: what counts is the second look
  long resident = 0, share = text_kilobytes(getpid(), "Pss:");
  for (int i = 0; i < programs; i++) {
    resident += text_kilobytes(holders[i].child.pid, "Rss:");
    share += text_kilobytes(holders[i].child.pid, "Pss:");
  }
  tell("kB of libc's text resident in the programs", resident);
  tell("kB of frames behind it", share);
}

int main(int argc, char** argv) {
  const int programs = argc > 1 ? atoi(argv[1]) : 2;
  const char* names[2] = {"adder", "folder"};
  struct holder holders[2];
  memset(frames, 0, sizeof frames);
  for (int i = 0; i < programs; i++) {
    holders[i].child = start_child(names[i]);
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
  for (int i = 0; i < programs; i++) ended_well += finish_child(&holders[i].child);
  tell("programs that ended well", ended_well);
  return 0;
}
