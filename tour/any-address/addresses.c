// Two processes load the same library, each at another address, and count with it. Both are alive while their answers
// are compared: addresses, the bytes of the code as they are in memory, and the frame that holds them.
#include "../common/children.h"
#include "../common/objects.h"

// The second process first takes many small pieces of its address space, so that the library finds its place elsewhere.
enum { kCodeBytes = 64, kPieces = 64, kPagesEach = 4 };

struct answer {
  uintptr_t base, variable, function;
  uint64_t frame;
  long count, code_size, absolute, relative;  // the last two: how often the code has the variable's address
  unsigned char code[kCodeBytes];
};

static long occurrences(const unsigned char* bytes, size_t size, uintptr_t address) {
  long found = 0;
  for (size_t i = 0; i + sizeof address <= size; i++) found += memcmp(bytes + i, &address, sizeof address) == 0;
  return found;
}

// Places whose four bytes are the distance from behind them to the address.
static long distances(const unsigned char* bytes, size_t size, uintptr_t at, uintptr_t address) {
  long found = 0;
  for (size_t i = 0; i + sizeof(int32_t) <= size; i++) {
    int32_t distance;
    memcpy(&distance, bytes + i, sizeof distance);
    found += at + i + sizeof distance + (uintptr_t)(intptr_t)distance == address;
  }
  return found;
}

static struct answer load_and_count(const char* library, int pieces, int times) {
  for (int i = 0; i < pieces; i++) anonymous_pages(kPagesEach, PROT_NONE);
  char path[4200];
  snprintf(path, sizeof path, "%s/%s", own_directory(), library);
  void* handle = dlopen(path, RTLD_NOW);
  if (handle == NULL) die(dlerror());
  int (*next)(void) = (int (*)(void))(uintptr_t)dlsym(handle, "next_count");
  int* (*where)(void) = (int* (*)(void))(uintptr_t)dlsym(handle, "where_counter");
  if (next == NULL || where == NULL) die("dlsym");
  struct answer a;
  memset(&a, 0, sizeof a);
  for (int i = 0; i < times; i++) a.count = next();
  const struct code code = code_of((const void*)(uintptr_t)next);
  a.base = (uintptr_t)object_at((const void*)(uintptr_t)next).dli_fbase;
  a.variable = (uintptr_t)where();
  a.function = (uintptr_t)code.start;
  a.code_size = (long)(code.size < kCodeBytes ? code.size : kCodeBytes);
  memcpy(a.code, (const void*)(uintptr_t)code.start, (size_t)a.code_size);
  a.absolute = occurrences(a.code, (size_t)a.code_size, a.variable);
  a.relative = distances(a.code, (size_t)a.code_size, a.function, a.variable);
  a.frame = frame_of(code.start);
  return a;
}

// A child that answers through `from` and lives until `to` is closed.
static struct child start(const char* library, int pieces, int times) {
  int in[2], out[2];
  if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) die("pipe2");
  fflush(stdout);
  const pid_t pid = fork();
  if (pid < 0) die("fork");
  if (pid == 0) {
    close(in[1]);
    const struct answer a = load_and_count(library, pieces, times);
    if (write(out[1], &a, sizeof a) != (ssize_t)sizeof a) _exit(1);
    char end;
    while (read(in[0], &end, 1) > 0) {
    }
    _exit(0);
  }
  close(in[0]);
  close(out[1]);
  return (struct child){pid, in[1], out[0]};
}

static void describe(const char* which, const struct answer* a) {
  printf("%s: library at %lx, its variable at %lx\n", which, a->base, a->variable);
  printf("%s, code at: %lx\n", which, a->function);
  char key[64];
  snprintf(key, sizeof key, "%s, code", which);
  tell_bytes(key, a->code, (size_t)a->code_size);
  snprintf(key, sizeof key, "%s, counted to", which);
  tell(key, a->count);
  snprintf(key, sizeof key, "%s, variable minus library", which);
  tell(key, (long)(a->variable - a->base));
}

int main(int argc, char** argv) {
  if (argc != 2) die("usage: addresses LIBRARY");
  struct child children[2] = {start(argv[1], 0, 1), start(argv[1], kPieces, 2)};
  struct answer a[2];
  for (int i = 0; i < 2; i++) read_all(children[i].from, &a[i], sizeof a[i]);
  describe("first", &a[0]);
  describe("second", &a[1]);
  tell("same address", a[0].base == a[1].base);
  long differing = 0;
  for (long i = 0; i < a[0].code_size; i++) differing += a[0].code[i] != a[1].code[i];
  tell("bytes of code", a[0].code_size);
  tell("bytes of code that differ", differing);
  tell("absolute addresses of the variable in the code", a[0].absolute + a[1].absolute);
  tell("distances to the variable in the code", a[0].relative + a[1].relative);
  tell("frame numbers visible", frame_numbers_visible());
  tell("code in one frame", a[0].frame != 0 && a[0].frame == a[1].frame);
  const int second = finish_child(&children[1]);  // first: being younger, it holds the pipe to the other open
  tell("processes that ended well", second + finish_child(&children[0]));
  return 0;
}
