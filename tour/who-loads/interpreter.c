// What a program names as its interpreter is whatever the kernel passes control to: here these few lines, without any
// library. They tell that they run, where they and the program are, what the kernel has mapped, and end the process:
// the program's own code never runs. (A real loader would now map the libraries and jump to AT_ENTRY.)
#include <elf.h>
#include <stddef.h>
#include <sys/syscall.h>

enum { kExitCode = 7, kOutput = 1 };

extern const char __ehdr_start[] __attribute__((visibility("hidden")));

static long call(long number, long a, long b, long c) {
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
  return result;
}

static void print(const char* text) {
  size_t length = 0;
  while (text[length] != 0) length++;
  call(SYS_write, kOutput, (long)text, (long)length);
}

static void tell(const char* key, int yes) {
  print(key);
  print(yes ? ": 1\n" : ": 0\n");
}

static unsigned long auxiliary(const unsigned long* stack, unsigned long type) {
  const unsigned long* at = stack + 1 + stack[0] + 1;  // argc, argv, its end
  while (*at != 0) at++;                               // the environment
  for (at++; at[0] != AT_NULL; at += 2)
    if (at[0] == type) return at[1];
  return 0;
}

static void print_maps(void) {
  static const char path[] = "/proc/self/maps";
  char buffer[4096];
  const long fd = call(SYS_open, (long)path, 0, 0);
  for (long got; (got = call(SYS_read, fd, (long)buffer, sizeof buffer)) > 0;)
    call(SYS_write, kOutput, (long)buffer, got);
}

// Called with the stack as the kernel left it.
__attribute__((used, noreturn)) static void interpret(const unsigned long* stack) {
  tell("the interpreter runs", 1);
  tell("AT_BASE is where it lies", auxiliary(stack, AT_BASE) == (unsigned long)__ehdr_start);
  const Elf64_Phdr* headers = (const Elf64_Phdr*)auxiliary(stack, AT_PHDR);
  const Elf64_Ehdr* program = (const Elf64_Ehdr*)((unsigned long)headers & ~0xfffUL);
  tell("AT_PHDR leads to another ELF file", program != (const void*)__ehdr_start && program->e_ident[1] == 'E');
  print_maps();
  call(SYS_exit_group, kExitCode, 0, 0);
  __builtin_unreachable();
}

__asm__(".globl _start\n_start: xor %ebp, %ebp\n mov %rsp, %rdi\n and $-16, %rsp\n call interpret");
