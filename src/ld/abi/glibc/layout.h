// The private structures of one glibc build, as numbers. The loader fills and reads `link_map`, `_rtld_global`, `struct
// pthread` and their like for a libc that was compiled against another ld.so; their layouts differ from release to
// release and are promised to nobody. So no such structure is declared here: `Layout` holds byte offsets (bit-fields:
// bit numbers), one table row a build of libc.so.6, found by its build-id, and every access is pointer + offset.
//
// Sources: the DWARF of the matching debug package (tools/glibc-layout.sh writes layout_fields.h and tables/). No
// table, no guess: an unknown build-id is the genuine loader's business (src/ld/hand_over).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace pagefold::ld::glibc {

// This glibc has no such member.
inline constexpr uint32_t kAbsent = 0xffffffff;
constexpr bool present(uint32_t offset) { return offset != kAbsent; }

}  // namespace pagefold::ld::glibc

#include "ld/abi/glibc/layout_fields.h"

namespace pagefold::ld::glibc {

// Tunables as ld.so declares them; libc asks by position in this list (`__tunable_get_val`).
enum class TunableType : uint8_t { kInt32, kUint64, kSizeT, kString };
enum class SecurityLevel : uint8_t { kErase, kIgnore, kNone };  // what AT_SECURE does with it
struct Tunable {
  char name[44];       // "glibc.malloc.arena_max"
  char env_alias[28];  // "MALLOC_ARENA_MAX", or empty
  uint64_t minimum, maximum, initial;
  TunableType type;
  SecurityLevel security;
};

inline constexpr size_t kBuildIdSize = 20;
inline constexpr uint32_t kMaxTunables = 48;

// One known libc.so.6.
struct Build {
  uint8_t build_id[kBuildIdSize];
  char version[40];    // of the package, "2.36-9+deb12u14": for messages
  uint32_t minor;      // 36 for glibc 2.36: which of the rules by era hold
  uint32_t rseq_used;  // bytes, what `__rseq_size` becomes; 0: the kernel says it (2.41)
  uint32_t tunables;   // how many of `tunable`
  Layout layout;
  Tunable tunable[kMaxTunables];
};

// All known builds, newest first.
std::span<const Build> known_builds();

// The table row of a libc, or null: then nothing about it may be guessed. `build_id` is the descriptor of its
// NT_GNU_BUILD_ID note.
const Build* find_build(std::span<const uint8_t> build_id);

// The same, the layout alone.
const Layout* find_layout(std::span<const uint8_t> build_id);

}  // namespace pagefold::ld::glibc
