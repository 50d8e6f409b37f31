// What runs_file_operations.c must know of its own mappings to leave out what Linux itself does not define: the same
// natively and under Pagefold, so that both leave out the same. Everything is read from /proc/self/maps.
#pragma once

#include "guest.h"

// Mappings in runs: neighbours that continue each other count as one. Linux keeps them apart when they were made through
// different opens, or have been given different advice.
struct run {
  unsigned long start, end, offset, inode;
  char what[600];
};
enum { kMostRuns = 256 };
static struct run runs[kMostRuns];

static int is_shared(const struct run* r) { return r->what[3] == 's'; }

// Those in [low, high); returns how many there are.
static size_t read_runs(const char* low, const char* high) {
  FILE* maps = MUST(fopen("/proc/self/maps", "r") ?: (FILE*)-1);
  char text[600];
  size_t count = 0;
  while (fgets(text, sizeof text, maps) != NULL && count < kMostRuns) {
    struct run* r = runs + count;
    char prot[8], path[512] = "";
    if (sscanf(text, "%lx-%lx %7s %lx %*s %lu %511[^\n]", &r->start, &r->end, prot, &r->offset, &r->inode, path) < 5) continue;
    if (r->start < (unsigned long)low || r->start >= (unsigned long)high) continue;
    const char* last = strrchr(path, '/');
    if (last != NULL && last[1] == '#') last = "/#";  // a file without a name goes by its number
    snprintf(r->what, sizeof r->what, "%s%s", prot, last ? last : "");
    struct run* b = count > 0 ? r - 1 : NULL;
    const int goes_on = b != NULL && b->end == r->start && b->inode == r->inode &&
                        (r->inode == 0 || b->offset + (b->end - b->start) == r->offset);
    if (goes_on && strcmp(b->what, r->what) == 0)
      b->end = r->end;
    else
      ++count;
  }
  fclose(maps);
  return count;
}

// The files that have been mapped, by inode: mapped files may have lost their names.
static struct {
  unsigned long inode;
  int fd;
} mapped_files[16];

static void forget_mapped_files(void) {
  for (size_t i = 0; i < sizeof mapped_files / sizeof *mapped_files; ++i)
    if (mapped_files[i].inode != 0) close(mapped_files[i].fd);
  memset(mapped_files, 0, sizeof mapped_files);
}

static void note_mapped_file(int fd) {
  struct stat status;
  char name[32];
  if (fstat(fd, &status) != 0) return;
  sprintf(name, "/proc/self/fd/%d", fd);
  for (size_t i = 0; i < sizeof mapped_files / sizeof *mapped_files; ++i) {
    if (mapped_files[i].inode == status.st_ino) return;
    if (mapped_files[i].inode != 0) continue;
    mapped_files[i].inode = status.st_ino;
    mapped_files[i].fd = MUST(open(name, O_PATH | O_CLOEXEC));
    return;
  }
}

static long size_of_mapped(unsigned long inode) {
  struct stat status;
  for (size_t i = 0; i < sizeof mapped_files / sizeof *mapped_files; ++i)
    if (mapped_files[i].inode == inode && fstat(mapped_files[i].fd, &status) == 0) return status.st_size;
  return 0;
}

// The part of the run within [from, from + length), as bytes of the file. False: there is none.
static int part_of_file(const struct run* r, const char* from, size_t length, long* first, long* last) {
  const unsigned long begin = r->start > (unsigned long)from ? r->start : (unsigned long)from;
  const unsigned long end = r->end < (unsigned long)from + length ? r->end : (unsigned long)from + length;
  if (begin >= end) return 0;
  *first = (long)(r->offset + (begin - r->start)), *last = *first + (long)(end - begin);
  return 1;
}

// What is stored behind the end of a file in its last page is shown by its mappings until the file system clears it: ext4 when it
// writes the page back and when the file grows, tmpfs never (mmap(2): unspecified). So nothing is stored there. Returns how many
// of the bytes, which lie in one page, come before.
static size_t before_the_end(size_t count, const char* at, size_t length) {
  for (size_t i = 0; i < count; ++i) {
    long first, last;
    if (!is_shared(runs + i) || !part_of_file(runs + i, at, length, &first, &last)) continue;
    const long size = size_of_mapped(runs[i].inode), page_end = (size + (long)PAGE - 1) & ~(long)(PAGE - 1);
    if (first >= page_end || last <= size) continue;
    return first < size ? (size_t)(size - first) : 0;
  }
  return length;
}

// A read puts bytes there; see before_the_end().
static int fills_behind_the_end(size_t count, const char* at, size_t length) {
  for (size_t done = 0; done < length;) {
    const size_t ahead = PAGE - ((uintptr_t)(at + done) & (PAGE - 1)), n = ahead < length - done ? ahead : length - done;
    if (before_the_end(count, at + done, n) < n) return 1;
    done += n;
  }
  return 0;
}

// All of it can be read. (An O_DIRECT write of what cannot may have written what comes before, or not: that depends on the kind of
// memory.)
static int can_be_read(size_t count, const char* from, size_t length) {
  for (size_t done = 0; done < length;) {
    const char* at = from + done;
    size_t i = 0;
    while (i < count && !(runs[i].start <= (unsigned long)at && (unsigned long)at < runs[i].end)) ++i;
    if (i == count || strncmp(runs[i].what, "---", 3) == 0) return 0;
    const long place = (long)(runs[i].offset + ((unsigned long)at - runs[i].start)) & ~(long)(PAGE - 1);
    if (runs[i].inode != 0 && place >= size_of_mapped(runs[i].inode)) return 0;
    done += PAGE - ((uintptr_t)at & (PAGE - 1));
  }
  return 1;
}

enum direction { kFromMemory, kToMemory };

// A copy between the file, from `offset` on, and memory, of which this part comes after `before` bytes, changes bytes that it has
// yet to copy: what it then finds there depends on how much the file system copies in one step. (Where it goes downwards, they
// have been copied before.) O_DIRECT goes by whole pages and invalidates those it writes; open(2) advises against it for mapped
// files.
static int meets_itself(size_t count, enum direction direction, const char* memory, size_t length, int fd, long offset, long before) {
  struct stat file;
  if (fstat(fd, &file) != 0) return 0;
  const int flags = fcntl(fd, F_GETFL);
  if (direction == kFromMemory && (flags & O_DIRECT) && !can_be_read(count, memory, length)) return 1;
  if (direction == kFromMemory && (flags & O_APPEND)) offset = file.st_size;
  const long end = offset + before + (long)length;
  for (size_t i = 0; i < count; ++i) {
    long first, last;
    if (runs[i].inode != file.st_ino || !part_of_file(runs + i, memory, length, &first, &last)) continue;
    if (direction == kToMemory && !is_shared(runs + i)) continue;  // what it changes is its own
    const long skipped = runs[i].start > (unsigned long)memory ? (long)(runs[i].start - (unsigned long)memory) : 0;
    const long other = offset + before + skipped;  // where in the file what is in this memory goes, or comes from
    if (flags & O_DIRECT) {
      if (first < end + (long)PAGE && offset < last + (long)PAGE) return 1;
    } else if (direction == kFromMemory ? first < other && last > offset : first > other && first < end) {
      return 1;
    }
  }
  return 0;
}
