#include "crash/recorder.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <set>

namespace pagefold::crash {
namespace {

using Kind = event::FileWatch::Intent::Kind;
using Contents = std::vector<std::byte>;

Result<Contents> contents_of(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return fail_errno("look at a recorded file");
  Contents bytes(static_cast<std::size_t>(status.st_size));
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = ::pread(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (n < 0) return fail_errno("read a recorded file");
    if (n == 0) break;  // it has just become shorter
    done += static_cast<std::size_t>(n);
  }
  bytes.resize(done);
  return bytes;
}

bool differs(const Contents& a, const Contents& b, std::size_t from, std::size_t to) {
  return to > from && std::memcmp(a.data() + from, b.data() + from, to - from) != 0;
}

std::span<const std::byte> part(const Contents& bytes, std::size_t from, std::size_t to) { return std::span(bytes).subspan(from, to - from); }

Piece piece_of(const Contents& bytes, std::size_t from, std::size_t to) {
  const auto all = part(bytes, from, to);
  if (std::ranges::all_of(all, [](std::byte b) { return b == std::byte{0}; })) return {from, {}, to - from};
  return {from, all, 0};
}

FileType type_of(mode_t mode) { return S_ISDIR(mode) ? FileType::Directory : S_ISLNK(mode) ? FileType::Link : FileType::Regular; }

std::string link_target(const std::string& path) {
  std::string target(4096, '\0');
  const ssize_t n = ::readlink(path.c_str(), target.data(), target.size());
  target.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  return target;
}

}  // namespace

Result<std::unique_ptr<Recorder>> Recorder::start(Selection selection, const std::string& log_path) {
  std::unique_ptr<Recorder> recorder(new Recorder(std::move(selection), PAGEFOLD_TRY(LogWriter::create(log_path))));
  struct stat status {};
  UniqueFd root(::open(recorder->selection_.directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root || ::fstat(root.get(), &status) != 0) return fail_errno(recorder->selection_.directory);
  File& file = recorder->files_[{status.st_dev, status.st_ino}];
  file.number = kRoot;
  file.type = FileType::Directory;
  file.fd = std::move(root);
  file.names = 1;
  recorder->directories_[kRoot] = recorder->selection_.directory;
  recorder->observe({}, Compare::Everywhere);
  recorder->log_event({.kind = EventKind::Begin}, {});
  if (recorder->error_) return tl::unexpected(*recorder->error_);
  return recorder;
}

void Recorder::about_to(const Caller& caller, const Intent& intent) {
  const std::lock_guard lock(mutex_);
  catch_up(caller);
  pending_[caller.thread] = {caller, intent};
  if (const auto it = files_.find(intent.file); intent.kind == Kind::Map && it != files_.end()) it->second.stored_into = true;
}

std::optional<int> Recorder::synchronise(const Caller& caller, Scope scope, FileId id, Bytes offset, Bytes length) {
  std::unique_lock lock(mutex_);
  catch_up(caller);
  const auto file = files_.find(scope == Scope::All ? files_.begin()->first : id);
  if (file == files_.end()) return std::nullopt;
  constexpr std::array kKinds = {EventKind::Sync, EventKind::SyncData, EventKind::SyncRange, EventKind::SyncAll};
  Event event{.kind = kKinds[static_cast<std::size_t>(scope)], .file = file->second.number, .offset = offset, .length = length};
  event.covers = log_.next();
  const UniqueFd fd(::fcntl(file->second.fd.get(), F_DUPFD_CLOEXEC, 0));
  lock.unlock();
  const int outcome = scope == Scope::All ? ::syncfs(fd.get()) : scope == Scope::File ? ::fsync(fd.get()) : ::fdatasync(fd.get());
  const int error = outcome == 0 ? 0 : errno;
  lock.lock();
  if (error == 0) log_event(std::move(event), caller);
  return error;
}

void Recorder::tells(const Caller& caller, std::string text) {
  const std::lock_guard lock(mutex_);
  catch_up(caller);
  Event event{.kind = EventKind::Output};
  event.text = std::move(text);
  log_event(std::move(event), caller);
}

Result<void> Recorder::finish() {
  const std::lock_guard lock(mutex_);
  catch_up({}, Compare::Everywhere);
  if (error_) return tl::unexpected(*error_);
  return {};
}

void Recorder::log_event(Event event, const Caller& caller) {
  event.process = caller.process;
  if (event.place.empty()) event.place = caller.place;
  if (auto done = log_.append(event); !done && !error_) error_ = done.error();
}

void Recorder::catch_up(const Caller& caller, Compare compare) {
  observe(caller, compare);
  const auto mine = pending_.find(caller.thread);
  if (mine == pending_.end()) return;
  const Intent intent = mine->second.intent;
  // A write that waited for the disk promises what it has written.
  if (const auto file = files_.find(intent.file); intent.waits_for_disk && file != files_.end()) {
    Event event{.kind = EventKind::SyncRange, .file = file->second.number, .offset = intent.offset, .length = intent.length};
    event.covers = log_.next();
    log_event(std::move(event), mine->second.caller);
  }
  pending_.erase(mine);
}

void Recorder::observe(const Caller& caller, Compare compare) {
  std::map<Name, Found> found;
  stores_seen_ = false;
  scan(selection_.directory, kRoot, found);
  compare_names(caller, found);
  for (auto it = files_.begin(); it != files_.end();) {
    compare_contents(caller, it->first, it->second, compare);
    // A file without a name can get one again as long as it lives (linkat); our descriptor keeps its number from being reused.
    struct stat status {};
    const bool gone = it->second.names == 0 && (::fstat(it->second.fd.get(), &status) != 0 || status.st_nlink == 0);
    it = gone ? files_.erase(it) : std::next(it);
  }
}

// ---- names

// Lists a directory; directories that are new are met at once, so that what is in them can be named.
void Recorder::scan(const std::string& path, FileNumber directory, std::map<Name, Found>& found) {
  struct Close {
    void operator()(DIR* directory) const { ::closedir(directory); }
  };
  const std::unique_ptr<DIR, Close> listing(::opendir(path.c_str()));
  if (!listing) return;
  while (const dirent* entry = ::readdir(listing.get())) {
    const std::string name = entry->d_name;
    struct stat status {};
    if (name == "." || name == ".." || !selection_.matches(name)) continue;
    if (::fstatat(::dirfd(listing.get()), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
    const bool enters = S_ISDIR(status.st_mode) && selection_.enters_directories();
    if (!enters && !S_ISREG(status.st_mode) && !S_ISLNK(status.st_mode)) continue;
    const Found here{{status.st_dev, status.st_ino}, type_of(status.st_mode), status.st_mode & 07777};
    found[{directory, name}] = here;
    if (!enters) continue;
    File& below = files_[here.id];
    if (below.number == kNoFile) below.number = next_number_++;
    below.type = FileType::Directory;
    if (!below.fd) below.fd.reset(::open((path + "/" + name).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    directories_[below.number] = path + "/" + name;
    scan(path + "/" + name, below.number, found);
  }
}

Recorder::FileId Recorder::meet(const Name& name, const Found& found, const std::string& path) {
  File& file = files_[found.id];
  if (file.number == kNoFile) file.number = next_number_++;
  file.type = found.type;
  if (found.type == FileType::Regular && !file.fd) file.fd.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (found.type == FileType::Regular && !file.fd && !error_) error_ = Error{errno, "record " + name.second};
  return found.id;
}

void Recorder::compare_names(const Caller& caller, const std::map<Name, Found>& found) {
  std::map<FileId, std::vector<Name>> gone;
  std::vector<Name> vacated;
  for (const auto& [name, id] : names_) {
    const auto now = found.find(name);
    if (now != found.end() && now->second.id == id) continue;
    gone[id].push_back(name);
    vacated.push_back(name);
  }
  std::set<Name> moved;
  std::vector<Event> appeared;
  for (const auto& [name, what] : found) {
    const auto before = names_.find(name);
    if (before != names_.end() && before->second == what.id) continue;
    const auto known = files_.find(what.id);
    const bool had_name = known != files_.end() && known->second.names > 0;
    const std::string path = directories_[name.first] + "/" + name.second;
    const FileId id = meet(name, what, path);
    Event event{.kind = had_name ? EventKind::Link : EventKind::Create, .file = files_[id].number};
    event.directory = name.first;
    event.name = name.second;
    event.type = what.type;
    event.mode = what.mode;
    if (what.type == FileType::Link) event.text = link_target(path);
    if (auto& from = gone[id]; had_name && !from.empty()) {
      event.kind = EventKind::Rename;
      event.to_directory = std::exchange(event.directory, from.back().first);
      event.to_name = std::exchange(event.name, from.back().second);
      moved.insert(from.back());
      moved.insert(name);
      from.pop_back();
    } else {
      ++files_[id].names;
    }
    appeared.push_back(std::move(event));
  }
  // What was replaced by a rename goes with it; other names that went, went first.
  for (const Name& name : vacated) {
    File& file = files_[names_[name]];
    const bool renamed_away = moved.contains(name) && !found.contains(name);
    if (!renamed_away) --file.names;
    if (moved.contains(name)) continue;
    Event event{.kind = EventKind::Unlink, .file = file.number};
    event.directory = name.first;
    event.name = name.second;
    event.type = file.type;
    log_event(std::move(event), caller);
  }
  for (Event& event : appeared) log_event(std::move(event), caller);
  names_.clear();
  for (const auto& [name, what] : found) names_[name] = what.id;
}

// ---- contents

void Recorder::compare_contents(const Caller& caller, FileId id, File& file, Compare compare) {
  if (file.type != FileType::Regular || !file.fd) return;
  struct stat status {};
  const bool announced = std::ranges::any_of(pending_, [&](const auto& entry) {
    const Intent& intent = entry.second.intent;
    return intent.kind == Kind::Copy || (intent.kind != Kind::Other && intent.file == id);
  });
  const bool resized = ::fstat(file.fd.get(), &status) == 0 && static_cast<std::size_t>(status.st_size) != file.shadow.size();
  if (!file.fresh && !file.stored_into && !announced && !resized && compare == Compare::WhereDue) return;
  const auto now = contents_of(file.fd.get());
  if (!now) {
    if (!error_) error_ = now.error();
    return;
  }
  for (const auto& [thread, pending] : pending_)
    if (pending.intent.kind == Kind::Map && pending.intent.file == id) file.stored_into = true;
  take_resize(caller, id, file, *now);
  take_write(caller, id, file, *now);
  take_stores(caller, file, *now);
  file.fresh = false;
}

// truncate and fallocate: to a new size, or zeros within the old.
void Recorder::take_resize(const Caller& caller, FileId id, File& file, const Contents& now) {
  const auto pending = std::ranges::find_if(pending_, [&](const auto& entry) {
    return entry.second.intent.file == id && (entry.second.intent.kind == Kind::Truncate || entry.second.intent.kind == Kind::Allocate);
  });
  const bool writes = std::ranges::any_of(pending_, [&](const auto& entry) {
    return entry.second.intent.file == id && entry.second.intent.kind == Kind::Write &&
           entry.second.intent.offset + entry.second.intent.length >= now.size();
  });
  const bool asked = pending != pending_.end();
  const bool allocates = asked && pending->second.intent.kind == Kind::Allocate;
  const bool resized = now.size() != file.shadow.size();
  const bool grown_by_write = now.size() > file.shadow.size() && (writes || (file.fresh && !asked));
  Event event{.kind = allocates ? EventKind::Allocate : EventKind::Truncate, .file = file.number};
  if (asked) {
    event.offset = allocates ? pending->second.intent.offset : 0;
    event.length = allocates ? pending->second.intent.length : 0;
  }
  if (resized && !grown_by_write) {
    event.size = now.size();
    file.shadow.resize(now.size());
  }
  if (allocates) {
    const std::size_t from = std::min<Bytes>(event.offset, file.shadow.size()), to = std::min<Bytes>(from + event.length, std::min(file.shadow.size(), now.size()));
    if (differs(file.shadow, now, from, to)) {
      event.pieces.push_back(piece_of(now, from, to));
      std::copy_n(now.begin() + static_cast<std::ptrdiff_t>(from), to - from, file.shadow.begin() + static_cast<std::ptrdiff_t>(from));
    }
  }
  if (event.size != Event::kSameSize || !event.pieces.empty()) log_event(std::move(event), asked ? pending->second.caller : caller);
}

void Recorder::take_write(const Caller& caller, FileId id, File& file, const Contents& now) {
  std::vector<Pending> writes;
  for (const auto& [thread, pending] : pending_)
    if (pending.intent.kind == Kind::Write && pending.intent.file == id) writes.push_back(pending);
  // Contents that were there when the file was met, or that some call has put there that says not where.
  if (writes.empty() && now.size() > file.shadow.size()) writes.push_back({caller, {Kind::Write, id, 0, now.size()}});
  for (const Pending& write : writes) {
    const std::size_t from = std::min<Bytes>(write.intent.offset, now.size());
    const std::size_t to = std::min<Bytes>(from + write.intent.length, now.size());
    const std::size_t shared = std::min(to, file.shadow.size());
    if (to <= file.shadow.size() && !differs(file.shadow, now, from, shared)) continue;
    Event event{.kind = EventKind::Write, .file = file.number, .offset = from, .length = to - from};
    event.pieces.push_back(piece_of(now, from, to));
    if (to > file.shadow.size()) {
      event.size = to;
      file.shadow.resize(to);
    }
    std::copy_n(now.begin() + static_cast<std::ptrdiff_t>(from), to - from, file.shadow.begin() + static_cast<std::ptrdiff_t>(from));
    log_event(std::move(event), write.caller);
  }
}

void Recorder::take_stores(const Caller& caller, File& file, const Contents& now) {
  for (std::size_t from = 0; from < std::min(now.size(), file.shadow.size()); from += kPageSize) {
    const std::size_t to = std::min({from + kPageSize, now.size(), file.shadow.size()});
    if (!differs(file.shadow, now, from, to)) continue;
    Event event{.kind = EventKind::Store, .file = file.number, .offset = from, .length = to - from};
    event.pieces.push_back(piece_of(now, from, to));
    event.together = std::exchange(stores_seen_, true);
    std::copy_n(now.begin() + static_cast<std::ptrdiff_t>(from), to - from, file.shadow.begin() + static_cast<std::ptrdiff_t>(from));
    log_event(std::move(event), {caller.process, caller.thread, {}});
  }
}

}  // namespace pagefold::crash
