// What the modes of fallocate(2) do, in the field's words. A mode that Linux refuses never comes here.
#pragma once

#include <linux/falloc.h>

#include <cstdint>

namespace pagefold::crash {

enum class Fallocate : std::uint8_t {
  Reserve,   // blocks for what comes later; the size may grow
  Punch,     // blocks go: a hole
  Zero,      // reads as zeros, blocks stay reserved
  Collapse,  // the range is taken out, what follows moves down
  Insert     // a hole is put in, what follows moves up
};

constexpr Fallocate fallocate_of(std::uint32_t mode) {
  if ((mode & FALLOC_FL_PUNCH_HOLE) != 0) return Fallocate::Punch;
  if ((mode & FALLOC_FL_ZERO_RANGE) != 0) return Fallocate::Zero;
  if ((mode & FALLOC_FL_COLLAPSE_RANGE) != 0) return Fallocate::Collapse;
  if ((mode & FALLOC_FL_INSERT_RANGE) != 0) return Fallocate::Insert;
  return Fallocate::Reserve;
}

constexpr bool moves_the_rest(std::uint32_t mode) {
  return fallocate_of(mode) == Fallocate::Collapse || fallocate_of(mode) == Fallocate::Insert;
}

}  // namespace pagefold::crash
