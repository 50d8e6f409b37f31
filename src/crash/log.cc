#include "crash/log.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <array>
#include <cstring>
#include <map>

#include "crash/hash.h"

namespace pagefold::crash {
namespace {

struct FileHeader {
  std::array<char, 16> magic;
  std::uint32_t version;
  std::uint32_t zero;
};
constexpr FileHeader kHeader{
    {'P', 'A', 'G', 'E', 'F', 'O', 'L', 'D', 'C', 'R', 'A', 'S', 'H', 'L', 'O', 'G'}, kLogVersion, 0};

struct RecordHeader {
  std::uint32_t length;
  std::uint32_t number;
  std::uint64_t checksum;
};

using Memory = std::vector<std::byte>;

// ---- writing

template <class T>
void put(Memory& to, T value) {
  const std::size_t at = to.size();
  to.resize(at + sizeof value);
  std::memcpy(to.data() + at, &value, sizeof value);
}

void put(Memory& to, const std::string& text) {
  put(to, static_cast<std::uint32_t>(text.size()));
  const auto bytes = std::as_bytes(std::span(text));
  to.insert(to.end(), bytes.begin(), bytes.end());
}

void put(Memory& to, const Event& event) {
  put(to, event.kind);
  put(to, event.type);
  put(to, static_cast<std::uint8_t>(event.together));
  put(to, event.mode);
  put(to, event.process);
  put(to, event.code);
  put(to, event.file);
  put(to, event.directory);
  put(to, event.to_directory);
  for (const std::uint64_t number : {event.offset, event.length, event.size, static_cast<Bytes>(event.covers)})
    put(to, number);
  for (const std::string* text : {&event.name, &event.to_name, &event.text}) put(to, *text);
  put(to, static_cast<std::uint32_t>(event.pieces.size()));
  for (const Piece& piece : event.pieces) {
    put(to, piece.offset);
    put(to, piece.zeros);
    put(to, static_cast<Bytes>(piece.bytes.size()));
    to.insert(to.end(), piece.bytes.begin(), piece.bytes.end());
  }
}

void put_record(Memory& to, const Event& event, Position number) {
  const std::size_t start = to.size();
  to.resize(start + sizeof(RecordHeader));
  put(to, event);
  const std::span<const std::byte> payload = std::span(to).subspan(start + sizeof(RecordHeader));
  const RecordHeader header{static_cast<std::uint32_t>(payload.size()), static_cast<std::uint32_t>(number),
                            hash_of(payload, number)};
  std::memcpy(to.data() + start, &header, sizeof header);
}

// ---- reading: every take() says whether there was enough

class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : left_(bytes) {}

  template <class T>
  bool take(T& value) {
    if (left_.size() < sizeof value) return false;
    std::memcpy(&value, left_.data(), sizeof value);
    left_ = left_.subspan(sizeof value);
    return true;
  }
  bool take(std::string& text) {
    std::uint32_t length = 0;
    std::span<const std::byte> bytes;
    if (!take(length) || !take(bytes, length)) return false;
    text.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return true;
  }
  bool take(std::span<const std::byte>& bytes, Bytes length) {
    if (left_.size() < length) return false;
    bytes = left_.first(length);
    left_ = left_.subspan(length);
    return true;
  }
  [[nodiscard]] std::size_t left() const { return left_.size(); }

