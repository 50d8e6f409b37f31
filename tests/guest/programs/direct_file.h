// A file to be read past the host's cache (O_DIRECT), each word of it known, and memory to read it into: chunks that know which
// part of the file they hold. There is several times as much memory as frames under --mem, so that chunks leave while they are
// read into.
#pragma once

#include "guest.h"

#define CHUNK_PAGES ((size_t)64)
#define CHUNK (CHUNK_PAGES * PAGE)
#define FILE_CHUNKS ((size_t)24)
#define CHUNKS ((size_t)96)  // 24 MiB

struct Chunk {
  char* memory;
  size_t holds;  // which chunk of the file
};

static uint64_t draw(uint64_t* state) {  // xorshift64
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

static uint64_t word_of(size_t chunk, size_t word) { return (chunk + 1) * 0x9e3779b97f4a7c15u + word * 0xff51afd7ed558ccdu; }

static int open_direct_file(const char* name) {
  uint64_t* const words = MUST((uint64_t*)mmap(NULL, CHUNK, RW, ANON, -1, 0));
  const int file = MUST(open(name, O_RDWR | O_CREAT | O_TRUNC, 0600));
  for (size_t chunk = 0; chunk < FILE_CHUNKS; ++chunk) {
    for (size_t i = 0; i < CHUNK / sizeof *words; ++i) words[i] = word_of(chunk, i);
    MUST(write(file, words, CHUNK));
  }
  MUST(fsync(file));
  MUST(close(file));
  MUST(munmap(words, CHUNK));
  const int direct = open(name, O_RDONLY | O_DIRECT);
  if (direct < 0) skip("no O_DIRECT here");
  return direct;
}

// One word of each 512 bytes, which is what a device stores at least.
static size_t wrong_in(const struct Chunk* chunk) {
  const volatile uint64_t* const words = (const volatile uint64_t*)chunk->memory;
  size_t wrong = 0;
  for (size_t i = 0; i < CHUNK / sizeof *words; i += 64) wrong += words[i] != word_of(chunk->holds, i);
  return wrong;
}

enum Kind { PRIVATE, SHARED, MAPPED_FILE, KINDS };
static const char* const kind_names[KINDS] = {"private memory", "shared memory", "a mapped file"};

// `file` must be of CHUNKS * CHUNK bytes.
static char* map_kind(enum Kind kind, int file) {
  if (kind == PRIVATE) return map_anon(CHUNKS * CHUNK);
  if (kind == SHARED) return map_shared(CHUNKS * CHUNK);
  return map_island(CHUNKS * CHUNK, RW, MAP_SHARED, file, 0);
}

// What a chunk of a mapped file holds for who reads the file.
static size_t wrong_in_file(int file, size_t place, const struct Chunk* chunk) {
  static char contents[CHUNK];
  MUST(pread(file, contents, CHUNK, (off_t)(place * CHUNK)));
  const struct Chunk read_back = {contents, chunk->holds};
  return wrong_in(&read_back);
}

// Somebody who wants frames, until told not to.
static volatile bool pressing;
static void* press(void* unused) {
  (void)unused;
  char* const memory = MUST((char*)mmap(NULL, 16 * MIB, RW, ANON, -1, 0));
  uint64_t state = 4711;
  while (pressing) memory[draw(&state) % (16 * MIB)] += 1;
  MUST(munmap(memory, 16 * MIB));
  return NULL;
}
