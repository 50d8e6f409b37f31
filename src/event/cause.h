// Why a page fault happened. Every fault that Pagefold serves is counted once, under exactly one cause.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace pagefold {

enum class FaultCause : unsigned {
  ZeroFill,     // first touch of anonymous memory: a frame is cleared and mapped
  FileCold,     // first touch of a file page that was not in the page cache: it is read, then mapped (major fault)
  FileCached,   // first touch, here, of a page that is already in a frame (page cache or shared memory): it is only mapped
  CopyOnWrite,  // a private copy is made: store to a page shared after fork, or first touch of a forked or private file page
  SwapIn,       // the page's contents were in the swap: they are read back into a frame (major fault)
  Protection,   // the mapping forbids the access, or there is no mapping: the program gets SIGSEGV or SIGBUS (or EFAULT)
};

inline constexpr std::size_t kFaultCauses = 6;

// Stable names: keys of the JSON report.
inline constexpr std::array<std::string_view, kFaultCauses> kFaultCauseKey = {
    "zero_fill", "file_cold", "file_cached", "copy_on_write", "swap_in", "protection"};
inline constexpr std::array<std::string_view, kFaultCauses> kFaultCauseTitle = {
    "zero-fill", "file, cold", "file, cached", "copy-on-write", "swap-in", "protection"};

}  // namespace pagefold
