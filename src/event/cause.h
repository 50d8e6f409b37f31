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
  Protection,   // the mapping forbids the access, or there is no mapping: the program gets SIGSEGV or SIGBUS (or EFAULT)
};

inline constexpr std::size_t kFaultCauses = 5;

// Stable names: keys of the JSON report.
inline constexpr std::array<std::string_view, kFaultCauses> kFaultCauseKey = {
    "zero_fill", "file_cold", "file_cached", "copy_on_write", "protection"};
inline constexpr std::array<std::string_view, kFaultCauses> kFaultCauseTitle = {
    "zero-fill", "file, cold", "file, cached", "copy-on-write", "protection"};

}  // namespace pagefold
