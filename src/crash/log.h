// The log of a run: a file that only grows, one checksummed record an event. Each record is written by one write(2) at
// once, so that a recorder that is killed loses nothing it had been told; a record that was cut short, and whatever
// follows it, is left out when the log is read.
//
//   file    "PAGEFOLD" "CRASHLOG" u32 version (3) u32 0, then records
//   record  u32 length of the payload, u32 number of the record, u64 checksum (XXH3 of the payload, seeded with the
//   number)
// Numbers are little-endian.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "crash/event.h"

namespace pagefold::crash {

inline constexpr std::uint32_t kLogVersion = 3;

// Events and the memory their pieces point into.
class Log {
 public:
  // EBADMSG: no log, or one of another version. A torn tail is no error.
  static Result<Log> read(const std::string& path);
  static Result<Log> parse(std::vector<std::byte> bytes);

  [[nodiscard]] const std::vector<Event>& events() const { return events_; }
  // The first event of the run itself.
  [[nodiscard]] Position begin() const { return begin_; }
  [[nodiscard]] std::size_t bytes_cut() const { return bytes_cut_; }

 private:
  static Result<Log> parse(std::shared_ptr<const void> memory, std::span<const std::byte> bytes);

  std::shared_ptr<const void> memory_;
  std::vector<Event> events_;
  Position begin_ = 0;
  std::size_t bytes_cut_ = 0;
};

// Appends events to a file. Not thread-safe.
class LogWriter {
 public:
  // Creates or empties the file.
  static Result<LogWriter> create(const std::string& path);

  // The event's position in the log.
  Result<Position> append(const Event& event);
  [[nodiscard]] Position next() const { return next_; }

 private:
  explicit LogWriter(UniqueFd fd) : fd_(std::move(fd)) {}

  UniqueFd fd_;
  Position next_ = 0;
  std::vector<std::byte> record_;
};

// The same in memory, for tests and for logs that are made rather than recorded.
class LogBuilder {
 public:
  LogBuilder();
  Position add(const Event& event);
  [[nodiscard]] const std::vector<std::byte>& bytes() const { return bytes_; }
  // What has been added so far.
  [[nodiscard]] Log log() const;

 private:
  std::vector<std::byte> bytes_;
  Position next_ = 0;
};

}  // namespace pagefold::crash
