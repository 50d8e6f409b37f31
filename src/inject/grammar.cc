#include "inject/grammar.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <string.h>

#include <algorithm>
#include <cerrno>
#include <cctype>
#include <iterator>

namespace pagefold::inject {
namespace {

using Name = std::string_view;

constexpr std::array<Name, 8> kReads = {"read",  "pread64", "readv",  "preadv", "preadv2", "sendfile", "splice", "copy_file_range"};
constexpr std::array<Name, 8> kWrites = {"write",   "pwrite64", "writev", "pwritev", "pwritev2", "sendfile", "splice", "copy_file_range"};
constexpr std::array<Name, 2> kTruncates = {"truncate", "ftruncate"};
constexpr std::array<Name, 1> kFallocates = {"fallocate"};
constexpr std::array<Name, 4> kFsyncs = {"fsync", "fdatasync", "sync_file_range", "syncfs"};
constexpr std::array<Name, 1> kMsyncs = {"msync"};
constexpr std::array<Name, 4> kOpens = {"open", "openat", "openat2", "creat"};
constexpr std::array<Name, 1> kMmaps = {"mmap"};
constexpr std::array<Name, 1> kMunmaps = {"munmap"};
constexpr std::array<Name, 2> kMprotects = {"mprotect", "pkey_mprotect"};
constexpr std::array<Name, 1> kMremaps = {"mremap"};
constexpr std::array<Name, 1> kBrks = {"brk"};
constexpr std::array<Name, 2> kForks = {"fork", "clone"};
constexpr std::array<Name, 4> kAllocs = {"mmap", "mremap", "mprotect", "brk"};

constexpr PlaceRow kPlaces[] = {
    {Place::Read, "read", kPath | kPage | kVia | kCall | kShort, kReads, "bytes of a regular file are read, by a call or by touching a mapped page"},
    {Place::Write, "write", kPath | kPage | kVia | kCall | kShort, kWrites, "bytes of a regular file are written, by a call or by writing back a mapped page"},
    {Place::Truncate, "truncate", kPath | kCall, kTruncates, "a file is cut or extended"},
    {Place::Fallocate, "fallocate", kPath | kPage, kFallocates, "room is reserved in a file, or a hole punched"},
    {Place::Fsync, "fsync", kPath | kCall, kFsyncs, "a file or directory is to reach the disk"},
    {Place::Msync, "msync", kPath | kPage, kMsyncs, "a mapping of a file is to reach the disk"},
    {Place::Open, "open", kPath | kCall, kOpens, "a file is opened"},
    {Place::Mmap, "mmap", kPath, kMmaps, "memory or a file is mapped"},
    {Place::Munmap, "munmap", 0, kMunmaps, "a mapping is removed"},
    {Place::Mprotect, "mprotect", 0, kMprotects, "a protection is changed"},
    {Place::Mremap, "mremap", 0, kMremaps, "a mapping is moved or resized"},
    {Place::Brk, "brk", 0, kBrks, "the heap's end is moved up"},
    {Place::Fork, "fork", 0, kForks, "a process is made"},
    {Place::Alloc, "alloc", kAfter, kAllocs, "anonymous memory is asked for, more than after=SIZE in all"},
};

constexpr ConditionRow kConditions[] = {
    {"path", kPath, "PATTERN", "the file's whole path; * crosses slashes; write \\: for a colon"},
    {"page", kPage, "LIST", "pages of the file, from 0: 7, 3..9, 8.. or a list 1,4,8.."},
    {"via", kVia, "call|map", "only system calls; only touches and write-back of mapped pages"},
    {"call", kCall, "NAME", "only this system call"},
    {"after", kAfter, "SIZE", "what the run may hold of anonymous memory: 40M"},
    {"program", 0, "PATTERN", "only processes that run this program (its whole path)"},
    {"when", 0, "N", "which of the matching calls: 3, 3+, 2..5, 3+2 (every second from the third)"},
    {"chance", 0, "P", "so many of them, at random: 1% or 0.01; --seed N repeats a run"},
};

std::string lower(std::string_view text) {
  std::string low(text);
  std::ranges::transform(low, low.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return low;
}

// Beyond the last errno of Linux (EHWPOISON, 133).
constexpr int kErrnoEnd = 134;

}  // namespace

std::span<const PlaceRow> places() { return kPlaces; }
const PlaceRow& row_of(Place place) { return kPlaces[static_cast<std::size_t>(place)]; }
std::span<const ConditionRow> conditions() { return kConditions; }

int errno_of(std::string_view name) {
  const std::string low = lower(name);
  if (low == "ewouldblock") return EWOULDBLOCK;
  if (low == "enotsup") return ENOTSUP;
  for (int error = 1; error < kErrnoEnd; ++error)
    if (const char* known = ::strerrorname_np(error); known != nullptr && low == lower(known)) return error;
  return 0;
}

std::string name_of_errno(int error) {
  const char* name = ::strerrorname_np(error);
  return name == nullptr ? std::to_string(error) : lower(name);
}

std::string help() {
  std::string text =
      "--fail PLACE[:CONDITION...]:OUTCOME     may be given several times; docs/failures.md tells more\n\n"
      "Places, and their system calls:\n";
  const auto line = std::back_inserter(text);
  for (const PlaceRow& row : kPlaces) {
    fmt::format_to(line, "  {:<10} {}\n", row.name, row.meaning);
    if (row.calls.size() > 1) fmt::format_to(line, "  {:<10}   {}\n", "", fmt::join(row.calls, ", "));
  }
  text += "  kill       kill:when=PLACE:N is PLACE:when=N:kill\n\nConditions, all of which must hold:\n";
  for (const ConditionRow& row : kConditions) {
    std::vector<std::string_view> who;
    for (const PlaceRow& place : kPlaces)
      if (row.needs != 0 && (place.takes & row.needs) != 0) who.push_back(place.name);
    fmt::format_to(line, "  {:<18} {}\n", fmt::format("{}={}", row.name, row.value), row.meaning);
    if (!who.empty()) fmt::format_to(line, "  {:<18} of {}\n", "", fmt::join(who, ", "));
  }
  text +=
      "\nOutcomes: one of these, and a delay before it, or a delay alone:\n"
      "  ERRNO              eio, enospc, enomem, eintr, edquot, ... any of errno(3); a touch raises SIGBUS\n"
      "  short, short=N     a read or write call transfers half of what was asked (at least a byte), or at most N bytes\n"
      "  kill               the process gets SIGKILL before the call has any effect\n"
      "  delay=TIME         50us, 20ms, 1s\n\n"
      "Examples:\n"
      "  --fail 'read:path=*.db:page=7:eio'      a touch of that page raises SIGBUS, a read of it returns EIO\n"
      "  --fail 'read:path=*.db:delay=20ms'      a slow disk\n"
      "  --fail msync:when=3+:eio                every msync from the third on\n"
      "  --fail 'write:path=/data/*:chance=1%:enospc' --seed 7\n"
      "  --fail write:via=map:eio                write-back fails: the pages stay dirty, msync and fsync tell\n"
      "  --fail alloc:after=40M:enomem           as if there were no more memory\n"
      "  --fail kill:when=msync:2                SIGKILL instead of the second msync\n";
  return text;
}

}  // namespace pagefold::inject
