// The smallest program that has text, data, zeroed data, heap and stack. Source: ELF gABI, program loading.
#include "guest.h"

static int initialised = 42;
static int zeroed[5000];
static const char constant[] = "constant";

int main(int argc, char** argv) {
  int* heap = calloc(1000, sizeof(int));
  int on_stack[1000] = {7};
  printf("hello %d %d %s %d %d\n", initialised, zeroed[4999], constant, heap[999], on_stack[0] + on_stack[999]);
  CHECK(argc == 1 && argv[1] == 0);
  fprintf(stderr, "and on the error stream\n");
  free(heap);
  return 3;
}