 private:
  std::span<const std::byte> left_;
};

// One component of a path, so that no log leads out of the directory it is rebuilt in.
bool is_name(const std::string& name) {
  return name.find('/') == std::string::npos && name.find('\0') == std::string::npos && name != "." && name != "..";
}

bool take(Reader& from, Event& event) {
  Bytes covers = 0;
  std::uint32_t pieces = 0;
  std::uint8_t together = 0;
  const bool fixed = from.take(event.kind) && from.take(event.type) && from.take(together) && from.take(event.mode) &&
                     from.take(event.process) && from.take(event.code) && from.take(event.file) &&
                     from.take(event.directory) && from.take(event.to_directory) && from.take(event.offset) &&
                     from.take(event.length) && from.take(event.size) && from.take(covers) && from.take(event.name) &&
                     from.take(event.to_name) && from.take(event.text) && from.take(pieces);
  if (!fixed || static_cast<std::size_t>(event.kind) >= kEventKinds || event.type > FileType::Link) return false;
  if (!is_name(event.name) || !is_name(event.to_name)) return false;
  event.covers = covers;
  event.together = together != 0;
  for (std::uint32_t i = 0; i < pieces; ++i) {
    Piece piece;
    Bytes length = 0;
    if (!from.take(piece.offset) || !from.take(piece.zeros) || !from.take(length) || !from.take(piece.bytes, length))
      return false;
    event.pieces.push_back(piece);
  }
  return from.left() == 0;
}

}  // namespace

Result<Log> Log::parse(std::shared_ptr<const void> memory, std::span<const std::byte> bytes) {
  Log log;
  log.memory_ = std::move(memory);
  FileHeader header{};
  Reader reader(bytes);
  if (!reader.take(header) || std::memcmp(&header, &kHeader, sizeof header) != 0)
    return fail(EBADMSG, "log of crash events");
  bool begun = false;
  std::uint32_t records = 0;
  std::map<std::uint32_t, std::string> places;
  while (reader.left() > 0) {
    log.bytes_cut_ = reader.left();
    RecordHeader record{};
    std::span<const std::byte> payload;
    if (!reader.take(record) || !reader.take(payload, record.length)) break;
    if (record.number != records || record.checksum != hash_of(payload, records)) break;
    ++records;
    Event event;
    Reader inside(payload);
    if (!take(inside, event)) return fail(EBADMSG, "event in a log of crash events");
    if (event.kind == EventKind::Begin && !begun) {
      begun = true;
      log.begin_ = log.events_.size() + 1;
    }
    log.bytes_cut_ = 0;
    if (event.kind == EventKind::Place)
      places[event.code] = std::move(event.text);
    else
      log.events_.push_back(std::move(event));
  }
  for (Event& event : log.events_)
    if (const auto place = places.find(event.code); place != places.end()) event.place = place->second;
  return log;
}

Result<Log> Log::parse(std::vector<std::byte> bytes) {
  auto memory = std::make_shared<const Memory>(std::move(bytes));
  const std::span<const std::byte> all(*memory);
  return parse(std::move(memory), all);
}

Result<Log> Log::read(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status {};
  if (!fd || ::fstat(fd.get(), &status) != 0) return fail_errno(path);
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size == 0) return fail(EBADMSG, path);
  void* const mapped = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (mapped == MAP_FAILED) return fail_errno(path);
  const std::shared_ptr<const void> memory(mapped, [size](const void* at) { ::munmap(const_cast<void*>(at), size); });
  return parse(memory, {static_cast<const std::byte*>(mapped), size});
}

Result<LogWriter> LogWriter::create(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644));
  if (!fd || ::write(fd.get(), &kHeader, sizeof kHeader) != static_cast<ssize_t>(sizeof kHeader))
    return fail_errno(path);
  return LogWriter(std::move(fd));
}

Result<Position> LogWriter::append(const Event& event) {
  record_.clear();
  put_record(record_, event, next_);
  for (std::size_t done = 0; done < record_.size();) {
    const ssize_t n = ::write(fd_.get(), record_.data() + done, record_.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail_errno("write the log of crash events");
    done += static_cast<std::size_t>(n);
  }
  return next_++;
}

LogBuilder::LogBuilder() { put(bytes_, kHeader); }

Position LogBuilder::add(const Event& event) {
  put_record(bytes_, event, next_);
  return next_++;
}

Log LogBuilder::log() const { return *Log::parse(bytes_); }

}  // namespace pagefold::crash
