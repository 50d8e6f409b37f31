// What the guest programs share. A program shows one rule at work and prints what it learned: results, errnos,
// contents, signal codes and permissions, never an address, a pid or a time, so that two runs can be compared byte by
// byte.
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE ((size_t)4096)
#define KIB ((size_t)1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define ANON_SHARED (MAP_SHARED | MAP_ANONYMOUS)

__attribute__((unused)) static const char* errno_name(int code) {
  const char* name = strerrorname_np(code);
  return name ? name : "E?";
}

// Shows a call and its result: the number, or the errno when it is -1.
#define SHOW(call)                                   \
  ({                                                 \
    errno = 0;                                       \
    long show_result = (long)(call);                 \
    if (show_result == -1)                           \
      printf("%s = %s\n", #call, errno_name(errno)); \
    else                                             \
      printf("%s = %ld\n", #call, show_result);      \
    show_result;                                     \
  })

// The same for calls that return an address: "mapped" or the errno.
#define SHOW_MAP(call)                                                                     \
  ({                                                                                       \
    errno = 0;                                                                             \
    void* show_address = (call);                                                           \
    printf("%s = %s\n", #call, show_address == MAP_FAILED ? errno_name(errno) : "mapped"); \
    (char*)show_address;                                                                   \
  })

// Shows a claim that must hold in both worlds; a false one is printed, and so compared, too.
#define CHECK(claim) printf("%s: %s\n", #claim, (claim) ? "yes" : "NO")

// A step that is no part of the rule: failing means that the test itself is broken.
#define MUST(call)                                                                  \
  ({                                                                                \
    __typeof__(call) must_result = (call);                                          \
    if ((long)must_result == -1) {                                                  \
      printf("%s:%d: %s: %s\n", __FILE_NAME__, __LINE__, #call, errno_name(errno)); \
      fflush(stdout);                                                               \
      _exit(98);                                                                    \
    }                                                                               \
    must_result;                                                                    \
  })

#ifndef __FILE_NAME__
#define __FILE_NAME__ "guest"
#endif

// Ends the program as "not applicable here"; the runner shows the reason.
__attribute__((unused)) static void skip(const char* reason) {
  printf("skipped: %s\n", reason);
  fflush(stdout);
  _exit(77);
}

// A new mapping between two pages without access, so that it neither merges with nor grows into its neighbours.
__attribute__((unused)) static char* map_island(size_t length, int protection, int flags, int fd, off_t offset) {
  size_t whole = (length + PAGE - 1) & ~(PAGE - 1);
  char* guarded = MUST((char*)mmap(0, whole + 2 * PAGE, PROT_NONE, ANON | MAP_NORESERVE, -1, 0));
  return MUST((char*)mmap(guarded + PAGE, length, protection, flags | MAP_FIXED, fd, offset));
}

__attribute__((unused)) static char* map_anon(size_t length) { return map_island(length, RW, ANON, -1, 0); }

__attribute__((unused)) static char* map_shared(size_t length) { return map_island(length, RW, ANON_SHARED, -1, 0); }

// A new file of the given length where byte i of page p is 'A' + p % 26; open for reading and writing.
__attribute__((unused)) static int make_file(const char* name, size_t length) {
  int fd = MUST(open(name, O_RDWR | O_CREAT | O_TRUNC, 0644));
  char page[4096];
  for (size_t done = 0; done < length; done += PAGE) {
    size_t count = length - done < PAGE ? length - done : PAGE;
    memset(page, 'A' + (int)(done / PAGE % 26), count);
    MUST(write(fd, page, count));
  }
  return fd;
}

// The same, and then nobody has it open for writing.
__attribute__((unused)) static int make_file_read_only(const char* name, size_t length) {
  close(make_file(name, length));
  return MUST(open(name, O_RDONLY));
}

// What is left of one file goes into another.
__attribute__((unused)) static void copy_rest(int in, int out) {
  char buffer[64 * 1024];
  for (ssize_t count; (count = MUST(read(in, buffer, sizeof buffer))) > 0;) MUST(write(out, buffer, (size_t)count));
}

// The whole of a file as text, cut to the size of the buffer.
__attribute__((unused)) static char* read_text(const char* name, char* text, size_t size) {
  size_t used = 0;
  int fd = MUST(open(name, O_RDONLY));
  for (ssize_t count; (count = MUST(read(fd, text + used, size - 1 - used))) > 0;) used += (size_t)count;
  close(fd);
  text[used] = 0;
  return text;
}

// Probes: touches memory and says how that ended.
static sigjmp_buf probe_return;
static volatile int probe_signal, probe_code;
static char* volatile probe_address;

__attribute__((unused)) static void probe_handler(int signal_number, siginfo_t* info, void* context) {
  (void)context;
  probe_signal = signal_number;
  probe_code = info->si_code;
  probe_address = info->si_addr;
  siglongjmp(probe_return, 1);
}

__attribute__((unused)) static const char* fault_name(int signal_number, int code) {
  if (signal_number == SIGSEGV) {
    if (code == SEGV_MAPERR) return "SIGSEGV/MAPERR";
    if (code == SEGV_ACCERR) return "SIGSEGV/ACCERR";
    if (code == SI_KERNEL) return "SIGSEGV/KERNEL";
    if (code == SI_USER) return "SIGSEGV/USER";
    if (code == SI_TKILL) return "SIGSEGV/TKILL";
    return "SIGSEGV/other";
  }
  if (signal_number == SIGBUS) return code == BUS_ADRERR ? "SIGBUS/ADRERR" : "SIGBUS/other";
  return "another signal";
}

enum Touch { Read, Write, Execute };

// Touches one byte; "ok", or the signal and its code, with a note when si_addr is not the byte touched.
__attribute__((unused)) static const char* touch(void* where, enum Touch kind) {
  struct sigaction on = {.sa_sigaction = probe_handler, .sa_flags = SA_SIGINFO}, old_segv, old_bus;
  sigaction(SIGSEGV, &on, &old_segv);
  sigaction(SIGBUS, &on, &old_bus);
  const char* volatile result = "ok";
  if (sigsetjmp(probe_return, 1) == 0) {
    if (kind == Read) (void)*(volatile char*)where;
    if (kind == Write) *(volatile char*)where = 'w';
    if (kind == Execute) ((void (*)(void))where)();
  } else {
    result = fault_name(probe_signal, probe_code);
    if (probe_address != where) result = "a signal with a wrong si_addr";
  }
  sigaction(SIGSEGV, &old_segv, 0);
  sigaction(SIGBUS, &old_bus, 0);
  return result;
}

#define TOUCH(kind, where) printf("%s %s: %s\n", #kind, #where, touch((void*)(where), kind))

// Prints the ranges of /proc/self/maps inside [start, start + length), in pages from its start: "[0,3) rw-p +0".
// Neighbours of equal permissions are shown as the kernel keeps them: split or merged.
__attribute__((unused)) static void show_maps(const char* title, const void* start, size_t length) {
  static char text[1 << 20];
  read_text("/proc/self/maps", text, sizeof text);
  printf("maps of %s:", title);
  uintptr_t low = (uintptr_t)start, high = low + length;
  for (char* line = strtok(text, "\n"); line; line = strtok(0, "\n")) {
    unsigned long from, to, offset;
    char permissions[5];
    if (sscanf(line, "%lx-%lx %4s %lx", &from, &to, permissions, &offset) != 4) continue;
    if (to <= low || from >= high) continue;
    if (from < low) offset += permissions[3] == 's' || offset ? low - from : 0, from = low;
    if (to > high) to = high;
    printf(" [%lu,%lu) %s", (from - low) / PAGE, (to - low) / PAGE, permissions);
    if (offset) printf(" +%lu", offset / PAGE);
  }
  printf("\n");
}

// One character a page as mincore tells it, or the errno.
__attribute__((unused)) static void show_mincore(const char* title, void* start, size_t length) {
  unsigned char vector[4096] = {0};
  if (mincore(start, length, vector) != 0) {
    printf("mincore of %s: %s\n", title, errno_name(errno));
    return;
  }
  printf("mincore of %s: ", title);
  for (size_t page = 0; page < (length + PAGE - 1) / PAGE; ++page) putchar(vector[page] & 1 ? '1' : '0');
  putchar('\n');
}

// True when every byte of the range is the given one.
__attribute__((unused)) static bool all_are(const char* start, size_t length, char value) {
  for (size_t i = 0; i < length; ++i)
    if (start[i] != value) return false;
  return true;
}

// Runs the body in a child and shows how it ended; the child must leave by _exit after fflush.
__attribute__((unused)) static void show_end(const char* title, pid_t child) {
  int status = 0;
  fflush(stdout);
  if (waitpid(child, &status, 0) != child)
    printf("%s: no child\n", title);
  else if (WIFSIGNALED(status))
    printf("%s: killed by SIG%s\n", title, sigabbrev_np(WTERMSIG(status)));
  else
    printf("%s: exit %d\n", title, WEXITSTATUS(status));
}

// A child that inherits no unprinted text.
__attribute__((unused)) static pid_t fork_child(void) {
  fflush(stdout);
  return MUST(fork());
}

__attribute__((unused)) static void leave(int code) {
  fflush(stdout);
  _exit(code);
}
