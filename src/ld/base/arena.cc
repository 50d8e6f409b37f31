#include "ld/base/arena.h"

#include "ld/base/out.h"
#include "ld/base/sys.h"
#include "ld/base/text.h"

namespace pagefold::ld {
namespace {

constexpr size_t kUnit = 16, kFirstBlock = 24 << 10, kBlock = 128 << 10, kListed = 4096;

alignas(16) char first_block[kFirstBlock];
char* next = first_block;
char* block_end = first_block + kFirstBlock;

struct Piece {
  Piece* next;
};
Piece* free_pieces[kListed / kUnit + 1];  // by size in units

constexpr size_t round_up(size_t size) { return size == 0 ? kUnit : (size + kUnit - 1) & ~(kUnit - 1); }

void* bump(size_t size) {
  if (size > static_cast<size_t>(block_end - next)) {
    const size_t wanted = size > kBlock ? (size + 4095) & ~size_t{4095} : kBlock;
    const int64_t block = sys::map_anonymous(wanted);
    if (sys::failed(block)) fatal("cannot allocate memory for the loader's own data");
    if (wanted != kBlock) return reinterpret_cast<void*>(block);  // the open block may still serve small pieces
    next = reinterpret_cast<char*>(block);
    block_end = next + wanted;
  }
  char* piece = next;
  next += size;
  return piece;
}

}  // namespace

void* allocate(size_t size) {
  size = round_up(size);
  if (size <= kListed) {
    if (Piece* piece = free_pieces[size / kUnit]; piece != nullptr) {
      free_pieces[size / kUnit] = piece->next;
      memset(piece, 0, size);
      return piece;
    }
  }
  return bump(size);
}

void release(void* piece, size_t size) {
  if (piece == nullptr) return;
  size = round_up(size);
  if (size > kBlock) {
    sys::unmap(sys::word(piece), (size + 4095) & ~size_t{4095});
    return;
  }
  if (size > kListed) {  // give it back as listed pieces
    auto* at = static_cast<char*>(piece);
    for (; size > kListed; size -= kListed, at += kListed) release(at, kListed);
    release(at, size);
    return;
  }
  auto* freed = static_cast<Piece*>(piece);
  freed->next = free_pieces[size / kUnit];
  free_pieces[size / kUnit] = freed;
}

char* duplicate(const char* s, size_t size) {
  char* copy = static_cast<char*>(allocate(size + 1));
  memcpy(copy, s, size);
  copy[size] = '\0';
  return copy;
}

char* duplicate(const char* s) { return duplicate(s, strlen(s)); }

void release_string(const char* s) {
  if (s != nullptr) release(const_cast<char*>(s), strlen(s) + 1);
}

}  // namespace pagefold::ld
