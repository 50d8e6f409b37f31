// mremap of a range in which several mappings lie: moved to a given place in the same length, all of them go and holes stay holes
// (since Linux 6.17; EFAULT before); otherwise the range must be one mapping, whatever the file is called by now.
#include "guest.h"

// Nothing is mapped there.
static char* room(void) {
  static char* next = (char*)0x200000000000;
  return next += 64 * PAGE;
}

static void* to(char* area, size_t old_pages, size_t new_pages, int more_flags, char* target) {
  return mremap(area, old_pages * PAGE, new_pages * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED | more_flags, target);
}

static void memory_with_a_hole(void) {
  char* area = room();
  MUST((long)mmap(area, 8 * PAGE, RW, ANON | MAP_FIXED, -1, 0));
  memset(area, 'a', 8 * PAGE);
  MUST(mprotect(area + PAGE, PAGE, PROT_READ));
  MUST(munmap(area + 3 * PAGE, 2 * PAGE));
  char* target = room();
  MUST((long)mmap(target, 16 * PAGE, PROT_READ, ANON_SHARED | MAP_FIXED, -1, 0));
  SHOW_MAP(to(area, 8, 9, 0, target));
  SHOW_MAP(to(area + 3 * PAGE, 3, 3, 0, target));
  SHOW_MAP(to(area, 10, 10, 0, target));  // goes on behind the last mapping
  show_maps("left behind", area, 8 * PAGE);
  show_maps("at the target", target, 16 * PAGE);
  for (size_t i = 0; i < 12; ++i) TOUCH(Read, target + i * PAGE);
}

static void a_file_made_anew_elsewhere(void) {
  int fd = MUST(make_file("file", 8 * PAGE));
  char* area = room();
  MUST((long)mmap(area, 8 * PAGE, RW, MAP_PRIVATE | MAP_FIXED, fd, 0));
  memset(area + 5 * PAGE, 'p', PAGE);
  MUST(mprotect(area + 2 * PAGE, PAGE, PROT_NONE));
  char* target = room();
  SHOW_MAP(to(area + PAGE, 6, 6, 0, target));
  SHOW_MAP(to(target, 3, 4, 0, area + PAGE));
  show_maps("at the target", target, 16 * PAGE);
  TOUCH(Read, target);
  TOUCH(Read, target + PAGE);
  TOUCH(Read, target + 4 * PAGE);
}

static void locked_memory_stays_behind_unlocked(void) {
  char* area = map_anon(6 * PAGE);
  memset(area, 'l', 6 * PAGE);
  MUST(mlock(area + 2 * PAGE, 2 * PAGE));
  SHOW(madvise(area + 2 * PAGE, PAGE, MADV_DONTNEED));
  SHOW_MAP(to(area + PAGE, 2, 2, 4 /* MREMAP_DONTUNMAP */, room()));
  SHOW(madvise(area + 2 * PAGE, PAGE, MADV_DONTNEED));
  SHOW(madvise(area + 3 * PAGE, PAGE, MADV_DONTNEED));
  TOUCH(Read, area + PAGE);
  TOUCH(Read, area + 3 * PAGE);
}

static void renamed_between_two_maps(void) {
  MUST(close(make_file("old", 8 * PAGE)));
  int fd = MUST(open("old", O_RDONLY));
  char* area = room();
  MUST((long)mmap(area, 8 * PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0));
  MUST(rename("old", "new"));
  MUST((long)mmap(area, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0));
  SHOW_MAP(mremap(area, 4 * PAGE, 9 * PAGE, 0));
  char* moved = SHOW_MAP(mremap(area, 4 * PAGE, 9 * PAGE, MREMAP_MAYMOVE));
  TOUCH(Read, moved);
  TOUCH(Read, moved + 7 * PAGE);
}

int main(void) {
  memory_with_a_hole();
  a_file_made_anew_elsewhere();
  locked_memory_stays_behind_unlocked();
  renamed_between_two_maps();
  return 0;
}
