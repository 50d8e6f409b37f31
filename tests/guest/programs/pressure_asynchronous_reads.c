// Asynchronous reads (io_submit) into memory that is being evicted: the device stores long after the call. All is there when the
// event is; also where less was submitted than asked for, and where a control block is used again at once.
#include <linux/aio_abi.h>

#include "direct_file.h"

#define DEPTH 8
#define ROUNDS 60

static aio_context_t context;
static int file;
static struct Chunk chunks[CHUNKS];

static long submit(long count, struct iocb** blocks) { return syscall(SYS_io_submit, context, count, blocks); }
static long events_of(long least, long most, struct io_event* events) {
  return syscall(SYS_io_getevents, context, least, most, events, NULL);
}

struct Request {
  struct iocb block;
  struct iovec parts[2];
};

static void prepare(struct Request* request, struct Chunk* chunk, uint64_t* state) {
  chunk->holds = draw(state) % FILE_CHUNKS;
  memset(&request->block, 0, sizeof request->block);
  request->block.aio_data = (uint64_t)(chunk - chunks);
  request->block.aio_fildes = (uint32_t)file;
  request->block.aio_offset = (int64_t)(chunk->holds * CHUNK);
  if (draw(state) % 2 == 0) {
    request->block.aio_lio_opcode = IOCB_CMD_PREAD;
    request->block.aio_buf = (uint64_t)chunk->memory;
    request->block.aio_nbytes = CHUNK;
  } else {
    request->parts[0] = (struct iovec){chunk->memory, CHUNK / 2};
    request->parts[1] = (struct iovec){chunk->memory + CHUNK / 2, CHUNK / 2};
    request->block.aio_lio_opcode = IOCB_CMD_PREADV;
    request->block.aio_buf = (uint64_t)request->parts;
    request->block.aio_nbytes = 2;
  }
}

// Chunks of a batch differ; every chunk of it is looked at as soon as its event is there, and every one at the end.
static size_t read_and_check(void) {
  static struct Request requests[DEPTH];
  struct iocb* blocks[DEPTH];
  struct io_event events[DEPTH];
  uint64_t state = 88172645463325252ULL;
  size_t wrong = 0;
  for (size_t round = 0; round < ROUNDS; ++round) {
    const size_t from = draw(&state) % (CHUNKS / DEPTH) * DEPTH;
    for (size_t i = 0; i < DEPTH; ++i) {
      prepare(&requests[i], &chunks[from + i], &state);
      blocks[i] = &requests[i].block;
    }
    for (long submitted = 0; submitted < DEPTH;) submitted += MUST(submit(DEPTH - submitted, blocks + submitted));
    for (long got = 0; got < DEPTH;) {
      const long more = MUST(events_of(1, DEPTH, events));
      for (long i = 0; i < more; ++i) {
        wrong += events[i].res != (int64_t)CHUNK;
        wrong += wrong_in(&chunks[events[i].data]) != 0;
      }
      got += more;
    }
    const size_t other = draw(&state) % (round == 0 ? DEPTH : CHUNKS);
    if (chunks[other].holds < FILE_CHUNKS) wrong += wrong_in(&chunks[other]) != 0;
  }
  for (size_t i = 0; i < CHUNKS; ++i)
    if (chunks[i].holds < FILE_CHUNKS) wrong += wrong_in(&chunks[i]) != 0;
  return wrong;
}

static size_t read_into_kind(enum Kind kind, int mapped) {
  char* const memory = map_kind(kind, mapped);
  for (size_t i = 0; i < CHUNKS; ++i) chunks[i] = (struct Chunk){memory + i * CHUNK, FILE_CHUNKS};
  pressing = true;
  pthread_t pressing_thread;
  pthread_create(&pressing_thread, NULL, press, NULL);
  size_t wrong = read_and_check();
  pressing = false;
  pthread_join(pressing_thread, NULL);
  for (size_t i = 0; i < CHUNKS; ++i)
    if (kind == MAPPED_FILE && chunks[i].holds < FILE_CHUNKS) wrong += wrong_in_file(mapped, i, &chunks[i]) != 0;
  MUST(munmap(memory, CHUNKS * CHUNK));
  return wrong;
}

