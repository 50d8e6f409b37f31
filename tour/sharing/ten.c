// Starts N processes that use a library of their own making, and counts frames while all are alive: of the library's
// code and of its relocated pages; with the machine's memory before and meanwhile.
#include "../common/children.h"
#include "shared.h"

enum { kMost = 16 };

static struct pages_held held[kMost];

static int is_library_code(const struct mapping* m) {
  return m->permissions[2] == 'x' && strstr(m->path, "/libshared.so") != NULL;
}

static int is_library(const struct mapping* m) { return strstr(m->path, "/libshared.so") != NULL; }

static long frames_of_code(int processes) {
  long frames = 0;
  for (size_t i = 0; i < kCodePages; i++) {
    uint64_t numbers[kMost];
    for (int p = 0; p < processes; p++) numbers[p] = held[p].code[i];
    frames += distinct(numbers, (size_t)processes);
  }
  return frames;
}

static long frames_of_pointers(int processes) {
  long frames = 0;
  for (size_t i = 0; i < kPointerPages; i++) {
    uint64_t numbers[kMost];
    for (int p = 0; p < processes; p++) numbers[p] = held[p].pointers[i];
    frames += distinct(numbers, (size_t)processes);
  }
  return frames;
}

// A line of /proc/meminfo, in kB: of the whole machine.
static long machine_kilobytes(const char* field) {
  char line[256];
  long kilobytes = -1;
  FILE* memory = fopen("/proc/meminfo", "re");
  if (memory == NULL) die("/proc/meminfo");
  while (kilobytes < 0 && fgets(line, sizeof line, memory) != NULL)
    if (strncmp(line, field, strlen(field)) == 0) kilobytes = atol(line + strlen(field));
  fclose(memory);
  return kilobytes;
}

static void tell_machine(const char* when) {
  printf("machine, %s: MemAvailable %ld kB, Shmem %ld kB\n", when, machine_kilobytes("MemAvailable:"),
         machine_kilobytes("Shmem:"));
}

int main(int argc, char** argv) {
  const int processes = argc > 1 ? atoi(argv[1]) : 10;
  if (processes < 1 || processes > kMost) die("usage: ten PROCESSES (at most 16)");
  struct child children[kMost];
  tell_machine("before");
  for (int i = 0; i < processes; i++) {
    children[i] = start_child("sharer");
    read_all(children[i].from, &held[i], sizeof held[i]);
  }
  tell_machine("meanwhile");
  long resident = 0, share = 0, dirty = 0, sums = 0, wrong = 0;
  for (int i = 0; i < processes; i++) {
    resident += smaps_kilobytes(children[i].pid, "Rss:", is_library_code);
    share += smaps_kilobytes(children[i].pid, "Pss:", is_library_code);
    dirty += smaps_kilobytes(children[i].pid, "Private_Dirty:", is_library);
    sums += held[i].sum == held[0].sum;
    wrong += (long)held[i].wrong_pointers;
  }
  tell("processes that read the same code", sums);
  tell("pointers that are not relocated", wrong);
  tell("frame numbers visible", frame_numbers_visible());
  tell("frames of the code", frames_of_code(processes));
  tell("frames of the relocated pages", frames_of_pointers(processes));
  tell("kB of code resident", resident);
  tell("kB of code, each frame counted once", share);
  tell("kB of the library private to the processes", dirty);
  int ended_well = 0;
  for (int i = 0; i < processes; i++) ended_well += finish_child(&children[i]);
  tell("processes that ended well", ended_well);
  return 0;
}
