// Three children share 32 MiB with their parent; all four store to pages of their own choice at the same time and must see
// nothing of each other, though there is not nearly room for all copies under --mem.
#include "guest.h"

#define PAGES ((size_t)8 * 1024)
#define CHILDREN 3

static uint32_t* memory;
static uint32_t* page(size_t i) { return memory + i * (PAGE / sizeof(uint32_t)); }

// What `who` (0: the parent) leaves in page i.
static uint32_t final(unsigned who, size_t i) {
  return (i * 2654435761u >> 7) % 4 == who ? (uint32_t)(i * 10 + who + 1) : (uint32_t)(i * 10);
}

static size_t differences(unsigned who) {
  size_t wrong = 0;
  for (size_t i = 0; i < PAGES; ++i) wrong += page(i)[0] != final(who, i) || page(i)[1023] != (uint32_t)i;
  return wrong;
}

static void store_own(unsigned who) {
  for (size_t i = 0; i < PAGES; ++i)
    if (final(who, i) != i * 10) page(i)[0] = final(who, i);
}

int main(void) {
  memory = MUST(mmap(NULL, PAGES * PAGE, RW, ANON, -1, 0));
  for (size_t i = 0; i < PAGES; ++i) {
    page(i)[0] = (uint32_t)(i * 10);
    page(i)[1023] = (uint32_t)i;
  }
  pid_t children[CHILDREN];
  for (unsigned who = 1; who <= CHILDREN; ++who) {
    children[who - 1] = MUST(fork());
    if (children[who - 1] == 0) {
      store_own(who);
      _exit(differences(who) == 0 ? 0 : 1);
    }
  }
  store_own(0);
  for (unsigned child = 0; child < CHILDREN; ++child) {
    int status = -1;
    MUST(waitpid(children[child], &status, 0));
    printf("child %u: %d\n", child, status);
  }
  CHECK(differences(0) == 0);
  return 0;
}