// One control block for all, changed as soon as it is submitted: the kernel has its own copy.
static size_t one_block_for_all(void) {
  char* const memory = map_anon(CHUNKS * CHUNK);
  uint64_t state = 1;
  struct Request request;
  struct iocb* block = &request.block;
  struct io_event events[DEPTH];
  size_t wrong = 0;
  for (size_t i = 0; i < CHUNKS; ++i) chunks[i].memory = memory + i * CHUNK;
  for (size_t from = 0; from < CHUNKS; from += DEPTH) {
    for (size_t i = from; i < from + DEPTH; ++i) {
      prepare(&request, &chunks[i], &state);
      request.block.aio_data = 0;
      MUST(submit(1, &block));
    }
    for (long got = 0; got < DEPTH;) got += MUST(events_of(1, DEPTH, events));
    for (size_t i = from; i < from + DEPTH; ++i) wrong += wrong_in(&chunks[i]) != 0;
  }
  MUST(munmap(memory, CHUNKS * CHUNK));
  return wrong;
}

// More at once than the context has room for: what was not taken is not under way, and its memory can go.
static size_t more_than_fit(void) {
  enum { BLOCKS = 192 };
  static struct iocb all[BLOCKS];
  static struct io_event events[BLOCKS];
  struct iocb* blocks[BLOCKS];
  char* const memory = map_anon(CHUNKS * CHUNK);
  size_t wrong = 0, taken_whole = 0;
  for (size_t page = 0; page + BLOCKS <= CHUNKS * CHUNK_PAGES; page += BLOCKS) {
    for (size_t i = 0; i < BLOCKS; ++i) {
      all[i] = (struct iocb){.aio_data = i, .aio_fildes = (uint32_t)file, .aio_lio_opcode = IOCB_CMD_PREAD, .aio_nbytes = PAGE};
      all[i].aio_buf = (uint64_t)(memory + (page + i) * PAGE);
      blocks[i] = &all[i];
    }
    const long taken = MUST(submit(BLOCKS, blocks));
    taken_whole += taken == BLOCKS;
    for (long got = 0; got < taken;) got += MUST(events_of(1, BLOCKS, events));
    for (size_t i = 0; i < BLOCKS; ++i) wrong += *(uint64_t*)(memory + (page + i) * PAGE) != (i < (size_t)taken ? word_of(0, 0) : 0);
  }
  CHECK(taken_whole == 0);
  memset(memory, 1, CHUNKS * CHUNK);
  wrong += !all_are(memory, CHUNKS * CHUNK, 1);
  MUST(munmap(memory, CHUNKS * CHUNK));
  return wrong;
}

// What cannot be submitted is not waited for for ever: its memory can go. 24 MiB in calls that fail, and then used.
static void calls_that_fail(void) {
  char* const memory = map_anon(CHUNKS * CHUNK);
  struct iocb bad = {.aio_fildes = (uint32_t)-1, .aio_lio_opcode = IOCB_CMD_PREAD, .aio_nbytes = CHUNK}, *blocks[2] = {&bad, NULL};
  long refused = 0;
  for (size_t i = 0; i < CHUNKS; ++i) {
    bad.aio_buf = (uint64_t)(memory + i * CHUNK);
    refused += submit(1, blocks) == -1 && errno == EBADF;
  }
  CHECK(refused == CHUNKS);
  memset(memory, 1, CHUNKS * CHUNK);
  CHECK(all_are(memory, CHUNKS * CHUNK, 1));
  bad.aio_fildes = (uint32_t)file;
  bad.aio_buf = (uint64_t)memory;
  bad.aio_lio_opcode = 99;
  SHOW(submit(1, blocks));
  bad.aio_lio_opcode = IOCB_CMD_PREAD;
  bad.aio_buf = 1;
  SHOW(submit(1, blocks));
  struct io_event event;
  SHOW(events_of(1, 1, &event));
  printf("result %ld\n", (long)event.res);
  SHOW(submit(1, (struct iocb**)8));
  SHOW(submit(-1, blocks));
  SHOW(syscall(SYS_io_submit, (aio_context_t)memory, 1L, blocks));
  SHOW(submit(2, blocks));  // the second is no block
  SHOW(events_of(1, 1, &event));
  MUST(munmap(memory, CHUNKS * CHUNK));
}

int main(void) {
  file = open_direct_file("contents");
  const int mapped = MUST(open("mapped", O_RDWR | O_CREAT, 0600));
  MUST(ftruncate(mapped, CHUNKS * CHUNK));
  MUST(syscall(SYS_io_setup, DEPTH, &context));
  calls_that_fail();
  for (enum Kind kind = 0; kind < KINDS; ++kind) {
    const size_t wrong = read_into_kind(kind, mapped);
    printf("%s: %zu wrong\n", kind_names[kind], wrong);
  }
  printf("one block for all: %zu wrong\n", one_block_for_all());
  printf("more than fit: %zu wrong\n", more_than_fit());
  SHOW(syscall(SYS_io_destroy, context));
  return 0;
}
