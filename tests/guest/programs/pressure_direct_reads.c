// Direct reads (O_DIRECT) of all kinds into memory that is being evicted. A device stores without touching the page tables; no byte
// of it may be lost.
#include "direct_file.h"

#define THREADS 2
#define READS 120

static int file;
static struct Chunk chunks[CHUNKS];

static void read_into(struct Chunk* chunk, uint64_t* state) {
  chunk->holds = draw(state) % FILE_CHUNKS;
  const off_t at = (off_t)(chunk->holds * CHUNK);
  const struct iovec parts[2] = {{chunk->memory, CHUNK / 2}, {chunk->memory + CHUNK / 2, CHUNK / 2}};
  switch (draw(state) % 4) {
    case 0: MUST(pread(file, chunk->memory, CHUNK, at)); break;
    case 1: MUST(preadv(file, parts, 2, at)); break;
    case 2: MUST(preadv2(file, parts, 2, at, 0)); break;
    default:
      for (size_t i = 0; i < CHUNK_PAGES; i += 4) MUST(pread(file, chunk->memory + i * PAGE, 4 * PAGE, at + (off_t)(i * PAGE)));
  }
}

static void* read_and_check(void* argument) {
  const size_t me = (size_t)argument;
  uint64_t state = 88172645463325252ULL + me;
  size_t wrong = 0;
  for (size_t i = me; i < CHUNKS; i += THREADS) read_into(&chunks[i], &state);
  for (size_t i = 0; i < READS; ++i) {
    struct Chunk* const next = &chunks[me + draw(&state) % (CHUNKS / THREADS) * THREADS];
    wrong += wrong_in(next) != 0;
    read_into(next, &state);
    wrong += wrong_in(next) != 0;
  }
  for (size_t i = me; i < CHUNKS; i += THREADS) wrong += wrong_in(&chunks[i]) != 0;
  return (void*)wrong;
}

static size_t read_into_kind(enum Kind kind, int mapped) {
  char* const memory = map_kind(kind, mapped);
  for (size_t i = 0; i < CHUNKS; ++i) chunks[i].memory = memory + i * CHUNK;
  pressing = true;
  pthread_t threads[THREADS], pressing_thread;
  pthread_create(&pressing_thread, NULL, press, NULL);
  for (size_t t = 0; t < THREADS; ++t) pthread_create(&threads[t], NULL, read_and_check, (void*)t);
  size_t wrong = 0;
  for (size_t t = 0; t < THREADS; ++t) {
    void* result = NULL;
    pthread_join(threads[t], &result);
    wrong += (size_t)result;
  }
  pressing = false;
  pthread_join(pressing_thread, NULL);
  for (size_t i = 0; i < CHUNKS; ++i)
    if (kind == MAPPED_FILE) wrong += wrong_in_file(mapped, i, &chunks[i]) != 0;
  MUST(munmap(memory, CHUNKS * CHUNK));
  return wrong;
}

// read and readv go on from where the last one ended; errnos are the host's.
static void edges(void) {
  char* const memory = map_anon(4 * PAGE);
  MUST(lseek(file, 0, SEEK_SET));
  const struct iovec parts[2] = {{memory + 2 * PAGE, PAGE}, {memory, PAGE}};
  SHOW(read(file, memory, PAGE));
  SHOW(readv(file, parts, 2));
  SHOW(lseek(file, 0, SEEK_CUR));
  CHECK(*(uint64_t*)memory == word_of(0, 2 * PAGE / 8));
  CHECK(*(uint64_t*)(memory + 2 * PAGE) == word_of(0, PAGE / 8));
  SHOW(pread(file, memory, PAGE, (off_t)(FILE_CHUNKS * CHUNK)));
  SHOW(pread(file, memory, 2 * PAGE, (off_t)(FILE_CHUNKS * CHUNK - PAGE)));
  SHOW(pread(file, memory + 100, PAGE, 1));
  SHOW(pread(file, memory, 100, 0));
  SHOW(pread(file, memory, PAGE, -1));
  SHOW(pread(file, (char*)PAGE, PAGE, 0));
  SHOW(pread(file, memory, 0, 0));
  MUST(mprotect(memory, PAGE, PROT_READ));
  SHOW(pread(file, memory, PAGE, 0));
  SHOW(lseek(file, 0, SEEK_CUR));
  SHOW(read(file, memory, PAGE));
  SHOW(lseek(file, 0, SEEK_CUR));
  const int for_writing = MUST(open("contents", O_WRONLY | O_DIRECT));
  SHOW(pread(for_writing, memory + PAGE, PAGE, 0));
}

int main(void) {
  file = open_direct_file("contents");
  edges();
  const int mapped = MUST(open("mapped", O_RDWR | O_CREAT, 0600));
  MUST(ftruncate(mapped, CHUNKS * CHUNK));
  for (enum Kind kind = 0; kind < KINDS; ++kind) {
    const size_t wrong = read_into_kind(kind, mapped);
    printf("%s: %zu wrong\n", kind_names[kind], wrong);
  }
  return 0;
}
